"""Rows of notices: what colleagues are told about no single customer. Leases by the database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.platforms.notice_words import Gathered
from shared.events.decisions import FigureChanged, OwnerWeekCounted

_CLAIM = text("""
    UPDATE notices SET state = 'sending', attempts = attempts + 1, token = :token,
        lease_until = now() + CAST(:lease AS interval), at = :now
    WHERE id = (
        SELECT id FROM notices
        WHERE target = :target AND due <= :now
            AND (state = 'waiting' OR state = 'sending' AND lease_until < now())
        ORDER BY due, begun, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind, target, action, channel, begun, due, deadline, attempts, room, week,
        figure
""")
_DONE = text("""
    UPDATE notices SET state = :state, reason = :reason, due = :due, at = :now, token = NULL,
        week = CASE WHEN :state = 'waiting' THEN week END
    WHERE id = :id AND token = :token RETURNING true
""")
_GATHERED = text("""
    SELECT d.customer_id, a.told FROM alerts a JOIN deliveries d ON d.id = a.delivery_id
    WHERE a.notice = :id AND a.told IS NOT NULL ORDER BY d.id
""")
_PASSED = text("""
    SELECT EXISTS (
        SELECT 1 FROM notices WHERE figure IS NOT NULL AND figure ->> 'alert' = :alert
            AND figure ->> 'value' IS NOT DISTINCT FROM CAST(:value AS text) AND begun > :since
    )
""")
_ALERTS = text("""
    SELECT count(*) FROM deliveries WHERE planned_at >= :planned AND target = :target
        AND contact_class = 'internal' AND attempted_at >= :since
""")
_ANSWERS = text("SELECT count(DISTINCT answer) FROM planned WHERE planned_at >= :since")
_WAITING = text("SELECT count(*) FROM deliveries WHERE state IN ('in_doubt', 'parked')")
_SUCCESS = text("""
    SELECT target, kind, extract(epoch FROM max(at)) AS at FROM notices
    WHERE state = 'accepted' GROUP BY target, kind
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that is ours until its lease ends. `attempt` counts from 1."""

    notice: Notice
    token: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What a call made of a notice; `due` is when it is looked at next, if it waits."""

    state: str
    reason: str
    due: datetime


async def claim(
    connection: AsyncConnection, target: str, lease: timedelta, now: datetime
) -> Claimed | None:
    """Take the notice of a target that has been due longest; None: there is none."""
    token = uuid4()
    values = {"target": target, "token": token, "lease": lease, "now": now}
    row = (await connection.execute(_CLAIM, values)).one_or_none()
    if row is None:
        return None
    notice = Notice(
        id=row.id,
        kind=row.kind,
        target=row.target,
        action=row.action,
        channel=row.channel,
        begun=row.begun,
        due=row.due,
        deadline=row.deadline,
        room=row.room,
        week=None if row.week is None else OwnerWeekCounted.model_validate(row.week),
        figure=None if row.figure is None else FigureChanged.model_validate(row.figure),
    )
    return Claimed(notice, token, row.attempts)


async def done(
    connection: AsyncConnection,
    claimed: Claimed,
    ended: Ended,
    now: datetime,
) -> bool:
    """Write down how a call ended; False: the lease was lost."""
    values = {"id": claimed.notice.id, "token": claimed.token, **asdict(ended), "now": now}
    return bool(await connection.scalar(_DONE, values))


async def gathered(connection: AsyncConnection, notice: UUID) -> list[Gathered]:
    """Return the alerts of a digest, but for those about people who are erased since."""
    rows = await connection.execute(_GATHERED, {"id": notice})
    return [Gathered(row.customer_id, row.told) for row in rows]


async def passed(connection: AsyncConnection, figure: FigureChanged) -> bool:
    """Tell whether a later change of the same figure is known, which is told instead."""
    values = {"alert": figure.alert, "value": figure.value, "since": figure.since}
    return bool(await connection.scalar(_PASSED, values))


async def counts(connection: AsyncConnection, target: str, since: datetime) -> tuple[int, int, int]:
    """Count a target's alerts and all answers since a moment, and what waits for a person now.

    An alert planned two days before may have been sent since.
    """
    planned = since - timedelta(days=2)
    values = {"target": target, "since": since, "planned": planned}
    alerts = await connection.scalar(_ALERTS, values)
    answers = await connection.scalar(_ANSWERS, {"since": since})
    waiting = await connection.scalar(_WAITING)
    return int(alerts or 0), int(answers or 0), int(waiting or 0)


async def successes(connection: AsyncConnection) -> Mapping[tuple[str, str], float]:
    """Tell when a notice of each kind last arrived at each target, in seconds since 1970."""
    return {(row.target, row.kind): float(row.at) for row in await connection.execute(_SUCCESS)}
