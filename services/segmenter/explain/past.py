"""What was decided about her and why, her cases, what was sent and what became of it. Pure.

In: the customer as the API shows her, and what the dispatcher told of deliveries. Out: points, the
newest first.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, get_args

from services.segmenter.api.views import CaseView, ContactView, DecisionView
from services.segmenter.decide import clocks
from services.segmenter.explain.say import Point, Said, Term
from services.segmenter.store.rows import PRUNED
from shared.events.decisions import URGENT, Cause, TraceLine
from shared.events.feedback import TimerKind
from shared.events.outcomes import DeliverySettled

#: How many of each are told: the last weeks of most people. The rest is in the API's answer.
_MOST: Final = 10
#: Lines of a trace whose outcome is a name: one sentence for each rule.
NAMED: Final = frozenset(
    {"segment", "theme", "escalation", "metric", "action", "test_respondent", "policy"}
)
#: The outcomes of all other lines, each with a sentence of its own.
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "history": ("no reaction",),
    "resurvey": ("exempt",),
    "provenance": ("unknown",),
    "maturity": ("ready", "not ready"),
    "case": ("opened", "resolved", "reopened"),
    "callback": ("asked",),
    "late": ("history", "urgent"),
    "identity": ("new", "kept apart", "merged", "merge undone"),
    "score": ("waiting",),
    "answered_at": ("receipt", "future"),
    "time": ("lifecycle", "maturity", "churn"),
}
#: Why a decision was kept and not published, as its note says it.
NOTES: Final[Mapping[str, str]] = {
    "no personal identifier is known yet": "nobody_known",
    "history only: nothing that a gate reads has changed": "nothing_changed",
    "stale: this timer was set anew meanwhile": "set_anew",
    "stale: what this timer waited for has changed": "changed",
    "stale: she was merged meanwhile": "merged",
    "stale: this policy is not in force here": "other_policy",
    PRUNED: "pruned",
}
#: Told otherwise: which clocks held, in one line; her zone explains nothing.
LEFT_OUT: Final = frozenset({*(rule.__name__ for rule in clocks.RULES), "zone"})


def decisions(found: Sequence[DecisionView]) -> Iterator[Point]:
    """Tell the last decisions: what happened, what followed, every reason but the free clocks."""
    if not found:
        yield Point("decision.none")
    for decision in islice(found, _MOST):
        event = Term("event", decision.event_type)
        if decision.cause is None:
            why = Term("note", NOTES.get(decision.note or "", "other"))
            yield Point("decision.silent", {"event": event, "why": why}, at=decision.decided_at)
            continue
        yield _header(decision, decision.cause, event)
        yield from _consequences(decision)


def _header(decision: DecisionView, cause: Cause, event: Term) -> Point:
    values: dict[str, Said] = {"event": event, "survey": cause.survey or "-"}
    if cause.what is not None:
        values["what"] = Term("deed", cause.what)
    return Point(cause_code(cause), values, at=decision.decided_at)


def cause_code(cause: Cause) -> str:
    """Name the sentence of what happened: by the first trigger, else by the timer or the kind."""
    if cause.late:
        urgent = next((one for one in cause.triggers if one in URGENT), None)
        return f"trigger.{urgent}" if urgent else "cause.late"
    if not cause.triggers and cause.what in get_args(TimerKind):
        return f"timer.{cause.what}"
    return f"trigger.{cause.triggers[0]}" if cause.triggers else f"cause.{cause.kind}"


def _consequences(decision: DecisionView) -> Iterator[Point]:
    if decision.move is not None:
        move = decision.move
        segments: dict[str, Said] = {
            "before": Term("segment", move.before) if move.before else "-",
            "after": Term("segment", move.after),
        }
        yield Point(f"move.{move.kind}", segments)
    if decision.case is not None:
        yield Point("decision.case", {"due": decision.case.due_at})
    yield from (_line(line) for line in decision.trace if line.rule not in LEFT_OUT)
    if decision.holds:
        rules = tuple(Term("rule", hold.rule) for hold in decision.holds)
        yield Point("decision.held", {"rules": rules})


def _line(line: TraceLine) -> Point:
    if line.rule in NAMED:
        kind = {"escalation": "topic", "action": "deed"}.get(line.rule, line.rule)
        return Point(f"trace.{line.rule}", {"outcome": Term(kind, line.outcome)})
    if line.outcome in OUTCOMES.get(line.rule, ()):
        return Point(f"trace.{line.rule}.{line.outcome.replace(' ', '_')}")
    # Kept by another release, which knew a rule that this one does not.
    return Point("trace.other", {"rule": line.rule, "outcome": line.outcome})


def cases(found: Sequence[CaseView]) -> Iterator[Point]:
    """Tell her cases. A helpdesk's is named by where it is, not by its number."""
    if not found:
        yield Point("case.none")
    for case in islice(found, _MOST):
        where = Term("place", case.case_id.partition("/")[0])
        values: dict[str, Said] = {"where": where, "opened": case.opened_at}
        if case.replaced:
            yield Point("case.replaced", values)
        elif case.open:
            yield Point("case.open", {**values, "due": case.due_at}, at=case.opened_at)
        else:
            yield Point("case.resolved", values, at=case.at)
        if case.first_score is not None and case.second_score is not None:
            yield Point("case.scores", {"first": case.first_score, "second": case.second_score})


def contacts(found: Sequence[ContactView]) -> Iterator[Point]:
    """Tell the contacts that count, ours and others'."""
    if not found:
        yield Point("contact.none")
    for contact in islice(found, _MOST):
        values: dict[str, Said] = {
            "channel": Term("channel", contact.channel),
            "class": Term("one", contact.contact_class),
            "target": contact.target or "-",
        }
        yield Point(f"contact.{contact.origin}", values, at=contact.at)


def deliveries(found: Sequence[DeliverySettled]) -> Iterator[Point]:
    """Tell what became of deliveries, as the dispatcher told it."""
    if not found:
        yield Point("delivery.none")
    for one in islice(found, _MOST):
        yield Point(f"delivery.{one.state}", _delivery(one), at=one.at)
        if one.message != "none":
            yield Point(f"message.{one.message}")
        if one.reason:
            yield Point("delivery.reason", {"reason": one.reason})


def _delivery(one: DeliverySettled) -> Mapping[str, Said]:
    return {
        "play": one.play,
        "action": one.action,
        "channel": Term("channel", one.channel),
        "target": one.target,
    }
