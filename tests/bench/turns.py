"""One contestant's turn at a backlog: how fast, and at what CPU, it got from the first to the last.

In: a process and how many it has done, as a question. Out: a `Turn`, measured from when a tenth is
done: connections, caches and plans are made by then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import httpx

from tests.bench.machine import busy_s, use_of
from tests.builders.processes import Process
from tests.builders.waiting import eventually

_WARM: Final = 0.1
#: Asked oftener, telling how far it is would be a good part of what a slow contestant does.
_LOOK_S: Final = 0.25
#: How many are done so far.
Done = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU and memory are those of the contestant's process; `machine_us` is all CPU that worked.

    On a machine of our own that is the process, the database, the broker and the sink together.
    """

    what: str
    per_s: float
    cpu_us: float
    machine_us: float
    mb: float


@dataclass(frozen=True, slots=True)
class Ratios:
    """Medians of one contestant to those of a bare limit."""

    of: str
    to: str
    rate: float
    cpu: float


async def turn(what: str, process: Process, done: Done, items: int, *, before: float = 0) -> Turn:
    """See a running process to the end of a backlog; `before`: what counted already."""
    begun = await _reached(done, before + items * _WARM)
    cpu, busy, started = use_of(process.child.pid).cpu_s, busy_s(), time.monotonic()
    ended = await _reached(done, before + items)
    seconds, busy = time.monotonic() - started, busy_s() - busy
    use = use_of(process.child.pid)
    counted = max(1.0, ended - begun)
    return Turn(
        what=what,
        per_s=counted / seconds,
        cpu_us=(use.cpu_s - cpu) / counted * 1e6,
        machine_us=busy / counted * 1e6,
        mb=use.most_mb,
    )


async def _reached(done: Done, wanted: float) -> float:
    """Wait until so many are done; returns how many that are."""

    async def enough() -> float:
        found = await done()
        if found >= wanted:
            return found
        await asyncio.sleep(_LOOK_S)
        return 0.0

    return await eventually(enough, within=900, what="the backlog worked off")


def counter(client: httpx.AsyncClient, process: Process, name: str, *labels: str) -> Done:
    """Ask a process for a counter of its metrics, all that have these labels together.

    A label is written as it stands there: `state="accepted"`.
    """

    async def done() -> float:
        lines = (await client.get(f"{process.url}/metrics")).text.splitlines()
        return sum(
            float(line.split()[-1])
            for line in lines
            if line.partition("{")[0].split()[0] == name and all(one in line for one in labels)
        )

    return done


def ratios(turns: Sequence[Turn], ours: Sequence[str], bare: Sequence[str]) -> list[Ratios]:
    """Put the medians of ours beside those of the bare limits."""

    def mid(what: str, read: Callable[[Turn], float]) -> float:
        return median(read(one) for one in turns if one.what == what)

    def ratio(one: str, limit: str, read: Callable[[Turn], float]) -> float:
        return mid(one, read) / mid(limit, read)

    return [
        Ratios(
            of=one,
            to=limit,
            rate=ratio(one, limit, lambda found: found.per_s),
            cpu=ratio(one, limit, lambda found: found.cpu_us),
        )
        for one in ours
        for limit in bare
    ]
