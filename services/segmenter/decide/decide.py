"""The segmenter's verb: one customer, one event, one governed decision. Pure.

In: the profile before and after the event, the policy, the time. Out: `customer.decided`, with who
she is now, what may be done, until when not, and every rule's answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.segmenter.cases import cases, opening
from services.segmenter.decide import snapshot
from services.segmenter.decide.aging import churns_at
from services.segmenter.decide.budgets import budgets
from services.segmenter.decide.causes import cause_of, left_once, timer_cause
from services.segmenter.decide.permits import permits
from services.segmenter.decide.waits import waits
from services.segmenter.identity import merges
from services.segmenter.identity.merges import Command
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.bounces import closings
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.joining import believed
from services.segmenter.profile.respondents import rule_for
from services.segmenter.profile.segments import churned, lapsed, left, move_of
from services.segmenter.profile.state import Profile, Response
from services.segmenter.themes.themes import DECLARED, ThemeFinder, Told, newest
from shared.events import ids, outcomes
from shared.events.decisions import (
    URGENT,
    Cause,
    CustomerDecided,
    DecidedCase,
    Move,
    Snapshot,
    TraceLine,
)
from shared.events.feedback import CaseStep, CustomerUpdated, ResponseReceived, TimerDue

_HISTORY: Final = TraceLine(
    rule="history",
    outcome="no reaction",
    reason="the answer was imported: it is known, and nobody reacts to it",
)
_EXEMPT: Final = TraceLine(
    rule="resurvey",
    outcome="exempt",
    reason=cases.EXEMPT,
)


@dataclass(frozen=True)
class Rulebook:
    """The policy made ready: its values, the version that decisions name, the stemmed themes."""

    policy: Policy
    version: str
    themes: ThemeFinder


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that has come."""

    event_id: UUID
    data: TimerDue


def decide(
    before: Profile,
    after: Profile,
    event: Fact | Due | Command,
    rulebook: Rulebook,
    now: datetime,
    *,
    customer_id: UUID,
    version: int,
    merged: bool = False,
    also: tuple[TraceLine, ...] = (),
    whole: Profile | None = None,
) -> CustomerDecided:
    """Decide about one customer after one event; `merged`: it made two customers one.

    `also` are lines for the trace about what the event did beside. `whole` is the profile after it
    with what `after` leaves out because it is too old: the event itself may be about that.
    """
    whole = whole or after
    if isinstance(event, Due):
        cause = timer_cause(event.event_id, event.data, after, rulebook.policy)
        move = _brought(event, after, rulebook.policy)
        # A replica whose clock is a little behind must not find the hold still standing.
        now = max(now, event.data.due_at)
    elif isinstance(event, Command):
        cause, move = merges.cause_of(event), None
    else:
        cause = cause_of(event, whole, rulebook.policy, merged=merged)
        move = _move(event, before, whole, cause, rulebook.policy)
        if move is not None and move.kind == "churned":
            cause = _once(event, cause, before, whole, rulebook.policy)
    zone, zone_origin = snapshot.zone(after, rulebook.policy)
    test = rule_for(after, rulebook.policy)
    held = waits(after, rulebook.policy, now)
    about = _about(event, whole)
    seen = snapshot.snapshot(after, rulebook.policy, rulebook.themes, held, now=now, about=about)
    case = _case(event, cause, seen, after, rulebook.policy, now=now)
    if case is not None and opening.opens(case, cause, after):
        held = waits(after, rulebook.policy, now, opening_at=case.opened_at)
        seen = seen.model_copy(update=snapshot.waiting(held))
    return CustomerDecided(
        decision_id=ids.name_id("decision", event.event_id, customer_id, version),
        customer_id=customer_id,
        version=version,
        decided_at=now,
        cause=cause,
        identifiers=snapshot.identifiers(after),
        group=snapshot.group(after, rulebook.policy),
        zone=zone,
        snapshot=seen,
        move=move,
        case=case,
        permits=permits(after, rulebook.policy),
        budgets=budgets(after, rulebook.policy, zone, now),
        holds=held.standing,
        trace=(
            *_told(before, seen, cause),
            *_explained(newest(after, rulebook.policy, rulebook.themes), seen, cause),
            *also,
            *_answered(event, whole),
            *_anew(event, rulebook),
            *_aged(event),
            *_unbelieved(event),
            *_done(event),
            *_matured(seen),
            *_tested(test),
            TraceLine(rule="zone", outcome=zone, reason=f"from: {zone_origin}"),
            *((_EXEMPT,) if held.lifted else ()),
            *held.trace(now),
        ),
        policy=rulebook.version,
        test=test is not None,
    )


