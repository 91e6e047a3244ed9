"""Eligibility: how long a survey tool waits for "may they be asked?", for one person and for many.

In: how many customers there are, how many questions, how many answers come in meanwhile. Out: the
delays of `POST /v1/survey-eligibility` for 1 and for 1 000 people at a time, one question after
another, and for 1 while answers come in evenly; beside them those of an answer that asks nobody
(`/healthz` of the same process): what is left is the work.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.sweep import progress
from services.segmenter.sweep.portrait import rules_of
from shared import identifiers
from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.topics import declared
from shared.database import connect
from shared.settings import load_yaml
from shared.times import utc_now
from tests.bench.backlog import pour, seed
from tests.bench.machine import use_of
from tests.bench.stage import Stage
from tests.builders.processes import Process
from tests.builders.system import System

ABOUT = "may they be asked? one question after another, on a base of customers"
BARE: Final = "bare: /healthz"
_MANY: Final = 1000
#: As many with a thousand people each as take the time of the questions about one.
_FEWER: Final = 20
#: What is asked before we begin to measure: connections, caches and plans are made by then.
_WARM: Final = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a base, how many questions about one person in each round, and answers a second."""

    customers: int
    questions: int
    rounds: int
    events_per_s: float


@dataclass(frozen=True, slots=True)
class Delays:
    """One round of one kind of question; CPU is that of the segmenter for each."""

    what: str
    questions: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Every round, in the order in which they took turns."""

    rounds: Sequence[Delays]
    wanted: str = "p99 below 20 ms for one person"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Eligibility:
    """Play it."""
    system = stage.system
    tell(f"{plan.customers:,} customers are written")
    await seed(system.database, plan.customers, utc_now())
    await _as_swept(system)
    chance = random.Random(1)
    few = max(1, plan.questions // _FEWER)
    found: list[Delays] = []
    busy = f"1 person, {plan.events_per_s:g} events/s"
    async with stage.running([system.segmenter]):
        for number in range(plan.rounds):
            for what, people, questions in (
                (BARE, 0, plan.questions),
                ("1 person", 1, plan.questions),
                (f"{_MANY:,} people", _MANY, few),
                (busy, 1, plan.questions),
            ):
                asked = [_question(chance, plan.customers, people) for _ in range(questions)]
                async with _coming_in(system, plan, number, pouring=what == busy):
                    told = await asyncio.to_thread(
                        _ask, system.segmenter, system.token, what, asked
                    )
                tell(f"{told.what}: p50 {told.p50_ms:.1f} ms, p99 {told.p99_ms:.1f} ms")
                found.append(told)
    return Eligibility(found)


@asynccontextmanager
async def _coming_in(
    system: System, plan: Plan, number: int, *, pouring: bool
) -> AsyncIterator[None]:
    """While within, let answers come in evenly, if at all."""
    if not pouring:
        yield
        return
    publisher = KafkaPublisher(
        KafkaConnection(system.kafka, "bench"), prefix=system.prefix, topics=declared()
    )
    task = asyncio.create_task(
        pour(publisher, plan.customers, plan.events_per_s, number + 1, utc_now())
    )
    try:
        yield
    finally:
        task.cancel()
        failed = (await asyncio.gather(task, return_exceptions=True))[0]
        await publisher.close()
    if not isinstance(failed, asyncio.CancelledError):
        raise failed if failed else RuntimeError("the answers ended before the questions")


async def _as_swept(system: System) -> None:
    """Note that everybody was read for the figures, as it is where a survey tool asks every day.

    Else that reading goes on beside the questions, and its CPU is counted as theirs.
    """
    policy = load_yaml(system.folder / "config" / "policy.yaml", Policy).value
    rules = rules_of(policy, identifiers.rules("", "keep"))
    engine = connect(system.database, "segmenter")
    try:
        async with engine.begin() as connection:
            known = await progress.take(connection, rules)
            if known is not None:
                await progress.save(connection, replace(known, upto=None, as_of=utc_now()))
    finally:
        await engine.dispose()


def _question(chance: random.Random, customers: int, people: int) -> bytes | None:
    """Ask about so many of the base, by number or address; None: about nobody."""
    if not people:
        return None
    numbers = [chance.randint(1, customers) for _ in range(people)]
    named = [
        {"id": f"C-{n:08d}"} if chance.random() < 0.5 else {"email": f"client.{n:08d}@example.com"}
        for n in numbers
    ]
    return json.dumps({"survey": "relational", "customers": named}).encode()


def _ask(process: Process, token: str, what: str, questions: Sequence[bytes | None]) -> Delays:
    """Ask one question after another over one connection; none may fail."""
    connection = HTTPConnection("127.0.0.1", process.port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(question: bytes | None) -> float:
        started = time.perf_counter()
        if question is None:
            connection.request("GET", "/healthz")
        else:
            connection.request("POST", "/v1/survey-eligibility", question, headers)
        answer = connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"answered {answer.status}")
        return seconds

    try:
        for question in questions[:_WARM]:
            ask(question)
        cpu = use_of(process.child.pid).cpu_s
        delays = sorted(ask(question) for question in questions)
        cpu = use_of(process.child.pid).cpu_s - cpu
    finally:
        connection.close()
    count = len(delays)
    return Delays(
        what=what,
        questions=count,
        p50_ms=delays[count // 2] * 1e3,
        p99_ms=delays[min(count - 1, count * 99 // 100)] * 1e3,
        most_ms=delays[-1] * 1e3,
        cpu_ms=cpu / count * 1e3,
    )
