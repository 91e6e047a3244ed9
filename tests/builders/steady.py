"""A steady load: so many requests a second, whatever becomes of them, each until it succeeds."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx

#: How long before a request that failed is sent again.
_AGAIN_S = 0.5
_TRIES = 60
#: How long it keeps a connection that nobody uses: not as long as a process that ends waits before
#: it closes its door. What balances requests forgets its connections to whatever is not ready.
KEPT_S = 1.0
Make = Callable[[httpx.AsyncClient], httpx.Request]


class Steady:
    """Sends what `make` gives to a client of its own. `succeeded` counts what was heard as wanted.

    `refused` are the other answers, by status; `broken` are the connections that ended without one.
    """

    def __init__(self, url: str, make: Make, *, per_s: float, wanted: int) -> None:
        self._make = make
        self._per_s = per_s
        self._wanted = wanted
        limits = httpx.Limits(max_connections=16, keepalive_expiry=KEPT_S)
        self._client = httpx.AsyncClient(base_url=url, timeout=15, limits=limits)
        self.succeeded = 0
        self.refused: Counter[int] = Counter()
        self.broken: list[str] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Send until told to stop, then wait for what is on its way."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with self._client, asyncio.TaskGroup() as group:
            while not stopping.is_set():
                group.create_task(self._deliver(self._make(self._client)))
                # By the clock, so that a slow moment is made up for.
                due += 1 / self._per_s
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def _deliver(self, request: httpx.Request) -> None:
        for _ in range(_TRIES):
            if await self._went_well(request):
                self.succeeded += 1
                return
            await asyncio.sleep(_AGAIN_S)
        raise AssertionError(f"never answered as wanted: {self.refused}, {self.broken}")

    async def _went_well(self, request: httpx.Request) -> bool:
        try:
            answer = await self._client.send(request)
        except httpx.TransportError as error:
            self.broken.append(type(error).__name__)
            return False
        if answer.status_code != self._wanted:
            self.refused[answer.status_code] += 1
        return answer.status_code == self._wanted
