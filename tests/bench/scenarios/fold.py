"""The segmenter on a large base: how fast it works off a backlog, beside what has no rules.

In: how many customers, how many events. Out: events a second and CPU of each from the first to the
last of a backlog that was there before it started, in turns with the bare limit: the same batches,
one row per customer, as many records published, nothing decided.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.topics import declared
from shared.events.envelope import FEEDBACK
from shared.times import utc_now
from tests.bench.backlog import fill, seed
from tests.bench.machine import use_of
from tests.bench.stage import Stage
from tests.builders.processes import Process
from tests.builders.waiting import eventually

ABOUT = "a backlog of answers, two in five with a comment of 25 words, on a base of customers"
BARE = "bare: read, upsert, publish"
SEGMENTER = "segmenter"
#: What is handled before we begin to measure: connections, caches and plans are made by then.
_WARM = 0.1
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a base, and how many events each turn has."""

    customers: int
    events: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant's backlog; CPU and memory are those of its process."""

    what: str
    per_s: float
    cpu_us: float
    mb: float


@dataclass(frozen=True, slots=True)
class Fold:
    """Every turn, and the medians' ratios: rate and CPU of the segmenter to the bare limit."""

    turns: Sequence[Turn]
    rate_to_the_bare: float
    cpu_to_the_bare: float
    wanted: str = "at least 4 000 events/s per process on 1 million customers (stretch 6 000)"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Fold:
    """Play it."""
    system, at = stage.system, utc_now()
    tell(f"{plan.customers:,} customers are written")
    await seed(system.database, plan.customers, at)
    publisher = KafkaPublisher(
        system.kafka, client_id="bench", prefix=system.prefix, topics=declared()
    )
    bare = stage.bare_fold(f"{system.prefix}{FEEDBACK}", system.prefix)
    turns: list[Turn] = []
    try:
        for number in range(plan.rounds):
            await fill(publisher, plan.customers, plan.events, number + 1, at)
            for what, process, counter in (
                (BARE, bare, "bare_fold_handled"),
                (SEGMENTER, system.segmenter, "nps_segmenter_events_total"),
            ):
                turn = await _turn(what, process, counter, plan.events)
                tell(f"{what}: {turn.per_s:,.0f}/s, {turn.cpu_us:,.0f} µs CPU each")
                turns.append(turn)
    finally:
        await publisher.close()
    ours, theirs = ([t for t in turns if t.what == what] for what in (SEGMENTER, BARE))
    return Fold(
        turns=turns,
        rate_to_the_bare=median(t.per_s for t in ours) / median(t.per_s for t in theirs),
        cpu_to_the_bare=median(t.cpu_us for t in ours) / median(t.cpu_us for t in theirs),
    )


async def _turn(what: str, process: Process, counter: str, events: int) -> Turn:
    """Start a process before a backlog, and see it to its end."""
    await process.start()
    try:
        async with httpx.AsyncClient(base_url=process.url, timeout=30) as client:
            begun = await _handled(client, counter, events * _WARM)
            cpu, started = use_of(process.child.pid).cpu_s, time.monotonic()
            ended = await _handled(client, counter, events)
            seconds = time.monotonic() - started
            use = use_of(process.child.pid)
    finally:
        await process.stop()
    counted = ended - begun
    return Turn(what, counted / seconds, (use.cpu_s - cpu) / counted * 1e6, use.most_mb)


async def _handled(client: httpx.AsyncClient, counter: str, wanted: float) -> float:
    """Wait until so many are handled; returns how many that are."""

    async def enough() -> float:
        lines = (await client.get("/metrics")).text.splitlines()
        # Of one metric, all its labels together.
        named = [line.split() for line in lines if line.partition("{")[0].split()[0] == counter]
        found = sum(float(words[-1]) for words in named)
        await asyncio.sleep(_LOOK_S)
        return found if found >= wanted else 0.0

    return await eventually(enough, within=900, what="the backlog worked off")
