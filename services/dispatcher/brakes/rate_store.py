"""The windows of calls that all replicas of a lane share, as rows.

They are locked until the claim's transaction ends, so that two replicas never take one call both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.brakes.rates import Rate, Window

_ADD = text("""
    INSERT INTO rates (target, of, per_s, started)
    SELECT :target, of, per_s, :now
    FROM unnest(CAST(:ofs AS text[]), CAST(:spans AS int[])) AS x(of, per_s)
    ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT of, per_s, started, used, before FROM rates
    WHERE target = :target AND of = ANY(CAST(:ofs AS text[])) ORDER BY of, per_s FOR UPDATE
""")
_ALL = text("SELECT target, of, per_s, started, used, before FROM rates")
_SPEND = text("""
    UPDATE rates r SET started = x.started, used = x.used, before = x.before
    FROM unnest(CAST(:ofs AS text[]), CAST(:spans AS int[]), CAST(:starts AS timestamptz[]),
                CAST(:used AS int[]), CAST(:before AS int[])) AS x(of, per_s, started, used, before)
    WHERE r.target = :target AND r.of = x.of AND r.per_s = x.per_s
""")


async def add_rates(
    engine: AsyncEngine, rates: Mapping[str, Sequence[Rate]], now: datetime
) -> None:
    """Have a row for each rate of each target."""
    async with engine.begin() as connection:
        for target, each in sorted(rates.items()):
            values = {"ofs": [r.of for r in each], "spans": [r.per_s for r in each]}
            await connection.execute(_ADD, {"target": target, "now": now, **values})


async def windows(connection: AsyncConnection, now: datetime) -> dict[str, list[Window]]:
    """Read all windows as they are now, by target."""
    found: dict[str, list[Window]] = {}
    for row in await connection.execute(_ALL):
        rate = Rate(row.per_s, 0, row.of)
        window = Window(rate, row.started, row.used, row.before).at(now)
        found.setdefault(row.target, []).append(window)
    return found


async def grant(
    connection: AsyncConnection,
    target: str,
    rates: Sequence[Rate],
    kind: Literal["push", "act", "status"],
    now: datetime,
) -> tuple[Window, ...]:
    """Lock the windows that calls of this kind count in."""
    counted = {(rate.of, rate.per_s): rate for rate in rates if rate.of in ("all", kind)}
    if not counted:
        return ()
    values = {"target": target, "ofs": sorted({of for of, _ in counted})}
    rows = await connection.execute(_LOCK, values)
    found = [
        Window(counted[row.of, row.per_s], row.started, row.used, row.before)
        for row in rows
        if (row.of, row.per_s) in counted
    ]
    return tuple(window.at(now) for window in found)


async def spend(
    connection: AsyncConnection, target: str, windows: Sequence[Window], calls: int
) -> None:
    """Count calls that were claimed; what was granted and not claimed stays."""
    if not windows or not calls:
        return
    values = {
        "ofs": [window.rate.of for window in windows],
        "spans": [window.rate.per_s for window in windows],
        "starts": [window.started for window in windows],
        "used": [window.used + calls for window in windows],
        "before": [window.before for window in windows],
    }
    await connection.execute(_SPEND, {"target": target, **values})
