"""Kafka stopped for a while under an even load: who is answered how, and how each profile ends.

In: how long, how fast. Out: for each phase the answers and their delays; what went through the
spool and when it was empty again; and every customer whose profile is not what it must be. A crowd
plays through the outage, then one that says the same without any; both are compared with a fold of
what was sent, made without the product.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import httpx

from shared.times import utc_now
from tests.bench.load import Order, Outcome
from tests.bench.machine import use_of
from tests.bench.measure import Loading, loading
from tests.bench.stage import Stage
from tests.builders.brokers import Broker
from tests.builders.crowd import MESSAGES, Crowd, Ending
from tests.builders.processes import Process
from tests.builders.system import System
from tests.builders.waiting import eventually

ABOUT = "Kafka stopped under an even load, then back"
#: Messages of one second are not counted in any phase: the processes are still warming up.
_WARM_S = 1.0
_TOLD_EVERY_S = 10.0
#: Enough for all that falls due while the first sends to a broker that is away are waited for.
_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of load before the outage and after it, at `rate` requests a second."""

    outage_s: float
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Phase:
    """The load of one phase; delays in ms from when a request was due.

    `longest_ms` is the longest that one request took from when it was really sent: far below
    `most_ms` where the machine is too slow for the rate, and requests wait for a free connection.
    """

    name: str
    sent: int
    statuses: dict[int, int]
    unanswered: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Outage:
    """What came of it. `drained_s` counts from when the broker answered again.

    `differing`: customers who ended otherwise than without the outage; `wrong`: than what was sent
    says.
    """

    phases: Sequence[Phase]
    away_s: float
    spooled: int
    drained_s: float
    messages: int
    customers: int
    differing: int
    wrong: int
    ingest_mb: float


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Outage:
    """Play it. Raises `RuntimeError` where the broker is not ours to stop."""
    if stage.broker is None:
        raise RuntimeError("this needs a Kafka of its own")
    system = stage.system
    total_s = _WARM_S + 2 * plan.seconds + plan.outage_s
    customers = max(1, int(plan.rate * total_s) // MESSAGES)
    moment = utc_now()
    storm, calm = (Crowd(name, customers, moment) for name in ("storm", "calm"))
    async with stage.running([system.ingest, system.segmenter]):
        order = _order(system, storm, plan, ceil(plan.rate * total_s) + MESSAGES)
        async with loading(order) as load:
            warm = await load.run(_WARM_S)
            tell("before the outage")
            before = await load.run(plan.seconds)
            tell("Kafka is stopped")
            stopped = time.monotonic()
            during, _ = await asyncio.gather(load.run(plan.outage_s), stage.broker.stop())
            tell("Kafka is started")
            after, (away_s, drained_s) = await _come_back(
                load, plan.seconds, stage.broker, system, stopped
            )
        tell(
            f"during it {during.statuses}, the longest {during.longest_ms:,.0f} ms; "
            f"back after {away_s:.0f} s, the spool empty {drained_s:.0f} s later"
        )
        spooled = await _metric(system.ingest, "nps_ingest_spool_put_total")
        sent = sum(each.sent for each in (warm, before, during, after))
        tell("the same without an outage")
        async with loading(_order(system, calm, plan, sent)) as load:
            # A second more than it needs: what is sent twice changes nothing.
            usual = await load.run(sent / plan.rate + 1)
        expected = storm.endings(range(sent))
        await _handled(system, 2 * len({*map(storm.identity, range(sent))}), tell)
        stormy, calmly = await storm.found(system), await calm.found(system)
        memory = use_of(system.ingest.child.pid).most_mb
    named = {"before": before, "away": during, "back": after, "no outage": usual}
    return Outage(
        phases=[_phase("warming up", warm), *(_phase(name, each) for name, each in named.items())],
        away_s=away_s,
        spooled=int(spooled),
        drained_s=drained_s,
        messages=sent,
        customers=len(expected),
        differing=len(_differing(stormy, calmly)),
        wrong=len(_differing(expected, stormy)),
        ingest_mb=memory,
    )


def _order(system: System, crowd: Crowd, plan: Plan, count: int) -> Order:
    return Order(
        ports=[system.ingest.port],
        connections=_CONNECTIONS,
        rate=plan.rate,
        secret=system.shop_secret,
        distinct=count,
        crowd=crowd,
    )


async def _come_back(
    load: Loading, seconds: float, broker: Broker, system: System, stopped: float
) -> tuple[Outcome, tuple[float, float]]:
    """Start the broker under load and wait until nothing is left in the spool."""

    async def empty() -> bool:
        ((rows,),) = await system.rows("SELECT rows FROM ingest.spool_size")
        return bool(rows == 0)

    async def back() -> tuple[float, float]:
        await broker.start()
        started = time.monotonic()
        await eventually(empty, within=600, what="an empty spool")
        return started - stopped, time.monotonic() - started

    return await asyncio.gather(load.run(seconds), back())


async def _handled(system: System, messages: int, tell: Callable[[str], None]) -> None:
    told = 0.0

    async def check() -> bool:
        nonlocal told
        ((facts,),) = await system.rows("SELECT count(*) FROM segmenter.facts")
        if time.monotonic() - told > _TOLD_EVERY_S:
            tell(f"the segmenter has handled {facts} of {messages}")
            told = time.monotonic()
        return bool(facts >= messages)

    await eventually(check, within=900, what="every message handled")


async def _metric(process: Process, name: str) -> float:
    async with httpx.AsyncClient(base_url=process.url, timeout=15) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def _differing(one: dict[int, Ending], other: dict[int, Ending]) -> set[int]:
    return {who for who in one.keys() | other.keys() if one.get(who) != other.get(who)}


def _phase(name: str, outcome: Outcome) -> Phase:
    return Phase(
        name=name,
        sent=outcome.sent,
        statuses=outcome.statuses,
        unanswered=outcome.sent - sum(outcome.statuses.values()),
        p50_ms=outcome.p50_ms,
        p99_ms=outcome.p99_ms,
        most_ms=outcome.most_ms,
        longest_ms=outcome.longest_ms,
    )
