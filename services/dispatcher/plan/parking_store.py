"""The rows by which all replicas count what waits for a person: `surges` and `trials`.

They are locked until the transaction of planning ends, so two replicas never grant one place both.
Locks are taken after recipients and groups, in order of play and target.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.brakes.rates import Rate, Window
from services.dispatcher.delivery import Delivery
from services.dispatcher.plan.parking import Asked, Places, asked, definition, surge_of
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
_TRIALS_NOW = text("""
    SELECT t.play, t.waited FROM trials t
    JOIN unnest(CAST(:plays AS text[]), CAST(:definitions AS text[])) AS x(play, definition)
        ON t.play = x.play AND t.definition = x.definition
""")
_SURGES_NOW = text("""
    SELECT s.play, s.target, s.started, s.used, s.before FROM surges s
    JOIN unnest(CAST(:plays AS text[]), CAST(:targets AS text[])) AS x(play, target)
        ON s.play = x.play AND s.target = x.target
""")


async def park(
    connection: AsyncConnection, going: Iterable[Delivery], rules: Rulebook, now: datetime
) -> list[Delivery]:
    """Return those of the deliveries that wait for a person, parked; counts the others."""
    waiting = asked(going, rules.playbook, rules.targets)
    trials, rates = _trials(waiting), _rates(waiting, rules)
    places = Places()
    if trials:
        rows = await connection.execute(_TRIALS, {**_columns(trials), "now": now})
        places.waited = {row.play: row.waited for row in rows}
    if rates:
        rows = await connection.execute(_SURGES, {**_keys(rates), "now": now})
        places.windows = {(row.play, row.target): _window(row, rates) for row in rows}
    before = dict(places.waited)
    parked = places.park(waiting, now)
    counts = [places.waited[name] - before.get(name, 0) for name in trials]
    if any(counts):
        await connection.execute(_WAITED, {**_columns(trials), "counts": counts})
    if rates:
        windows = [places.windows[key] for key in rates]
        counted = {
            "starts": [window.started for window in windows],
            "used": [window.used for window in windows],
            "before": [window.before for window in windows],
        }
        await connection.execute(_GRANTED, {**_keys(rates), **counted})
    return parked


async def would_park(
    connection: AsyncConnection,
    going: Iterable[Delivery],
    rules: Rulebook,
    now: datetime,
    places: Places,
) -> list[Delivery]:
    """Return what `park` would, and change no row; `places` remembers it between batches."""
    waiting = asked(going, rules.playbook, rules.targets)
    trials = {n: d for n, d in _trials(waiting).items() if n not in places.waited}
    rates = {key: r for key, r in _rates(waiting, rules).items() if key not in places.windows}
    if trials:
        rows = await connection.execute(_TRIALS_NOW, _columns(trials))
        places.waited |= {row.play: row.waited for row in rows}
    if rates:
        places.windows |= {key: Window(rate, now) for key, rate in rates.items()}
        rows = await connection.execute(_SURGES_NOW, _keys(rates))
        places.windows |= {(row.play, row.target): _window(row, rates) for row in rows}
    return places.park(waiting, now)


def _trials(waiting: Sequence[Asked]) -> dict[str, str]:
    """Map the plays whose first deliveries wait to what they say now."""
    return {one.play.name: definition(one.play) for one in waiting if one.play.approve_first}


def _rates(waiting: Sequence[Asked], rules: Rulebook) -> dict[tuple[str, str], Rate]:
    """Map plays and targets to the rate past which a person is asked."""
    return {
        (one.play.name, one.target): rate
        for one in waiting
        if (rate := surge_of(one.play, rules.playbook)) is not None
    }


def _columns(trials: Mapping[str, str]) -> dict[str, list[str]]:
    return {"plays": list(trials), "definitions": list(trials.values())}


def _keys(rates: Mapping[tuple[str, str], Rate]) -> dict[str, list[str]]:
    return {"plays": [play for play, _ in rates], "targets": [target for _, target in rates]}


def _window(row: Any, rates: Mapping[tuple[str, str], Rate]) -> Window:
    return Window(rates[row.play, row.target], row.started, row.used, row.before)
