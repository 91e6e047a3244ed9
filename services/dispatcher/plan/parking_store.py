"""The rows by which all replicas count what is parked at planning: `surges` and `trials`.

They are locked until the transaction of planning ends, so two replicas never grant one place both.
Locks are taken after recipients and groups, in order of play and target.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.brakes.rates import Rate, Window
from services.dispatcher.delivery import Delivery
from services.dispatcher.plan.parking import Asked, asked, definition, in_surge, on_trial, surge_of
from services.dispatcher.plan.plan import Rulebook

# Written though nothing changes: that locks the row, be it new or old, in one statement.
_TRIALS = text("""
    INSERT INTO trials AS t (play, definition, waited, first_used)
    SELECT p, d, 0, :now
    FROM unnest(CAST(:plays AS text[]), CAST(:definitions AS text[])) AS x(p, d)
    ORDER BY p, d
    ON CONFLICT (play, definition) DO UPDATE SET waited = t.waited
    RETURNING play, waited
""")
_WAITED = text("""
    UPDATE trials t SET waited = t.waited + x.n
    FROM unnest(CAST(:plays AS text[]), CAST(:definitions AS text[]), CAST(:counts AS int[]))
        AS x(play, definition, n)
    WHERE t.play = x.play AND t.definition = x.definition
""")
_SURGES = text("""
    INSERT INTO surges AS s (play, target, started)
    SELECT p, t, :now FROM unnest(CAST(:plays AS text[]), CAST(:targets AS text[])) AS x(p, t)
    ORDER BY p, t
    ON CONFLICT (play, target) DO UPDATE SET used = s.used
    RETURNING play, target, started, used, before
""")
_GRANTED = text("""
    UPDATE surges s SET started = x.started, used = x.used, before = x.before
    FROM unnest(CAST(:plays AS text[]), CAST(:targets AS text[]), CAST(:starts AS timestamptz[]),
                CAST(:used AS int[]), CAST(:before AS int[]))
        AS x(play, target, started, used, before)
    WHERE s.play = x.play AND s.target = x.target
""")


async def park(
    connection: AsyncConnection, created: Iterable[Delivery], rules: Rulebook, now: datetime
) -> list[Delivery]:
    """Return those of the new deliveries that wait for a person, parked; counts the others."""
    waiting = asked(created, rules.playbook, rules.targets)
    parked, rest = await _trials(connection, waiting, now)
    return [*parked, *await _surges(connection, rest, rules, now)]


async def _trials(
    connection: AsyncConnection, waiting: Sequence[Asked], now: datetime
) -> tuple[list[Delivery], list[Asked]]:
    """Park what is on trial. A play's targets share the number: its words are what is new."""
    names = {one.play.name: definition(one.play) for one in waiting if one.play.approve_first}
    if not names:
        return [], list(waiting)
    values = {"plays": list(names), "definitions": list(names.values()), "now": now}
    waited = {row.play: row.waited for row in await connection.execute(_TRIALS, values)}
    parked, rest = [], []
    counts = dict.fromkeys(names, 0)
    for one in waiting:
        name = one.play.name
        found, left = on_trial(one, waited.get(name, 0) + counts.get(name, 0))
        if found:
            counts[name] += len(found)
        parked += found
        rest.append(Asked(one.play, one.target, left))
    if parked:
        grown = {**values, "counts": [counts[name] for name in names]}
        await connection.execute(_WAITED, grown)
    return parked, rest


async def _surges(
    connection: AsyncConnection, waiting: Sequence[Asked], rules: Rulebook, now: datetime
) -> list[Delivery]:
    braked: dict[tuple[str, str], tuple[Asked, Rate]] = {
        (one.play.name, one.target): (one, rate)
        for one in waiting
        if one.deliveries and (rate := surge_of(one.play, rules.playbook)) is not None
    }
    if not braked:
        return []
    names = {"plays": [play for play, _ in braked], "targets": [target for _, target in braked]}
    parked: list[Delivery] = []
    after: dict[tuple[str, str], Window] = {}
    for row in await connection.execute(_SURGES, {**names, "now": now}):
        one, rate = braked[row.play, row.target]
        window = Window(rate, row.started, row.used, row.before).at(now)
        found, going = in_surge(one.deliveries, window, now)
        parked += found
        after[row.play, row.target] = Window(
            rate, window.started, window.used + going, window.before
        )
    windows = [after[key] for key in braked]
    counted = {
        "starts": [window.started for window in windows],
        "used": [window.used for window in windows],
        "before": [window.before for window in windows],
    }
    await connection.execute(_GRANTED, {**names, **counted})
    return parked
