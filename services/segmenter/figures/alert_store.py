"""Rows of alerts on figures: the lock of each, how its groups stand, and what is still to tell."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.nps import Counts
from services.segmenter.figures.question import Period
from services.segmenter.figures.watching import Standing
from shared.events.decisions import FigureChanged
from shared.events.envelope import Event, written

_ADD = text("INSERT INTO figure_watches (alert) VALUES (:alert) ON CONFLICT (alert) DO NOTHING")
_TAKE = text("""
    SELECT compared_at FROM figure_watches WHERE alert = :alert FOR UPDATE SKIP LOCKED
""")
_COMPARED = text("""
    UPDATE figure_watches SET compared_upto = :upto, compared_at = :now WHERE alert = :alert
""")
_STANDING = text("""
    SELECT alert, value, state, since, reason, direction, periods, baseline_from, baseline_to,
           period_from, period_to, CAST(figures AS text) AS figures
    FROM figure_alerts WHERE alert = ANY(CAST(:alerts AS text[]))
    ORDER BY state, since DESC, alert, value
""")
_SAVE = text("""
    INSERT INTO figure_alerts (alert, value, state, since, reason, direction, periods,
                               baseline_from, baseline_to, period_from, period_to, figures)
    SELECT a, v, s, w, r, d, n, bf, bt, pf, pt, CAST(f AS jsonb) FROM unnest(
        CAST(:alerts AS text[]), CAST(:values AS text[]), CAST(:states AS text[]),
        CAST(:since AS timestamptz[]), CAST(:reasons AS text[]), CAST(:directions AS text[]),
        CAST(:periods AS integer[]), CAST(:baseline_from AS timestamptz[]),
        CAST(:baseline_to AS timestamptz[]), CAST(:period_from AS timestamptz[]),
        CAST(:period_to AS timestamptz[]), CAST(:figures AS text[])
    ) AS new (a, v, s, w, r, d, n, bf, bt, pf, pt, f)
    ON CONFLICT (alert, value) DO UPDATE SET
        state = excluded.state, since = excluded.since, reason = excluded.reason,
        direction = excluded.direction, periods = excluded.periods,
        baseline_from = excluded.baseline_from, baseline_to = excluded.baseline_to,
        period_from = excluded.period_from, period_to = excluded.period_to,
        figures = excluded.figures
""")
_OPEN = text("""
    SELECT alert, count(*) AS n FROM figure_alerts WHERE state = 'open' GROUP BY alert
""")
# A change and its telling are one transaction; the row goes when the bus has it.
_OWE = text("""
    INSERT INTO figure_untold (id, at, told)
    SELECT i, :now, CAST(t AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:told AS text[])) AS new (i, t)
    ON CONFLICT (id) DO NOTHING
""")
_OWED = text("SELECT id, at, told FROM figure_untold ORDER BY at, id")
_PAID = text("DELETE FROM figure_untold WHERE id = ANY(CAST(:ids AS uuid[]))")


async def take(connection: AsyncConnection, alert: str) -> tuple[bool, datetime | None]:
    """Lock an alert; False: another replica has it. With it, when it was compared last."""
    await connection.execute(_ADD, {"alert": alert})
    row = (await connection.execute(_TAKE, {"alert": alert})).one_or_none()
    return row is not None, row.compared_at if row is not None else None


async def compared(connection: AsyncConnection, alert: str, upto: datetime, now: datetime) -> None:
    """Note up to which moment an alert's figures were compared."""
    await connection.execute(_COMPARED, {"alert": alert, "upto": upto, "now": now})


async def standing(connection: AsyncConnection, alerts: Sequence[str]) -> list[Standing]:
    """Read how the groups of these alerts stand, the newest change first."""
    rows = await connection.execute(_STANDING, {"alerts": list(alerts)})
    return [_standing(row) for row in rows]


async def save(connection: AsyncConnection, changed: Iterable[Standing]) -> None:
    """Write how groups stand."""
    rows = sorted(changed, key=lambda one: (one.alert, one.value))
    if not rows:
        return
    await connection.execute(
        _SAVE,
        {
            "alerts": [one.alert for one in rows],
            "values": [one.value for one in rows],
            "states": [one.state for one in rows],
            "since": [one.since for one in rows],
            "reasons": [one.reason for one in rows],
            "directions": [one.direction for one in rows],
            "periods": [one.periods for one in rows],
            "baseline_from": [one.baseline.start for one in rows],
            "baseline_to": [one.baseline.end for one in rows],
            "period_from": [one.period.start for one in rows],
            "period_to": [one.period.end for one in rows],
            "figures": [orjson.dumps({"now": one.now, "then": one.then}).decode() for one in rows],
        },
    )


async def open_alerts(connection: AsyncConnection) -> dict[str, int]:
    """Count the groups with an open alert, by alert."""
    return {row.alert: row.n for row in await connection.execute(_OPEN)}


async def owe(connection: AsyncConnection, events: Sequence[Event], now: datetime) -> None:
    """Note what is to be told of changes, in the transaction that saves them."""
    if events:
        told = [written(event.data).decode() for event in events]
        ids = [event.id for event in events]
        await connection.execute(_OWE, {"ids": ids, "told": told, "now": now})


async def owed(connection: AsyncConnection) -> list[tuple[Event, FigureChanged]]:
    """Read what is still to be told, the oldest first."""
    found = []
    for row in await connection.execute(_OWED):
        figure = FigureChanged.model_validate(row.told)
        found.append((Event(row.id, "nps/segmenter", row.at, figure), figure))
    return found


async def paid(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Note that the bus has these."""
    await connection.execute(_PAID, {"ids": sorted(ids)})


def _standing(row: Row[Any]) -> Standing:
    figures = orjson.loads(row.figures)
    return Standing(
        alert=row.alert,
        value=row.value,
        state=row.state,
        since=row.since,
        reason=row.reason,
        direction=row.direction,
        periods=row.periods,
        baseline=Period(row.baseline_from, row.baseline_to),
        period=Period(row.period_from, row.period_to),
        now=Counts(**figures["now"]),
        then=Counts(**figures["then"]),
    )
