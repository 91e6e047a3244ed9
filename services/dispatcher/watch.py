"""Slow loops: telling how far we are on `nps.decisions`, measuring what is open, and others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.bell import Bell
from services.dispatcher.brakes import tallies
from services.dispatcher.brakes.brakes import TARGET_STATES, Hold
from services.dispatcher.brakes.breaker import Kind, level
from services.dispatcher.consume import progress
from services.dispatcher.delivery import TargetRules
from services.dispatcher.metrics import Metrics
from services.dispatcher.plan import coupons
from services.dispatcher.plan.plan import Rulebook
from shared.bus.port import Consumer
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.envelope import DECISIONS
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Far below `max_staleness`, so that one missed word does not stop deliveries.
EVERY_S: Final = 2.0
#: A day's messages are counted then: at a million of them that is some 0.3 s of the database.
BUSIEST_EVERY_S: Final = 60.0
_DAY: Final = timedelta(days=1)

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


_INQUIRIES = text("""
    SELECT target, count(*) AS n FROM inquiries WHERE due IS NOT NULL GROUP BY target
""")


#: By an index of its own, which holds the customer, too: the table itself is hardly read.
_BUSIEST = text("""
    SELECT coalesce(max(n), 0) FROM (
        SELECT count(*) AS n FROM deliveries
        WHERE attempted_at > :since AND state IN ('accepted', 'in_doubt')
            AND contact_class <> 'internal'
        GROUP BY customer_id
    ) AS hers
""")


_HOLDS = text("SELECT name, paused_until, slow_until, held FROM targets")
_BROKEN = text("SELECT target, kind, probe_at FROM breakers WHERE probe_at IS NOT NULL")


async def report_own_reach(
    engine: AsyncEngine, consumer: Consumer, metrics: Metrics, clock: Callable[[], datetime]
) -> None:
    """Write how far our partitions of `nps.decisions` are. Raises `DependencyAway`."""
    now = clock()
    found = await consumer.progress()
    metrics.lags(
        (p.partition.topic, p.partition.number, _seconds(p.waiting_since or now, now))
        for p in found
    )
    reaches = [
        progress.Reach(p.partition.topic, p.partition.number, p.partitions, p.waiting_since or now)
        for p in found
        if p.partition.topic == DECISIONS
    ]
    with away_as_dependency():
        async with engine.begin() as connection:
            await progress.save(connection, reaches)


async def measure(
    engine: AsyncEngine,
    metrics: Metrics,
    targets: Mapping[str, TargetRules],
    clock: Callable[[], datetime],
) -> None:
    """Set the gauges that rows tell best. Raises `DependencyAway`."""
    now = clock()
    with away_as_dependency():
        async with engine.connect() as connection:
            oldest = {row.target: row.since for row in await connection.execute(_OLDEST)}
            attention = {(r.target, r.state): r.n for r in await connection.execute(_ATTENTION)}
            deletions = {r.target: r.n for r in await connection.execute(_DELETIONS)}
            inquiries = {r.target: r.n for r in await connection.execute(_INQUIRIES)}
            broken: dict[str, dict[Kind, datetime]] = {}
            for row in await connection.execute(_BROKEN):
                broken.setdefault(row.target, {})[row.kind] = row.probe_at
            holds = {
                row.name: Hold(row.paused_until, row.slow_until, row.held, broken.get(row.name, {}))
                for row in await connection.execute(_HOLDS)
            }
            lately = {
                name: await tallies.read(connection, name, rules.breaker, now)
                for name, rules in targets.items()
            }
    for target, rules in targets.items():
        hold, found = holds[target], lately[target]
        for stands in TARGET_STATES:
            metrics.target_state.labels(target, stands).set(int(hold.state(now) == stands))
        metrics.failed_share.labels(target).set(max(one.share for one in found.values()))
        levels = {
            kind: level(rules.breaker, one, is_open=kind in hold.broken)
            for kind, one in found.items()
        }
        reached, worst = max((reached, kind) for kind, reached in levels.items())
        if metrics.failing(target, reached):
            _log.warning(
                "dispatcher.target_failing",
                target=target,
                kind=worst,
                level=reached,
                calls=found[worst].calls,
                failed=found[worst].failed,
            )
        since = oldest.get(target, now)
        metrics.oldest.labels(target).set(_seconds(since, now))
        metrics.deletions.labels(target).set(deletions.get(target, 0))
        metrics.asked_about.labels(target).set(inquiries.get(target, 0))
        for state in ("in_doubt", "parked"):
            metrics.attention.labels(target, state).set(attention.get((target, state), 0))


async def judge_freshness(
    engine: AsyncEngine,
    metrics: Metrics,
    max_staleness: timedelta,
    clock: Callable[[], datetime],
) -> None:
    """Show how far behind customer state is, as the gates judge it. Raises `DependencyAway`."""
    now = clock()
    with away_as_dependency():
        async with engine.connect() as connection:
            reaches = await progress.read(connection)
    metrics.fresh(
        {reach.topic: _seconds(reach.upto, now) for reach in reaches},
        stale=progress.stale(reaches, now, max_staleness) is not None,
    )


async def find_busiest(
    engine: AsyncEngine, metrics: Metrics, clock: Callable[[], datetime]
) -> None:
    """Show how many messages of a day went to one person at most. Raises `DependencyAway`."""
    with away_as_dependency():
        async with engine.connect() as connection:
            found = await connection.scalar(_BUSIEST, {"since": clock() - _DAY})
    metrics.busiest.set(int(found or 0))


async def refill_coupons(
    engine: AsyncEngine,
    rules: Rulebook,
    metrics: Metrics,
    bell: Bell,
    clock: Callable[[], datetime],
) -> None:
    """Give codes to what waits for one, and show how many are left. Raises `DependencyAway`."""
    pools, now = rules.playbook.coupon_pools, clock()
    if not pools:
        return
    given = await coupons.refill(engine, rules, now)
    metrics.changed(given)
    for target in {delivery.target for delivery in given}:
        bell.ring(target)
    with away_as_dependency():
        async with engine.connect() as connection:
            for pool in await coupons.counts(connection, pools, now):
                metrics.coupons.labels(pool.pool).set(pool.free)


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


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
