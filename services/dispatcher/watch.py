"""Slow loops: telling how far we are on `nps.decisions`, measuring what is open, and others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher import progress
from services.dispatcher.metrics import Metrics
from shared.bus.port import Consumer
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.envelope import DECISIONS
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Far below `max_staleness`, so that one missed word does not stop deliveries.
EVERY_S: Final = 2.0

_OLDEST = text("""
    SELECT target, min(since) AS since FROM (
        (SELECT target, min(send_at) AS since FROM deliveries
         WHERE state IN ('planned', 'waiting', 'sending') GROUP BY target)
        UNION ALL
        (SELECT target, min(wanted_at) FROM pushes WHERE state IN ('due', 'sending')
         GROUP BY target)
    ) AS open GROUP BY target
""")
_ATTENTION = text("""
    SELECT target, state, count(*) AS n FROM deliveries
    WHERE state IN ('in_doubt', 'parked') GROUP BY target, state
""")


_DELETIONS = text("""
    SELECT target, count(*) AS n FROM deletions WHERE state IN ('due', 'sending') GROUP BY target
""")


async def report_own_reach(
    engine: AsyncEngine, consumer: Consumer, clock: Callable[[], datetime]
) -> None:
    """Write how far our partitions of `nps.decisions` are. Raises `DependencyAway`."""
    now = clock()
    reaches = [
        progress.Reach(p.partition.topic, p.partition.number, p.partitions, p.waiting_since or now)
        for p in await consumer.progress()
        if p.partition.topic == DECISIONS
    ]
    with away_as_dependency():
        async with engine.begin() as connection:
            await progress.save(connection, reaches)


async def measure(
    engine: AsyncEngine, metrics: Metrics, targets: Collection[str], clock: Callable[[], datetime]
) -> None:
    """Set the gauges that rows tell best. Raises `DependencyAway`."""
    now = clock()
    with away_as_dependency():
        async with engine.connect() as connection:
            oldest = {row.target: row.since for row in await connection.execute(_OLDEST)}
            attention = {(r.target, r.state): r.n for r in await connection.execute(_ATTENTION)}
            deletions = {r.target: r.n for r in await connection.execute(_DELETIONS)}
    for target in targets:
        since = oldest.get(target, now)
        metrics.oldest.labels(target).set(max(0.0, (now - since).total_seconds()))
        metrics.deletions.labels(target).set(deletions.get(target, 0))
        for state in ("in_doubt", "parked"):
            metrics.attention.labels(target, state).set(attention.get((target, state), 0))


async def repeat(
    stopping: asyncio.Event, step: Callable[[], Awaitable[None]], every_s: float = EVERY_S
) -> None:
    """Do a step every so often until `stopping` is set; an absent dependency only costs a turn."""
    while not stopping.is_set():
        try:
            await step()
        except DependencyAway as error:
            _log.debug("dispatcher.watch_missed", reason=str(error))
        await pause(stopping, every_s)
