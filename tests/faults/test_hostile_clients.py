"""Hostile clients at a real ingest process: all are closed or answered in time, memory stays, and
who sends answers notices nothing."""

import asyncio
import uuid

import httpx
import pytest

from services.ingest.examples import Answer
from shared.http.room import room_for
from tests.builders.hostile import endless_body, endless_headers, half_open, pour
from tests.builders.system import System

pytestmark = pytest.mark.kafka

#: The headers' 10 s, the look at deadlines every second, two seconds to read the refusal.
WITHIN_S = 15
HALF_OPEN = 2000
MEGABYTE = 1 << 20


async def memory(system: System) -> float:
    """Read the resident bytes of the ingest process."""
    async with httpx.AsyncClient(base_url=system.ingest.url, timeout=15) as client:
        metrics = (await client.get("/metrics")).text
    (line,) = [m for m in metrics.splitlines() if m.startswith("process_resident_memory_bytes ")]
    return float(line.split()[1])


async def answer(system: System) -> None:
    """Post one answer, which must be accepted."""
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=9, email="ana@example.com"))


async def half_open_connections(system: System) -> None:
    """Open them all, half of them silent, and see each of them end in time."""
    said = [b"", b"POST /v1/webhooks/shop HTTP/1.1\r\nHost: a.example\r\nX-A: b"]
    url = system.ingest.url
    clients = [await half_open(url, said[number % 2]) for number in range(HALF_OPEN)]
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*(client.ended for client in clients))
    assert {client.heard[:13] for client in clients} == {b"", b"HTTP/1.1 408 "}


async def too_much(system: System) -> None:
    """Pour headers and body, and see them refused in time."""
    async with asyncio.timeout(WITHIN_S):
        heard = await asyncio.gather(
            pour(system.ingest.url, endless_headers(40 * MEGABYTE)),
            pour(system.ingest.url, endless_body(1024 * MEGABYTE)),
        )
    # A client that does not stop to listen is cut off, and may not have heard its answer.
    assert heard[0][:13] in (b"", b"HTTP/1.1 431 ")
    assert heard[1][:13] in (b"", b"HTTP/1.1 413 ")


async def test_hostile_clients_cost_little_and_stop_nobody(system: System) -> None:
    """2 000 half-open connections, 40 MB of headers and 1 GB of body, while answers come in."""
    assert room_for(HALF_OPEN + 100) >= HALF_OPEN + 100, "the tests need more file descriptors"
    await system.ingest.start()
    for _ in range(50):
        await answer(system)
    before = most = await memory(system)
    hostile = [
        asyncio.create_task(half_open_connections(system)),
        asyncio.create_task(too_much(system)),
    ]
    answered = 0
    while not all(task.done() for task in hostile):
        await answer(system)
        answered += 1
        if answered % 20 == 0:
            most = max(most, await memory(system))
    await asyncio.gather(*hostile)

    most = max(most, await memory(system))
    assert most - before <= 50 * MEGABYTE
    assert answered >= 20
