"""The segmenter on a large base: how fast it works off a backlog, beside what has no rules.

In: how many customers, how many events. Out: events a second and CPU of each from the first to the
last of a backlog that was there before it started, in turns with the bare limit: the same batches,
one row per customer, as many records published, nothing decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.topics import declared
from shared.events.envelope import FEEDBACK
from shared.times import utc_now
from tests.bench.backlog import fill, seed
from tests.bench.stage import Stage
from tests.bench.turns import Turn, counter, turn
from tests.builders.processes import Process

ABOUT = "a backlog of answers, two in five with a comment of 25 words, on a base of customers"
BARE = "bare: read, upsert, publish"
SEGMENTER = "segmenter"


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a base, and how many events each turn has."""

    customers: int
    events: int
    rounds: int


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
        KafkaConnection(system.kafka, "bench"), prefix=system.prefix, topics=declared()
    )
    bare = stage.bare_fold(f"{system.prefix}{FEEDBACK}", system.prefix)
    turns: list[Turn] = []
    try:
        for number in range(plan.rounds):
            await fill(publisher, plan.customers, plan.events, number + 1, at)
            for what, process, name in (
                (BARE, bare, "bare_fold_handled"),
                (SEGMENTER, system.segmenter, "nps_segmenter_events_total"),
            ):
                found = await _turn(what, process, name, plan.events)
                tell(f"{what}: {found.per_s:,.0f}/s, {found.cpu_us:,.0f} µs CPU each")
                turns.append(found)
    finally:
        await publisher.close()
    ours, theirs = ([t for t in turns if t.what == what] for what in (SEGMENTER, BARE))
    return Fold(
        turns=turns,
        rate_to_the_bare=median(t.per_s for t in ours) / median(t.per_s for t in theirs),
        cpu_to_the_bare=median(t.cpu_us for t in ours) / median(t.cpu_us for t in theirs),
    )


async def _turn(what: str, process: Process, name: str, events: int) -> Turn:
    """Start a process before a backlog, and see it to its end."""
    await process.start()
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            return await turn(what, process, counter(client, process, name), events)
    finally:
        await process.stop()
