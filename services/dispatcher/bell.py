"""Waking loops of this process at once; other replicas find new work by their poll."""

import asyncio
from collections import defaultdict


class Bell:
    """One event per name (a target, or `teller`). A ring while nobody waits is not lost."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, name: str) -> None:
        """Wake who waits for `name`, now or next."""
        self._events[name].set()

    async def wait(self, name: str) -> None:
        """Return at the next ring (or at once, if it rang since the last wait)."""
        await self._events[name].wait()
        self._events[name].clear()
