"""What another policy changes for a customer: who she is, and what a gate reads of her. Pure.

In: a profile and two rulebooks, at one time. Out: what differs between the two decisions that the
rules then make, and a word for each thing that is counted over all customers. Values that tell of
a person (how she is called, her attributes) are compared and never shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.segmenter.cases.opening import reason_to_open
from services.segmenter.decide import clocks, moments
from services.segmenter.decide.decide import Rulebook
from services.segmenter.decide.looking import look
from services.segmenter.eligibility import eligibility
from services.segmenter.profile.segments import move_of
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided, Hold, Permit, Snapshot
from shared.events.vocabulary import Value
from shared.times import iso

#: What names one decision, or tells of its event: nothing of the customer's state.
_NOT_STATE: Final = frozenset(
    {
        "decision_id",
        "customer_id",
        "version",
        "decided_at",
        "cause",
        "snapshot",
        "move",
        "case",
        "trace",
        "policy",
    }
)
STATE: Final = tuple(name for name in CustomerDecided.model_fields if name not in _NOT_STATE)
#: Of these it is told that they differ, and not what they are: they may be personal, or are long.
HIDDEN: Final = frozenset(
    {
        "identifiers",
        "group",
        "budgets",
        "comment",
        "language",
        "tone",
        "title",
        "first_name",
        "last_name",
        "called_by",
        "attributes",
    }
)


@dataclass(frozen=True, slots=True)
class Stand:
    """How a customer stands under one policy. `due` is what time will bring, `opens` a case."""

    decided: CustomerDecided
    move: str | None
    eligible: str
    due: Mapping[str, datetime]
    opens: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; of what is hidden the values are None."""

    aspect: str
    before: Value
    after: Value


def stand(
    profile: Profile, rulebook: Rulebook, now: datetime, *, customer_id: UUID, version: int
) -> Stand:
    """Tell how she stands at `now`; `version` is that of her state."""
    policy = rulebook.policy
    decided = look(profile, rulebook, now, customer_id=customer_id, version=version)
    scored = profile.scored
    move = move_of(scored, scored[-1].identity, policy) if scored else None
    general = next((f for f in policy.clocks.families if f.name == policy.clocks.general), None)
    asked = eligibility.Asked(survey="", family=general, who=str(customer_id))
    refusals = eligibility.judge(profile, asked, policy, now).refusals
    ahead = moments.ahead(profile, policy, now).items()
    return Stand(
        decided=decided,
        move=move.kind if move else None,
        eligible=refusals[0].rule if refusals else "yes",
        due={f"{kind} {subject}".strip(): at for (kind, subject), at in ahead if at > now},
        opens=bool(scored) and reason_to_open(decided.snapshot, policy.cases.open) is not None,
    )


def differences(before: Stand, after: Stand) -> Iterator[Difference]:
    """List what a gate, a play, a platform or a timer would read otherwise."""
    if before.move != after.move:
        yield Difference("move", before.move, after.move)
    if before.due != after.due:
        yield Difference("due", _moments(before.due), _moments(after.due))
    for names, one, other in (
        (STATE, before.decided, after.decided),
        (tuple(Snapshot.model_fields), before.decided.snapshot, after.decided.snapshot),
    ):
        for name in names:
            was, now = getattr(one, name), getattr(other, name)
            if was != now:
                hidden = name in HIDDEN
                yield Difference(
                    name, None if hidden else _shown(was), None if hidden else _shown(now)
                )


def counted(one: Stand) -> Iterator[tuple[str, str]]:
    """Name what is counted over all customers: aspect and value, each a closed word."""
    seen = one.decided.snapshot
    yield "segment", seen.segment or "none"
    yield "theme", seen.theme or "none"
    yield "move", one.move or "none"
    yield "may be asked", one.eligible
    yield "maturity", _ready(seen)
    yield "lifecycle", seen.lifecycle or "none"
    yield "newest answer opens a case", "yes" if one.opens else "no"
    yield "test respondent", "yes" if one.decided.test else "no"
    standing = {hold.rule for hold in one.decided.holds}
    for rule in clocks.RULES:
        yield f"hold {rule.__name__}", "holds" if rule.__name__ in standing else "open"


def _ready(seen: Snapshot) -> str:
    if seen.maturity is None:
        return "none"
    return "ready" if seen.maturity.ready else "not ready"


def _moments(due: Mapping[str, datetime]) -> list[str]:
    return [f"{name.partition(' ')[0]} {iso(at)}" for name, at in sorted(due.items())]


def _shown(value: Any) -> Value:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return [_one(item) for item in value]
    return value if isinstance(value, str | int | float) or value is None else _one(value)


def _one(item: Any) -> str:
    if isinstance(item, Hold):
        return f"{item.rule} until {iso(item.until)}: {', '.join(item.classes)}"
    if isinstance(item, Permit):
        return f"{item.contact_class} by {item.channel}: {'open' if item.allowed else 'closed'}"
    if hasattr(item, "points"):
        gates = f"; refused by {', '.join(item.gates)}" if item.gates else ""
        return f"{item.points} points, {'ready' if item.ready else 'not ready'}{gates}"
    return str(item)
