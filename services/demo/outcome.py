"""What came of the demo: collected facts in, counts and differences out. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.demo.data import Case, Counts
from services.demo.instance import Answer, Customer, Delivery

#: States that nothing leaves by itself.
FINAL = frozenset(
    {"accepted", "suppressed", "superseded", "expired", "rejected", "in_doubt", "parked"}
)


@dataclass(slots=True)
class Facts:
    """What was seen so far. `answers`: every request's, by the address it was about."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    customers: dict[str, Customer | None] = field(default_factory=dict)
    deliveries: dict[str, Sequence[Delivery]] = field(default_factory=dict)
    quarantined: frozenset[str] = frozenset()

    def settled(self, email: str) -> bool:
        """Tell whether a customer is known, has deliveries, and none of them is under way."""
        rows = self.deliveries.get(email, ())
        return bool(rows) and all(row.state in FINAL for row in rows)


def count(facts: Facts) -> Counts:
    """Count what happened."""
    answers = [answer for said in facts.answers.values() for answer in said]
    found = [customer for customer in facts.customers.values() if customer]
    ours = {answer.quarantine_id for answer in answers if answer.quarantine_id}
    return Counts(
        posted=len(answers),
        answers=_sorted(Counter(answer.said for answer in answers)),
        customers=_sorted(Counter(customer.segment or "no segment" for customer in found)),
        deliveries=_sorted(
            Counter(
                f"{row.what}: {row.state}" for rows in facts.deliveries.values() for row in rows
            )
        ),
        quarantine=len(ours & facts.quarantined),
    )


def differences(expected: Counts, found: Counts) -> list[str]:
    """Name every count that is not as expected."""
    lines = []
    for name in ("posted", "quarantine"):
        lines += _difference(name, getattr(expected, name), getattr(found, name))
    for group in ("answers", "customers", "deliveries"):
        wanted: Mapping[str, int] = getattr(expected, group)
        got: Mapping[str, int] = getattr(found, group)
        for name in sorted(wanted.keys() | got.keys()):
            lines += _difference(f"{group}, {name}", wanted.get(name, 0), got.get(name, 0))
    return lines


def case_differences(case: Case, facts: Facts) -> list[str]:
    """Name what of a special case is not as expected."""
    answers = [answer.said for answer in facts.answers.get(case.email, ())]
    wanted = [post.answer for post in case.posts]
    lines = [] if answers == wanted else [f"answers {answers}, expected {wanted}"]
    rows = sorted(f"{row.what}: {row.state}" for row in facts.deliveries.get(case.email, ()))
    if rows != sorted(case.expect):
        lines.append(f"deliveries {rows}, expected {sorted(case.expect)}")
    customer = facts.customers.get(case.email)
    if (customer is None) != ("accepted" not in wanted):
        lines.append("a customer was made" if customer else "no customer was made")
    elif customer and customer.segment != case.segment:
        lines.append(f"segment {customer.segment}, expected {case.segment}")
    return [f"{case.name}: {line}" for line in lines]


def contact_differences(
    facts: Facts, effects: Sequence[str], *, since: datetime, first: bool | None, accepted: int
) -> list[str]:
    """Name what this run did too much: contacts planned by a later run, and anything done twice.

    `effects`: the deliveries that the sandbox performed since the run began at `since`. `first`:
    whether the demo never ran here before; None: it was broken off, so a part may be new.
    """
    rows = [row for some in facts.deliveries.values() for row in some]
    planned = sum(row.state == "accepted" and row.planned_at >= since for row in rows)
    wanted = {True: accepted, False: 0, None: planned}[first]
    twice = len(effects) - len(set(effects))
    return [
        *_difference("contacts planned by this run", wanted, planned),
        *_difference("actions done twice", 0, twice),
    ]


def _difference(name: str, wanted: int, got: int) -> list[str]:
    return [] if wanted == got else [f"{name}: {got}, expected {wanted}"]


def _sorted(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items()))
