"""What an answer said last, as far as plays ask for it, so that what waits is asked anew. Pure.

In: a decision, what was kept before. Out: what is known now of the answer that her newest decision
about an answer speaks of. No other news touches it: an update, a timer, a case shows the newest
answer, too, but says nothing new of it, and after a merge it may be another one's.
"""

from typing import Final
from uuid import UUID

from shared.events.decisions import CustomerDecided, MoveKind, Trigger
from shared.events.vocabulary import Fact, Segment

#: An answer brings these only with a score, and only while it is her newest one.
SCORED: Final[frozenset[Trigger]] = frozenset({"received", "settled"})


class Said(Fact):
    """An answer by its newest decision; the fields are named and mean as in `Snapshot`.

    `cause` is the answer with all its revisions. `scored`: it has a score; one that had and has
    none now was taken back, and the rest says nothing.
    """

    cause: UUID
    decision_id: UUID
    scored: bool = True
    move: MoveKind | None = None
    score: int | None = None
    segment: Segment | None = None
    previous_segment: Segment | None = None
    response_count: int = 0
    streak: int = 0
    recovered_from: int | None = None
    #: Whether there is one: her words are in the attributes, once.
    comment: bool = False
    theme: str | None = None
    pains: tuple[str, ...] = ()
    strengths: tuple[str, ...] = ()
    escalations: tuple[str, ...] = ()
    callback_requested: bool = False
    panel_opt_in: bool = False


def said_by(decision: CustomerDecided, before: Said | None) -> Said | None:
    """Return what is known of an answer after a decision.

    A late one shows a newer answer instead of its own, and one without a score the one before it.
    """
    cause, seen = decision.cause, decision.snapshot
    if cause.kind != "response" or cause.late:
        return before
    scored = not SCORED.isdisjoint(cause.triggers) or seen.last_answered_at == cause.deadline_from
    if not scored:
        if before is not None and before.cause == cause.id:
            return Said(cause=cause.id, decision_id=decision.decision_id, scored=False)
        return before
    return Said(
        cause=cause.id,
        decision_id=decision.decision_id,
        move=decision.move.kind if decision.move else None,
        score=seen.score,
        segment=seen.segment,
        previous_segment=seen.previous_segment,
        response_count=seen.response_count,
        streak=seen.streak,
        recovered_from=seen.recovered_from,
        comment=bool(seen.comment),
        theme=seen.theme,
        pains=seen.pains,
        strengths=seen.strengths,
        escalations=seen.escalations,
        callback_requested=seen.callback_requested,
        panel_opt_in=seen.panel_opt_in,
    )
