"""Deadlines of thousands of connections without a timer for each: one look at all, now and then.

In: connections, each holding the moments (of the loop's clock) at which it is overdue. Promise:
`overdue` is called at most `every_s` after such a moment, and again until the moment changes. Where
thousands are overdue together it takes a second longer, so that requests are served in between.
"""

import asyncio
from typing import Final, Protocol

#: Ending a wait takes some 0.1 ms: two thousand at once made every request wait for 0.3 s. These
#: leave the loop to others three quarters of the time.
_AT_ONCE: Final = 16
_PAUSE_S: Final = 0.005


class Watched(Protocol):
    """A connection with its two moments; `inf` where it waits for nothing."""

    due: float
    stuck_until: float

    def overdue(self, now: float) -> None:
        """End the wait."""


class Sweep:
    """The open connections of one server."""

    def __init__(self, *, every_s: float) -> None:
        #: Bytes of bodies that are not whole yet, of all connections together.
        self.unfinished = 0
        self._every_s = every_s
        self._watched: set[Watched] = set()
        self._running = False

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Watch one more."""
        self._watched.add(connection)
        if not self._running:
            self._running = True
            loop.call_later(self._every_s, self._look, loop)

    def remove(self, connection: Watched) -> None:
        """Forget one."""
        self._watched.discard(connection)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._end([w for w in self._watched if _is_overdue(w, now)], loop)

    def _end(self, overdue: list[Watched], loop: asyncio.AbstractEventLoop) -> None:
        """End some of these waits, unless they have ended meanwhile, and the others soon."""
        now = loop.time()
        for watched in overdue[-_AT_ONCE:]:
            if watched in self._watched and _is_overdue(watched, now):
                watched.overdue(now)
        del overdue[-_AT_ONCE:]
        if overdue:
            loop.call_later(_PAUSE_S, self._end, overdue, loop)
            return
        # With nobody left to watch it rests, and holds no loop.
        self._running = bool(self._watched)
        if self._running:
            loop.call_later(self._every_s, self._look, loop)


def _is_overdue(watched: Watched, now: float) -> bool:
    return watched.due <= now or watched.stuck_until <= now