def silence(
    before: Profile, after: Profile, event: Fact | Due | Command, *, merged: bool
) -> str | None:
    """Say why an event's decision is kept but not published; None: it is published.

    What platforms and our own deliveries report is told only if a gate could read the difference:
    otherwise each decision's outcome would bring the next decision, for ever.
    """
    if not after.known:
        return "no personal identifier is known yet"
    if merged or not isinstance(event, Fact):
        return None
    reported = isinstance(event.data, outcomes.DeliverySettled | outcomes.MessageReport)
    if reported and _gates(before) == _gates(after):
        return "history only: nothing that a gate reads has changed"
    return None


def _gates(profile: Profile) -> tuple[object, ...]:
    return (
        profile.known,
        set(profile.identifiers),
        profile.consents,
        closings(profile),
        profile.own,
        profile.reported,
        # A ticket's number may make two cases one, of which the helpdesk has closed its own.
        dict(cases.counting(profile)) if profile.cases else None,
    )


def _about(event: Fact | Due | Command, after: Profile) -> Response | None:
    """Name the answer that is the cause; None: something else is."""
    if isinstance(event, Due):
        return after.scored[-1] if event.data.kind == "settle" else None
    return after.responses.get(event.identity) if isinstance(event, Fact) else None


def _case(
    event: Fact | Due | Command,
    cause: Cause,
    seen: Snapshot,
    after: Profile,
    policy: Policy,
    *,
    now: datetime,
) -> DecidedCase | None:
    if isinstance(event, Fact) and isinstance(event.data, CaseStep):
        return opening.of_step(event.data, after, policy)
    if isinstance(event, Due) and event.data.kind == "resurvey":
        return opening.of_resurvey(event.data, after, policy)
    return opening.of_answer(cause, seen, after, policy, now)


def _brought(due: Due, after: Profile, policy: Policy) -> Move | None:
    if due.data.kind == "lapse":
        return lapsed(after, policy)
    if due.data.kind == "churn":
        return left(after, policy)
    if due.data.kind == "settle":
        return move_of(after.scored, after.scored[-1].identity, policy)
    return None


def _once(event: Fact, cause: Cause, before: Profile, after: Profile, policy: Policy) -> Cause:
    """Let the word that she left and the date that told it before be one cause."""
    leaves = churns_at(before, policy)
    told = leaves is not None and leaves <= event.occurred_at
    return left_once(cause, leaves, after) if told and leaves is not None else cause


def _move(
    event: Fact, before: Profile, after: Profile, cause: Cause, policy: Policy
) -> Move | None:
    if isinstance(event.data, CustomerUpdated):
        return churned(before, after, policy)
    if cause.kind != "response" or cause.late:
        return None
    return move_of(after.scored, event.identity, policy)


def _answered(event: Fact | Due | Command, after: Profile) -> tuple[TraceLine, ...]:
    """Mark an answer to which nobody reacts, and one whose time is not the platform's."""
    if isinstance(event, Due):
        newest = after.scored[-1:]
        return (_HISTORY,) if newest and newest[0].history else ()
    if isinstance(event, Command):
        return ()
    response = after.responses.get(event.identity)
    if response is None:
        return ()
    lines = []
    if response.history:
        lines.append(_HISTORY)
    if response.metric != "nps":
        reason = "it counts as an answer; only one of nps makes a segment"
        lines.append(TraceLine(rule="metric", outcome=response.metric, reason=reason))
    elif response.score is None:
        reason = "the answer has no score yet"
        lines.append(TraceLine(rule="score", outcome="waiting", reason=reason))
    if response.origin != "platform":
        why = "its own date lay in the future" if response.origin == "future" else "it had no date"
        reason = f"{why}: counts as of its receipt"
        lines.append(TraceLine(rule="answered_at", outcome=response.origin, reason=reason))
    return tuple(lines)


def _anew(event: Fact | Due | Command, rulebook: Rulebook) -> tuple[TraceLine, ...]:
    """Tell that nothing happened to her: another policy is in force."""
    if not isinstance(event, Due) or event.data.kind != "policy":
        return ()
    reason = "another policy is in force: decided anew, and nobody reacts to it"
    return (TraceLine(rule="policy", outcome=rulebook.version, reason=reason),)


