"""The segmenter's verb: one customer, one event, one governed decision. Pure.

In: the profile before and after the event, the policy, the time. Out: `customer.decided`, with who
she is now, what may be done, until when not, and every rule's answer.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.segmenter import clocks, snapshot
from services.segmenter.budgets import budgets
from services.segmenter.causes import cause_of, timer_cause
from services.segmenter.facts import Fact
from services.segmenter.permits import permits
from services.segmenter.policy import Policy
from services.segmenter.segments import move_of
from services.segmenter.state import Profile
from services.segmenter.themes import ThemeFinder
from shared.events import ids, outcomes
from shared.events.decisions import Cause, CustomerDecided, Move, Snapshot, TraceLine
from shared.events.feedback import TimerDue


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
    event: Fact | Due,
    rulebook: Rulebook,
    now: datetime,
    *,
    customer_id: UUID,
    version: int,
    merged: bool = False,
) -> CustomerDecided:
    """Decide about one customer after one event; `merged`: it made two customers one."""
    if isinstance(event, Due):
        cause, move = timer_cause(event.event_id, event.data.due_at, after), None
        # A replica whose clock is a little behind must not find the hold still standing.
        now = max(now, event.data.due_at)
    else:
        cause = cause_of(event, after, merged=merged)
        move = _move(event, after, cause, rulebook.policy)
    answers = clocks.asked(after, rulebook.policy)
    found = tuple(hold for hold in answers.values() if hold is not None)
    zone, zone_origin = snapshot.zone(after, rulebook.policy)
    seen = snapshot.snapshot(after, rulebook.policy, rulebook.themes, clocks.next_survey_at(found))
    return CustomerDecided(
        decision_id=ids.name_id("decision", event.event_id, customer_id, version),
        customer_id=customer_id,
        version=version,
        decided_at=now,
        cause=cause,
        identifiers=snapshot.identifiers(after),
        group=snapshot.group(after),
        zone=zone,
        snapshot=seen,
        move=move,
        permits=permits(after, rulebook.policy),
        budgets=budgets(after, rulebook.policy, zone, now),
        holds=clocks.standing(found, now),
        trace=(
            *_told(before, seen, cause),
            *_dated(event, after),
            TraceLine(rule="zone", outcome=zone, reason=f"from: {zone_origin}"),
            *clocks.trace(answers, now),
        ),
        policy=rulebook.version,
    )


def silence(before: Profile, after: Profile, event: Fact | Due, *, merged: bool) -> str | None:
    """Say why an event's decision is kept but not published; None: it is published.

    What platforms and our own deliveries report is told only if a gate could read the difference:
    otherwise each decision's outcome would bring the next decision, for ever.
    """
    if not after.known:
        return "no personal identifier is known yet"
    if merged or isinstance(event, Due):
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
        profile.bounces,
        profile.own,
        profile.reported,
    )


def _move(event: Fact, after: Profile, cause: Cause, policy: Policy) -> Move | None:
    if cause.kind != "response" or cause.late:
        return None
    return move_of(after.scored, event.identity, policy)


def _dated(event: Fact | Due, after: Profile) -> tuple[TraceLine, ...]:
    """Mark an answer whose time is not the platform's."""
    response = after.responses.get(event.identity) if isinstance(event, Fact) else None
    if response is None or response.origin == "platform":
        return ()
    why = "its own date lay in the future" if response.origin == "future" else "it had no date"
    return (
        TraceLine(
            rule="answered_at", outcome=response.origin, reason=f"{why}: counts as of its receipt"
        ),
    )


def _told(before: Profile, seen: Snapshot, cause: Cause) -> tuple[TraceLine, ...]:
    """Explain segment and theme, and what became of an answer that came late or without score."""
    lines = []
    if seen.score is not None:
        lines.append(
            TraceLine(
                rule="segment",
                outcome=str(seen.segment),
                reason=f"score {seen.score} in the bands of nps",
            )
        )
        lines.append(
            TraceLine(
                rule="theme",
                outcome=seen.theme or "unknown",
                reason="declared or told in the newest answer" if seen.theme else "none recognised",
            )
        )
    if cause.late:
        reason = "a newer answer is known: this one enters the history only"
        lines.append(TraceLine(rule="late", outcome="history", reason=reason))
    if cause.kind == "response" and not cause.triggers:
        lines.append(
            TraceLine(rule="score", outcome="waiting", reason="the answer has no score yet")
        )
    if not before.known:
        lines.append(TraceLine(rule="identity", outcome="new", reason="first seen by this event"))
    return tuple(lines)
