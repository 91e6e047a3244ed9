"""Who she is now: segment, theme, maturity with its factors and gates, lifecycle. Pure.

In: a decision as of now. Out: points. No name, no address and no word of hers is among them.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from services.segmenter.explain.say import Count, Point, Said, Term
from services.segmenter.policy.maturity import MaturityPolicy
from services.segmenter.policy.whole import Policy
from shared.events.decisions import CustomerDecided, Maturity, Snapshot

#: What the sentence of each factor says of its rule.
FACTORS: Final[Mapping[str, Callable[[MaturityPolicy], Mapping[str, Said]]]] = {
    "latest": lambda rule: {"score": rule.latest.score},
    "previous": lambda rule: {"score": rule.previous.score},
    "answers": lambda rule: {
        "count": Count(rule.answers.count, "answer"),
        "days": Count(rule.answers.days, "day"),
    },
    "tenure": lambda rule: {"days": Count(rule.tenure.days, "day")},
    "orders": lambda rule: {"count": Count(rule.orders.count, "order")},
    "value": lambda rule: {
        "attribute": rule.value.attribute,
        "least": rule.value.upper_half_from or 0,
    },
}


def who(decided: CustomerDecided, policy: Policy, known_since: datetime) -> Iterator[Point]:
    """Tell who a customer is as of a decision; `known_since` is when she was first heard of."""
    seen = decided.snapshot
    count = Count(seen.response_count, "answer")
    yield Point("who.known", {"since": known_since, "answers": count})
    yield from _segment(seen)
    yield from _reasons(seen)
    if seen.maturity is not None:
        yield from _maturity(seen.maturity, policy.maturity)
    if seen.lifecycle is None:
        yield Point("who.lifecycle_unknown")
    else:
        yield Point("who.lifecycle", {"lifecycle": Term("lifecycle", seen.lifecycle)})
    if seen.fatigue_threshold:
        yield Point("who.bears", {"messages": Count(seen.fatigue_threshold, "message")})
    elif seen.fatigue_threshold == 0:
        yield Point("who.bears_none")
    if decided.test:
        yield Point("who.test")


def _segment(seen: Snapshot) -> Iterator[Point]:
    if seen.segment is None or seen.score is None:
        yield Point("who.no_segment")
        return
    segment = Term("segment", seen.segment)
    values: dict[str, Said] = {"segment": segment, "score": seen.score}
    yield Point("who.segment", {**values, "answered": seen.last_answered_at})
    if seen.previous_segment is not None:
        previous = Term("segment", seen.previous_segment)
        row = Count(seen.streak, "answer")
        yield Point("who.before", {"segment": previous, "row": row})
    if seen.recovered_from is not None:
        yield Point("who.recovered", {"score": seen.recovered_from})


def _reasons(seen: Snapshot) -> Iterator[Point]:
    if seen.segment is None:
        return
    if seen.theme is None:
        yield Point("who.theme_unknown")
    else:
        yield Point("who.theme", {"theme": Term("theme", seen.theme)})
    for code, names in (
        ("who.pains", seen.pains),
        ("who.strengths", seen.strengths),
        ("who.escalations", seen.escalations),
    ):
        if names:
            kind = "topic" if code == "who.escalations" else "theme"
            yield Point(code, {"names": tuple(Term(kind, name) for name in names)})


def _maturity(found: Maturity, rule: MaturityPolicy) -> Iterator[Point]:
    code = "who.mature" if found.ready else "who.not_mature"
    yield Point(code, {"points": Count(found.points, "point"), "wanted": rule.ready_at})
    for gate in found.gates:
        yield Point(f"gate.{gate}")
    for factor in found.factors:
        if factor.name == "value" and rule.value.upper_half_from is None:
            yield Point("factor.value_off")
            continue
        most = Count(getattr(rule, factor.name).points, "point")
        values = FACTORS[factor.name](rule)
        yield Point(f"factor.{factor.name}", {**values, "points": factor.points, "most": most})
