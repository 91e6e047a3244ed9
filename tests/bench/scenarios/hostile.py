"""Hostile clients beside good ones: what the good ones notice of it, and what it costs.

In: how fast the good traffic is. Out, round by round: its delays alone, and while 2 000 half-open
connections, 40 MB of headers and a chunked body of 1 GB come in; how long each hostile client was
borne with; and by how much memory grew.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from shared.http.room import room_for
from tests.bench.load import Order, Outcome
from tests.bench.machine import busy_s, use_of
from tests.bench.measure import Loading, loading
from tests.bench.stage import Stage
from tests.builders.hostile import endless_body, endless_headers, half_open, pour

ABOUT = "good traffic without and with hostile clients"
_CONNECTIONS = 32
_MEGABYTE = 1 << 20
_HEADERS = 40 * _MEGABYTE
_BODY = 1024 * _MEGABYTE
#: What a half-open connection has said: nothing, or a part of a head.
_SAID = (b"", b"POST /v1/webhooks/shop HTTP/1.1\r\nHost: a.example\r\nX-A: b")


@dataclass(frozen=True, slots=True)
class Plan:
    """Good requests a second, for how long alone and with the others, how often in turns."""

    rate: float
    seconds: float
    rounds: int
    half_open: int = 2000


@dataclass(frozen=True, slots=True)
class Good:
    """The good traffic of one round; delays in ms from when a request was due."""

    hostile: bool
    sent: int
    accepted: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    ingest_cores: float
    all_cores: float


@dataclass(frozen=True, slots=True)
class Borne:
    """Until when hostile clients of one kind were open, at most, and what they heard first."""

    half_open_s: float
    headers_s: float
    headers_heard: str
    body_s: float
    body_heard: str


@dataclass(frozen=True, slots=True)
class Hostile:
    """What came of it; `ratio` of the medians of p99."""

    good: Sequence[Good]
    borne: Sequence[Borne]
    ratio: float
    grown_mb: float


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Hostile:
    """Play it. Raises `RuntimeError` where the system allows too few connections."""
    if room_for(plan.half_open + 100) < plan.half_open + 100:
        raise RuntimeError("this needs more file descriptors: see ulimit -n")
    ingest = stage.system.ingest
    order = Order(
        ports=[ingest.port],
        connections=_CONNECTIONS,
        rate=plan.rate,
        secret=stage.system.shop_secret,
    )
    good: list[Good] = []
    borne: list[Borne] = []
    async with stage.running([ingest]), loading(order) as load:
        pid = ingest.child.pid
        await load.run(min(3.0, plan.seconds))
        memory = use_of(pid).rss_mb
        _forget_the_most(pid)
        for number in range(1, plan.rounds + 1):
            tell(f"round {number}: good traffic alone")
            good.append(await _measured(load, plan.seconds, pid, hostile=False))
            tell(f"round {number}: with hostile clients")
            measured, attack = await asyncio.gather(
                _measured(load, plan.seconds, pid, hostile=True), _attack(ingest.url, plan)
            )
            good.append(measured)
            borne.append(attack)
        grown = use_of(pid).most_mb - memory
    p99 = {
        kind: median(one.p99_ms for one in good if one.hostile is kind) for kind in (True, False)
    }
    return Hostile(good, borne, ratio=p99[True] / p99[False], grown_mb=grown)


def _forget_the_most(pid: int) -> None:
    """Let the kernel begin anew with the most memory: what start-up took is not the question."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


async def _measured(load: Loading, seconds: float, pid: int, *, hostile: bool) -> Good:
    cpu, machine, started = use_of(pid).cpu_s, busy_s(), time.monotonic()
    outcome: Outcome = await load.run(seconds)
    took = time.monotonic() - started
    return Good(
        hostile=hostile,
        sent=outcome.sent,
        accepted=outcome.statuses.get(202, 0),
        p50_ms=outcome.p50_ms,
        p99_ms=outcome.p99_ms,
        most_ms=outcome.most_ms,
        ingest_cores=(use_of(pid).cpu_s - cpu) / took,
        all_cores=(busy_s() - machine) / took,
    )


async def _attack(url: str, plan: Plan) -> Borne:
    """Let them all come at once, and wait until the last is gone."""
    half_open_s, headers, body = await asyncio.gather(
        _half_open(url, plan.half_open),
        _pour(url, endless_headers(_HEADERS)),
        _pour(url, endless_body(_BODY)),
    )
    return Borne(half_open_s, *headers, *body)


async def _half_open(url: str, count: int) -> float:
    """Open them; give how long the one that was borne longest stayed, in seconds."""

    async def one(said: bytes) -> float:
        opened = time.monotonic()
        client = await half_open(url, said)
        await client.ended
        return time.monotonic() - opened

    return max(await asyncio.gather(*(one(_SAID[number % 2]) for number in range(count))))


async def _pour(url: str, pieces: Iterator[bytes]) -> tuple[float, str]:
    started = time.monotonic()
    heard = await pour(url, pieces)
    return time.monotonic() - started, heard.partition(b"\r\n")[0].decode("latin-1")
