"""Ingest: signed webhooks of twelve mapped fields, answered when Kafka's replicas acknowledged.

Beside it, in turns: the bare server that only answers, and the bare server that also waits for
Kafka. The distance to the first is everything that ingest does, to the second all but the bus.
"""

from collections.abc import Callable, Sequence
from itertools import product

from tests.bench.load import Order
from tests.bench.measure import Row, measure
from tests.bench.stage import Plan, Stage
from tests.builders.processes import Process

ABOUT = "signed webhook → mapped → acknowledged by Kafka → 202"

ANSWER = "bare: answer 202"
KAFKA = "bare: Kafka, then 202"
PROTOTYPE = "prototype"
INGEST = "ingest"

#: What the project wants of itself: 1 process at 32 connections, and 2 processes at 128.
BARS = {
    "1 / 32": "≥ 3 000/s (stretch 4 400), p99 < 25 ms, ≤ 250 µs CPU",
    "2 / 128": "stretch ≥ 7 900/s",
}


async def rows(stage: Stage, plan: Plan, tell: Callable[[Row], None]) -> Sequence[Row]:
    """Measure every combination of processes and connections, `rounds` times."""
    found: list[Row] = []
    topic = f"{stage.system.prefix}nps.feedback"
    for count in plan.processes:
        ingest = [stage.system.process("services.ingest") for _ in range(count)]
        answer = stage.bare("answer", count=count)
        kafka = stage.bare("kafka", topic, count=count)
        least = stage.bare("prototype", topic, count=count)
        async with stage.running([*ingest, *answer, *kafka, *least]):
            contestants = ((ANSWER, answer), (KAFKA, kafka), (PROTOTYPE, least), (INGEST, ingest))
            for connections, _, (what, processes) in product(
                plan.connections, range(plan.rounds), contestants
            ):
                row = await measure(
                    f"{count} / {connections}",
                    what,
                    order(stage, plan, processes, connections),
                    plan.seconds,
                    processes,
                    behind=stage.behind,
                    bare=what != INGEST,
                )
                tell(row)
                found.append(row)
    return found


def order(stage: Stage, plan: Plan, processes: Sequence[Process], connections: int) -> Order:
    """Tell the load what to send to these processes."""
    return Order(
        ports=[process.port for process in processes],
        connections=connections,
        shape=plan.shape,
        secret=stage.system.shop_secret,
        distinct=plan.distinct,
    )
