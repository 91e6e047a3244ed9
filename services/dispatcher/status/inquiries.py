"""Rows of questions: which messages their platform is still asked about, and what it said.

They survive a kill: an unanswered question lapses with its lease and is asked again. What was heard
moves the delivery's `message`, never backwards, and is marked untold in the same transaction; the
mark goes after the bus has it. Locks: deliveries come before questions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.calls.calls import Heard, Inquiry
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger import messages
from services.dispatcher.status.inquiry import InquiryNext, StatusRule, pause_after
from shared.events.outcomes import MessageState

#: Stages that the bus has no event for.
_OURS_ALONE: Final[frozenset[MessageState]] = frozenset({"none", "failed"})

#: Stages after which nothing comes that matters.
_LAST_WORDS: Final[frozenset[MessageState]] = frozenset({"bounced", "unsubscribed"})

_BEGIN = text("""
    INSERT INTO inquiries (delivery_id, target, accepted_at, until, due, reason)
    SELECT id, :target, :now, :until, due, 'not asked yet'
    FROM unnest(CAST(:ids AS uuid[]), CAST(:dues AS timestamptz[])) AS x(id, due) ORDER BY id
    ON CONFLICT (delivery_id) DO UPDATE SET accepted_at = EXCLUDED.accepted_at,
        until = EXCLUDED.until, due = EXCLUDED.due, asked = 0, reason = EXCLUDED.reason,
        token = NULL, lease_until = NULL
""")
_CLAIM = text("""
    WITH due AS MATERIALIZED (
        SELECT delivery_id FROM inquiries
        WHERE target = :target AND due <= :now AND (lease_until IS NULL OR lease_until < now())
        ORDER BY due LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE inquiries i SET token = :token, lease_until = now() + CAST(:lease AS interval),
        asked = i.asked + 1, asked_at = :now
    FROM due JOIN deliveries d ON d.id = due.delivery_id
    WHERE i.delivery_id = due.delivery_id
    RETURNING i.delivery_id, i.asked, i.accepted_at, i.until, d.reference, d.channel
""")
_HEARD = text("""
    UPDATE inquiries SET heard = :stage, heard_at = :at, untold = :told WHERE delivery_id = :id
""")
_NEXT = text("""
    UPDATE inquiries SET due = :due, reason = :reason, token = NULL, lease_until = NULL
    WHERE delivery_id = :id AND token = :token
""")
_QUIET = text("""
    UPDATE targets SET quiet_until = GREATEST(quiet_until, :until) WHERE name = :target
""")
_TOLD_OTHERWISE = text("""
    UPDATE inquiries SET due = CASE WHEN :last THEN NULL ELSE until END,
        token = NULL, lease_until = NULL,
        reason = CASE WHEN :last THEN 'the platform told its last word by itself'
                      ELSE 'the platform reports by itself: asked once more at the end' END
    WHERE delivery_id = ANY(CAST(:ids AS uuid[])) AND due IS NOT NULL
""")
# The last question is due at the very end: it has an hour to be asked.
_END = text("""
    UPDATE inquiries SET due = NULL, reason = 'asked for long enough: its turn did not come'
    WHERE due IS NOT NULL AND until < CAST(:now AS timestamptz) - interval '1 hour'
        AND (lease_until IS NULL OR lease_until < now())
""")
_UNTOLD = text("""
    SELECT i.delivery_id, i.heard, i.heard_at, d.customer_id, d.channel, d.contact_class, d.target
    FROM inquiries i JOIN deliveries d ON d.id = i.delivery_id
    WHERE i.untold AND NOT EXISTS (
        SELECT 1 FROM delivery_changes c WHERE c.delivery_id = i.delivery_id AND c.untold
    )
    ORDER BY i.heard_at LIMIT :most FOR UPDATE OF i SKIP LOCKED
""")
_TOLD = text("""
    UPDATE inquiries SET untold = false WHERE delivery_id = ANY(CAST(:ids AS uuid[]))
""")
_FORGET = text("""
    DELETE FROM inquiries i USING deliveries d
    WHERE d.id = i.delivery_id AND d.customer_id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class ClaimedInquiry:
    """A question that is ours until its lease ends. `asked` counts from 1, this one included."""

    token: UUID
    call: Inquiry
    asked: int
    until: datetime


async def begin(
    connection: AsyncConnection,
    target: str,
    rule: StatusRule | None,
    deliveries: Sequence[Delivery],
    now: datetime,
) -> None:
    """Ask from now on what became of those that their platform took, if it can be asked."""
    if rule is None:
        return
    ids = sorted(d.id for d in deliveries if d.state == "accepted" and d.customer_facing)
    if ids:
        values = {"ids": ids, "dues": [now + pause_after(one, 0) for one in ids], "target": target}
        await connection.execute(_BEGIN, {**values, "now": now, "until": now + rule.over})


async def claim(
    connection: AsyncConnection, target: str, most: int, lease: timedelta, now: datetime
) -> tuple[ClaimedInquiry, ...]:
    """Take at most so many questions that are due, the longest due first."""
    token = uuid4()
    values = {"target": target, "most": most, "lease": lease, "token": token, "now": now}
    rows = await connection.execute(_CLAIM, values)
    return tuple(
        ClaimedInquiry(
            token,
            Inquiry(row.delivery_id, row.reference, row.channel, row.accepted_at),
            row.asked,
            row.until,
        )
        for row in rows
    )


async def done(
    connection: AsyncConnection,
    claimed: ClaimedInquiry,
    heard: Heard,
    after: InquiryNext,
    now: datetime,
) -> bool:
    """Record what was heard and when to ask next; True if the delivery's `message` moved."""
    found = {"id": claimed.call.delivery_id, "stage": heard.message}
    moved = False
    if heard.message is not None:
        # What is true stays true when the lease is lost.
        when = {claimed.call.delivery_id: heard.at or now}
        moved = bool(await messages.advance(connection, heard.message, when, by="status", now=now))
        if moved:
            told = heard.message not in _OURS_ALONE
            await connection.execute(_HEARD, {**found, "at": heard.at or now, "told": told})
    then = {"token": claimed.token, "due": after.due, "reason": after.reason}
    await connection.execute(_NEXT, {"id": claimed.call.delivery_id, **then})
    return moved


async def keep_quiet(connection: AsyncConnection, target: str, until: datetime) -> None:
    """Ask a target nothing before that; what is sent there goes on."""
    await connection.execute(_QUIET, {"target": target, "until": until})


async def told_otherwise(
    connection: AsyncConnection, ids: Collection[UUID], stage: MessageState
) -> None:
    """Ask about these only once more: their platform has begun to report them by itself.

    The last question finds what its reports left out or could not bring; after a bounce or a
    refusal there is none.
    """
    if ids:
        values = {"ids": sorted(ids), "last": stage in _LAST_WORDS}
        await connection.execute(_TOLD_OTHERWISE, values)


async def end(connection: AsyncConnection, now: datetime) -> None:
    """End the questions that had no turn: no rate for them, a target that is paused or gone."""
    await connection.execute(_END, {"now": now})


async def untold(connection: AsyncConnection, most: int) -> list[Any]:
    """Return what the bus has not heard, locked; the delivery itself is told of before."""
    return list((await connection.execute(_UNTOLD, {"most": most})).all())


async def told(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Note that the bus has heard of these."""
    await connection.execute(_TOLD, {"ids": list(ids)})


async def forget(connection: AsyncConnection, customers: Collection[UUID]) -> None:
    """Ask nothing more about these customers' messages."""
    await connection.execute(_FORGET, {"ids": sorted(customers)})
