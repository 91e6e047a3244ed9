"""The fast sink as scenarios see it: a process, and what came to it when."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from tests.bench.stage import Stage
from tests.builders.processes import Process

#: Asked oftener, a sink that has much to tell would answer others late.
_LOOK_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Sink:
    """A running fast sink."""

    url: str
    client: httpx.AsyncClient

    async def arrivals(self, *paths: str) -> list[tuple[str, float]]:
        """Ask who came to these paths when (seconds since 1970)."""
        found: list[tuple[str, float]] = []
        for path in paths:
            answer = await self.client.get(f"{self.url}/arrivals{path}")
            found += [(person, at) for person, at in answer.raise_for_status().json()]
        return found

    async def forget(self) -> None:
        """Begin anew: what came so far is told no more."""
        await self.client.delete(self.url)

    async def waited_for(
        self, people: Collection[str], paths: Sequence[str], within_s: float
    ) -> dict[str, float]:
        """Wait until all of these came; returns when each came first, without those who did not."""
        last = time.monotonic() + within_s
        while True:
            came: dict[str, float] = {}
            for person, at in await self.arrivals(*paths):
                came[person] = min(at, came.get(person, at))
            if came.keys() >= set(people) or time.monotonic() >= last:
                return {person: at for person, at in came.items() if person in people}
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def open_sink(stage: Stage) -> AsyncIterator[Sink]:
    """Run one; see `tests.bench.fast_sink`."""
    process = Process("tests.bench.fast_sink", {}, stage.folder / "fast-sink.log")
    async with stage.running([process]), httpx.AsyncClient(timeout=60) as client:
        yield Sink(process.url, client)
