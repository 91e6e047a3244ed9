"""What became of the calls of each target, in spans that all replicas count into.

Counted in the transaction that records the calls, last of all, so that the row is held shortly. A
breaker opens there, too: the count that opens it is complete.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.brakes.breaker import BreakerRule, Tally, opens, span_of, told

_COUNT = text("""
    INSERT INTO tallies AS t (target, started, calls, failed)
    VALUES (:target, :started, :calls, :failed)
    ON CONFLICT (target, started) DO UPDATE
        SET calls = t.calls + EXCLUDED.calls, failed = t.failed + EXCLUDED.failed
""")
_FORGET = text("DELETE FROM tallies WHERE target = :target AND started < :since")
# What failed before the breaker closed says nothing of the time after.
_SUM = text("""
    SELECT coalesce(sum(t.calls), 0) AS calls, coalesce(sum(t.failed), 0) AS failed
    FROM tallies t JOIN targets g ON g.name = t.target
    WHERE t.target = :target AND t.started > :since
        AND (g.counted_from IS NULL OR t.started > g.counted_from)
""")
_OPEN = text("""
    UPDATE targets SET broken_since = :now, broken_until = :until, broken_reason = :reason
    WHERE name = :target AND broken_until IS NULL RETURNING true
""")


async def count(
    connection: AsyncConnection, target: str, rule: BreakerRule, found: Tally, now: datetime
) -> str | None:
    """Count calls; returns why the breaker opened by them, None if it did not."""
    if not found.calls:
        return None
    values = {"target": target, "started": span_of(now), "since": now - rule.over}
    await connection.execute(_COUNT, {**values, "calls": found.calls, "failed": found.failed})
    await connection.execute(_FORGET, values)
    # Only a failure can open it.
    if not found.failed:
        return None
    lately = await read(connection, target, rule, now)
    if not opens(rule, lately):
        return None
    reason = told(lately)
    change = {"target": target, "now": now, "until": now + rule.probe, "reason": reason}
    return reason if await connection.scalar(_OPEN, change) else None


async def read(connection: AsyncConnection, target: str, rule: BreakerRule, now: datetime) -> Tally:
    """Sum up what became of a target's calls lately."""
    row = (await connection.execute(_SUM, {"target": target, "since": now - rule.over})).one()
    return Tally(int(row.calls), int(row.failed))
