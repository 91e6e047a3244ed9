"""Counting alerts by the hour, and gathering what is past its number, in the claim's transaction.

The hour's row is locked while it is counted, so that replicas never send one too many; a digest's
row is locked while it takes an alert in, so that it is never sent without it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts.digest import Notice, above, countable, digest_of, gathered, hour_of
from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.rows import as_json
from services.dispatcher.targets.alert_settings import AlertSettings
from shared.events.vocabulary import Value

# Written though nothing changes: that locks the row, be it new or old. A replica whose clock is
# behind counts in the hour that others have begun.
_HOURS = text("""
    INSERT INTO alert_hours AS h (target, action, hour)
    SELECT :target, a, :hour FROM unnest(CAST(:actions AS text[])) AS a ORDER BY a
    ON CONFLICT (target, action) DO UPDATE SET hour = GREATEST(h.hour, EXCLUDED.hour),
        used = CASE WHEN h.hour >= EXCLUDED.hour THEN h.used ELSE 0 END
    RETURNING action, used
""")
_USED = text("""
    UPDATE alert_hours h SET used = x.used
    FROM unnest(CAST(:actions AS text[]), CAST(:used AS int[])) AS x(action, used)
    WHERE h.target = :target AND h.action = x.action
""")
_OPEN = text("""
    INSERT INTO notices AS n
        (id, kind, target, action, channel, begun, due, deadline, reason, at)
    SELECT id, kind, target, action, channel, begun, due, deadline, 'gathers alerts', :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(id uuid, kind text, target text,
        action text, channel text, begun timestamptz, due timestamptz, deadline timestamptz)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET reason = n.reason
    RETURNING id, state, attempts
""")
_GATHER = text("""
    INSERT INTO alerts (delivery_id, told, notice, at)
    SELECT delivery_id, told, notice, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(delivery_id uuid, told jsonb, notice uuid)
    ORDER BY delivery_id
    ON CONFLICT (delivery_id) DO UPDATE
        SET told = EXCLUDED.told, notice = EXCLUDED.notice, at = EXCLUDED.at
""")


async def take(
    connection: AsyncConnection,
    alerts: AlertSettings | None,
    going: Sequence[Delivery],
    said: Mapping[UUID, Mapping[str, Value]],
    now: datetime,
) -> list[Delivery]:
    """Return those of the alerts about to be sent (of one target) that a digest will tell instead.

    `said` is what each says, by its id. What is not returned is counted as sent.
    """
    most = alerts.digest_above if alerts else None
    counted = [delivery for delivery in going if countable(delivery)]
    if alerts is None or most is None or not counted:
        return []
    used = await _hours(connection, counted[0].target, {d.action for d in counted}, now)
    counts, past = above(counted, used, most)
    notices = {d.action: digest_of(d, alerts, now) for d in past}
    still_open = await open_notices(connection, list(notices.values()), now)
    # One whose digest has gone is sent by itself: one alert too many is better than none.
    past = [d for d in past if notices[d.action].id in still_open]
    values = {"target": counted[0].target, "actions": sorted(counts)}
    await connection.execute(_USED, {**values, "used": [counts[a] for a in sorted(counts)]})
    rows = [{"delivery_id": d.id, "told": said[d.id], "notice": notices[d.action].id} for d in past]
    if rows:
        await connection.execute(_GATHER, {"rows": as_json(rows), "now": now})
    return [gathered(d, notices[d.action], most) for d in past]


async def _hours(
    connection: AsyncConnection, target: str, actions: Collection[str], now: datetime
) -> dict[str, int]:
    values = {"target": target, "actions": sorted(actions), "hour": hour_of(now)}
    return {row.action: row.used for row in await connection.execute(_HOURS, values)}


async def open_notices(
    connection: AsyncConnection, notices: Sequence[Notice], now: datetime
) -> set[UUID]:
    """Have a row for each notice, locked; returns those that nobody has begun to send."""
    if not notices:
        return set()
    rows = await connection.execute(_OPEN, {"rows": as_json(notices), "now": now})
    return {row.id for row in rows if row.state == "waiting" and row.attempts == 0}
