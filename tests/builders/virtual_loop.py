"""An event loop whose time is virtual: where everybody waits for time alone, it jumps.

What waits for a minute ends at once, and in the order of real time. Sockets of this machine work as
ever, for what one task sends is there before the loop looks again.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing but sockets, and tells how long it would have waited."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0 if timeout is not None else None)
        if not found and timeout:
            self._jump(timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 0 s."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._pass))

    def time(self) -> float:
        """Tell the virtual time."""
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run some work in a loop of its own, to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work())