def _aged(event: Fact | Due | Command) -> tuple[TraceLine, ...]:
    """Tell that nothing happened but time."""
    if not isinstance(event, Due) or event.data.kind not in {"churn", "lifecycle", "maturity"}:
        return ()
    if event.data.kind == "churn":
        reason = "her last order is too long ago: a promoter has left"
        return (TraceLine(rule="time", outcome="churn", reason=reason),)
    reason = "nothing happened but time: told so that no platform keeps what was"
    return (TraceLine(rule="time", outcome=event.data.kind, reason=reason),)


def _unbelieved(event: Fact | Due | Command) -> tuple[TraceLine, ...]:
    """Tell that a yes was not taken over."""
    if not isinstance(event, Fact) or not isinstance(
        event.data, ResponseReceived | CustomerUpdated
    ):
        return ()
    if len(believed(event, event.data)) == len(event.data.consents):
        return ()
    reason = "the address was bought: a consent without a proof of its own is not known to be hers"
    return (TraceLine(rule="provenance", outcome="unknown", reason=reason),)


def _matured(seen: Snapshot) -> tuple[TraceLine, ...]:
    """Tell how far a promoter is from being an ambassador, and what stands in the way."""
    found = seen.maturity
    if found is None:
        return ()
    counted = ", ".join(f"{f.name} {f.points}" for f in found.factors if f.points)
    reason = f"{found.points} points ({counted})"
    if found.gates:
        reason = f"{reason}; refused by {', '.join(found.gates)}"
    outcome = "ready" if found.ready else "not ready"
    return (TraceLine(rule="maturity", outcome=outcome, reason=reason),)


def _tested(rule: str | None) -> tuple[TraceLine, ...]:
    """Tell why she counts as a test respondent."""
    if rule is None:
        return ()
    return (TraceLine(rule="test_respondent", outcome="sandbox only", reason=rule),)


def _done(event: Fact | Due | Command) -> tuple[TraceLine, ...]:
    """Tell the step of a case, or what she completed."""
    if not isinstance(event, Fact):
        return ()
    if isinstance(event.data, CaseStep):
        step = event.kind.removeprefix("case.")
        return (TraceLine(rule="case", outcome=step, reason="told by the helpdesk"),)
    if isinstance(event.data, outcomes.ActionCompleted):
        reason = "she did what an action asks for"
        return (TraceLine(rule="action", outcome=event.data.what, reason=reason),)
    return ()


def _explained(told: Told, seen: Snapshot, cause: Cause) -> Iterator[TraceLine]:
    """Say which answer told the theme, and what is no matter of the score."""
    if seen.score is not None:
        reason = f"told by the answer {told.source}"
        if told.theme is None:
            reason = "no theme recognised as the reason of the score"
        elif told.source == DECLARED:
            reason = "declared: she ticked it"
        yield TraceLine(rule="theme", outcome=told.theme or "unknown", reason=reason)
    for topic in seen.escalations:
        said = "raised in her answer, whatever its score"
        yield TraceLine(rule="escalation", outcome=topic, reason=said)
    if "callback_asked" in cause.triggers:
        said = "asked for in her answer, whatever its score"
        yield TraceLine(rule="callback", outcome="asked", reason=said)


def _told(before: Profile, seen: Snapshot, cause: Cause) -> tuple[TraceLine, ...]:
    """Explain the segment, and what became of an answer that came late or without score."""
    lines = []
    if seen.score is not None:
        lines.append(
            TraceLine(
                rule="segment",
                outcome=str(seen.segment),
                reason=f"score {seen.score} in the bands of nps",
            )
        )
    if cause.late:
        newer = "a later step of the case" if cause.kind == "case" else "a newer answer"
        reason = f"{newer} is known: this one enters the history only"
        outcome = "history"
        if not URGENT.isdisjoint(cause.triggers):
            outcome, reason = (
                "urgent",
                f"{newer} is known: only what cannot wait counts in this one",
            )
        lines.append(TraceLine(rule="late", outcome=outcome, reason=reason))
    if not before.known:
        lines.append(TraceLine(rule="identity", outcome="new", reason="first seen by this event"))
    return tuple(lines)
