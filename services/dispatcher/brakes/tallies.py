"""What became of the calls of each target, by kind, in spans that all replicas count into.

Counted in the transaction that records the calls, last of all, so that the rows are held shortly. A
breaker opens there, too: the count that opens it is complete.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.brakes.breaker import (
    KINDS,
    BreakerRule,
    Kind,
    Tally,
    opens,
    span_of,
    told,
)

_COUNT = text("""
    INSERT INTO kind_tallies AS t (target, kind, started, calls, failed)
    SELECT :target, kind, :started, calls, failed
    FROM unnest(CAST(:kinds AS text[]), CAST(:calls AS int[]), CAST(:failed AS int[]))
        AS x(kind, calls, failed)
    ORDER BY kind
    ON CONFLICT (target, kind, started) DO UPDATE
        SET calls = t.calls + EXCLUDED.calls, failed = t.failed + EXCLUDED.failed
""")
_FORGET = text("DELETE FROM kind_tallies WHERE target = :target AND started < :since")
# What failed before the breaker closed says nothing of the time after.
_SUM = text("""
    SELECT t.kind, sum(t.calls) AS calls, sum(t.failed) AS failed
    FROM kind_tallies t JOIN breakers b ON b.target = t.target AND b.kind = t.kind
    WHERE t.target = :target AND t.started > :since
        AND (b.counted_from IS NULL OR t.started > b.counted_from)
    GROUP BY t.kind
""")
_OPEN = text("""
    UPDATE breakers SET open_since = :now, probe_at = :until, reason = :reason
    WHERE target = :target AND kind = :kind AND probe_at IS NULL RETURNING true
""")


async def count(
    connection: AsyncConnection,
    target: str,
    rule: BreakerRule,
    found: Mapping[Kind, Tally],
    now: datetime,
) -> str | None:
    """Count calls; returns why a breaker opened by them, None if none did."""
    counted = {kind: found[kind] for kind in KINDS if kind in found and found[kind].calls}
    if not counted:
        return None
    values = {"target": target, "started": span_of(now), "since": now - rule.over}
    numbers = {
        "kinds": list(counted),
        "calls": [one.calls for one in counted.values()],
        "failed": [one.failed for one in counted.values()],
    }
    await connection.execute(_COUNT, {**values, **numbers})
    await connection.execute(_FORGET, values)
    # Only a failure can open one.
    failing = [kind for kind, one in counted.items() if one.failed]
    if not failing:
        return None
    lately = await read(connection, target, rule, now)
    opened = []
    for kind in failing:
        if not opens(rule, lately[kind]):
            continue
        reason = told(kind, lately[kind])
        change = {"target": target, "kind": kind, "now": now, "until": now + rule.probe}
        if await connection.scalar(_OPEN, {**change, "reason": reason}):
            opened.append(reason)
    return "; ".join(opened) or None


async def read(
    connection: AsyncConnection, target: str, rule: BreakerRule, now: datetime
) -> dict[Kind, Tally]:
    """Sum up what became of a target's calls of each kind lately."""
    rows = await connection.execute(_SUM, {"target": target, "since": now - rule.over})
    found = {row.kind: Tally(int(row.calls), int(row.failed)) for row in rows}
    return {kind: found.get(kind, Tally()) for kind in KINDS}
