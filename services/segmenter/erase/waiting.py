"""Erasures that are not finished everywhere: who confirmed, what each waits for, since when.

In: confirmations of the other services by the bus. Out: open requests, oldest first, the age of the
oldest by what it waits for, and one warning for each that takes too long.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.outcomes import ErasureConfirmed
from shared.stopping import pause

_log = structlog.get_logger(__name__)

WaitsFor = Literal["segmenter", "ingest", "dispatcher", "platforms"]
#: What is done in seconds by software in order. A person has a right to it within a month (GDPR,
#: article 12), and an operator who looks at warnings once a day must find it the next time.
LATE: Final = timedelta(hours=12)
#: A minute more or less does not matter to somebody who may wait for a day.
_EVERY_S: Final = 15.0
#: More than so many are no list.
_MOST: Final = 1000

# Told again, the first word counts. Whoever knows that the platforms are done has done it himself.
_CONFIRM = text("""
    UPDATE erasures e SET
        ingest_at = coalesce(e.ingest_at, x.ingest),
        dispatcher_at = coalesce(e.dispatcher_at, x.dispatcher, x.platforms),
        platforms_at = coalesce(e.platforms_at, x.platforms)
    FROM (
        SELECT erasure_id,
               min(at) FILTER (WHERE part = 'ingest') AS ingest,
               min(at) FILTER (WHERE part = 'dispatcher') AS dispatcher,
               min(at) FILTER (WHERE part = 'platforms') AS platforms
        FROM unnest(CAST(:ids AS uuid[]), CAST(:parts AS text[]), CAST(:times AS timestamptz[]))
            AS told (erasure_id, part, at)
        GROUP BY erasure_id
    ) AS x
    WHERE e.erasure_id = x.erasure_id
""")
_LOCK = text("""
    SELECT erasure_id FROM erasures WHERE erasure_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY erasure_id FOR UPDATE
""")
COLUMNS: Final = "erasure_id, asked_at, asked_by, state, ingest_at, dispatcher_at, platforms_at"
_OPEN: Final = "(ingest_at IS NULL OR platforms_at IS NULL)"
_READ = text(f"SELECT {COLUMNS} FROM erasures WHERE {_OPEN} ORDER BY asked_at LIMIT :most")  # noqa: S608
_WARN = text(f"""
    UPDATE erasures SET warned_at = :now
    WHERE erasure_id IN (
        SELECT erasure_id FROM erasures
        WHERE {_OPEN} AND warned_at IS NULL AND asked_at <= :before
        ORDER BY asked_at LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING {COLUMNS}
""")  # noqa: S608 - names of columns, nothing from outside


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request that somebody has not done yet, whom it waits for, and since when."""

    erasure_id: UUID
    asked_at: datetime
    asked_by: str
    waits_for: tuple[WaitsFor, ...]


class ErasureMetrics:
    """How long people wait to be forgotten."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._oldest = Gauge(
            "nps_segmenter_erasure_oldest_seconds",
            "Age of the oldest request to forget somebody that is not finished, by who has not "
            "confirmed it (0: none)",
            ["waits_for"],
            registry=registry,
        )

    def show(self, ages: Mapping[WaitsFor, timedelta]) -> None:
        """Set the age of the oldest by what it waits for."""
        for part in get_args(WaitsFor):
            self._oldest.labels(part).set(ages.get(part, timedelta()).total_seconds())


def waits_for(row: Row[Any]) -> tuple[WaitsFor, ...]:
    """Tell who has not confirmed an erasure yet: nobody can before it is done here."""
    if row.state == "asked":
        return ("segmenter",)
    found: list[WaitsFor] = []
    if row.ingest_at is None:
        found.append("ingest")
    if row.dispatcher_at is None:
        found.append("dispatcher")
    elif row.platforms_at is None:
        found.append("platforms")
    return tuple(found)


def confirmed(row: Row[Any]) -> dict[str, datetime]:
    """Tell when each of the others had done it."""
    times = {
        "ingest": row.ingest_at,
        "dispatcher": row.dispatcher_at,
        "platforms": row.platforms_at,
    }
    return {part: at for part, at in times.items() if at is not None}


async def confirm(engine: AsyncEngine, told: Sequence[ErasureConfirmed]) -> None:
    """Note who has done it; told again, or of an erasure that is not ours, it changes nothing.

    Raises `DependencyAway`.
    """
    if not told:
        return
    parameters = {
        "ids": [one.erasure_id for one in told],
        "parts": [one.part for one in told],
        "times": [one.at for one in told],
    }
    with away_as_dependency():
        async with engine.begin() as connection:
            await connection.execute(_LOCK, {"ids": parameters["ids"]})
            await connection.execute(_CONFIRM, parameters)
    for one in told:
        _log.info("segmenter.erasure_confirmed", erasure_id=str(one.erasure_id), part=one.part)


async def unfinished(connection: AsyncConnection, most: int = _MOST) -> list[Unfinished]:
    """Read open requests, oldest first."""
    return [_unfinished(row) for row in await connection.execute(_READ, {"most": most})]


async def watch(engine: AsyncEngine, metrics: ErasureMetrics, now: datetime) -> None:
    """Show how long people wait, and warn once about each who waits too long.

    Raises `DependencyAway`.
    """
    with away_as_dependency():
        async with engine.begin() as connection:
            found = await unfinished(connection)
            parameters = {"now": now, "before": now - LATE, "most": _MOST}
            late = [_unfinished(row) for row in await connection.execute(_WARN, parameters)]
    oldest: dict[WaitsFor, timedelta] = {}
    for one in found:
        for part in one.waits_for:
            oldest.setdefault(part, now - one.asked_at)
    metrics.show(oldest)
    for one in late:
        _log.warning(
            "segmenter.erasure_late",
            erasure_id=str(one.erasure_id),
            asked_at=one.asked_at.isoformat(),
            waits_for=one.waits_for,
        )


class Watch:
    """Looks at open requests as long as the process runs."""

    def __init__(
        self, engine: AsyncEngine, metrics: ErasureMetrics, *, clock: Callable[[], datetime]
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until `stopping` is set; what cannot be looked at now is looked at later."""
        while not stopping.is_set():
            try:
                await watch(self._engine, self._metrics, self._clock())
            except DependencyAway as error:
                _log.debug("segmenter.erasures_unseen", reason=str(error))
            await pause(stopping, _EVERY_S)


def _unfinished(row: Row[Any]) -> Unfinished:
    return Unfinished(row.erasure_id, row.asked_at, row.asked_by, waits_for(row))
