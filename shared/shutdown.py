"""Ending a process in order: every phase has a deadline of its own, and all of them are here.

In: what a host is made of (its door, its tasks, its parts). Out: the phases in their order, each
told with its time. Promise: whatever hangs, the process is gone `NPS_DRAIN_S` and `ENDING_S` after
it was told to stop, which the grace periods of deploy/ allow. What a phase leaves unfinished is
not lost: of a batch no offset is committed, a call is left to its lease, a webhook has no 202.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

#: For requests under way. Ingest answers each within 5 s; the server takes 0.2 s to notice.
REQUESTS_S: Final = 6.0
#: For what the tasks hold. The longest is a call that was claimed right before: 2 s until it has a
#: slot, 20 s until its answer. Cut off, a message that cannot be repeated would be in doubt.
WORK_S: Final = 23.0
#: For tasks that were cut off, until they have let go of what they held.
CANCEL_S: Final = 1.0
#: For the parts to close connections.
PARTS_S: Final = 2.0
#: For the bus to flush and to leave its groups, as its port promises.
BUS_S: Final = 5.0
#: For the interpreter.
LAST_S: Final = 1.0
#: All of it, after the pause of `NPS_DRAIN_S`.
ENDING_S: Final = REQUESTS_S + WORK_S + CANCEL_S + PARTS_S + BUS_S + LAST_S

#: Exit code of a process that was told to stop twice by signal 15 is 143, as of one killed by it.
BY_SIGNAL: Final = 128
#: Exit code of a process that did not end in time.
OVERDUE: Final = 70


@dataclass(frozen=True)
class House:
    """What is to end.

    `wind_down` makes it not ready, while it goes on serving; `close_door` lets `serving` finish
    what is under way and end; `stopping` tells the `tasks` to. `parts` are closed in their order.
    """

    wind_down: Callable[[], None]
    close_door: Callable[[], None]
    serving: "asyncio.Task[None]"
    stopping: asyncio.Event
    tasks: Sequence["asyncio.Task[None]"]
    parts: Sequence[tuple[str, Callable[[], Awaitable[None]]]]


async def end(house: House, drain_s: float) -> list[Exception]:
    """End a house in order; returns what closing its parts raised.

    Not ready → a pause in which whoever sends learns that → the door is closed and requests are
    finished → tasks take nothing more and finish what they hold (a consumer commits what it has
    handled and leaves its group) → late ones are cut off → parts are closed.
    """
    house.wind_down()
    if drain_s > 0:
        began = asyncio.get_running_loop().time()
        # A server that has ended by itself serves nobody: no reason to wait.
        await asyncio.wait({house.serving}, timeout=drain_s)
        _tell("drain", began)
    house.close_door()
    if not await within("requests", REQUESTS_S, [house.serving]):
        house.serving.cancel()
    house.stopping.set()
    if not await within("work", WORK_S, house.tasks):
        late = [task for task in house.tasks if not task.done()]
        for task in late:
            task.cancel()
        await within("cut off", CANCEL_S, late)
    return await _close(house.parts)


async def within(
    phase: str, limit_s: float, work: Sequence["asyncio.Task[None]"], *, told: bool = True
) -> bool:
    """Wait for work, no longer than `limit_s` seconds; tells whether all of it has ended.

    Logged, unless it is in time and not to be `told`.
    """
    began = asyncio.get_running_loop().time()
    late = {task for task in work if not task.done()}
    if late:
        _, late = await asyncio.wait(late, timeout=limit_s)
    if told or late:
        _tell(phase, began, late)
    return not late


async def bounded(phase: str, limit_s: float, work: Awaitable[None], *, told: bool = True) -> None:
    """Do one thing within a phase; late, it is cut off and not waited for. Raises what it raises.

    `asyncio.wait_for` would wait until what it cancelled has ended: for ever, if that hangs.
    """

    async def do() -> None:
        await work

    task = asyncio.create_task(do(), name=phase)
    try:
        if await within(phase, limit_s, [task], told=told):
            await task
    finally:
        task.cancel()


async def _close(
    parts: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
) -> list[Exception]:
    """Close parts one after the other; one that hangs or fails keeps no other open."""
    loop = asyncio.get_running_loop()
    due = loop.time() + PARTS_S
    failures: list[Exception] = []
    for name, close in parts:
        try:
            # The least is for those behind one that has taken all the time.
            await bounded(f"close {name}", max(0.1, due - loop.time()), close())
        except Exception as error:
            _log.exception("stop.close_failed", part=name, error=type(error).__name__)
            failures.append(error)
    return failures


def _tell(phase: str, began: float, late: Collection["asyncio.Task[None]"] = ()) -> None:
    """Log what a phase took, and who kept it from ending in time."""
    seconds = round(asyncio.get_running_loop().time() - began, 3)
    if late:
        names = sorted(task.get_name() for task in late)
        _log.warning("stop.phase", phase=phase, seconds=seconds, late=names)
    else:
        _log.info("stop.phase", phase=phase, seconds=seconds)


class Stop:
    """Hears the signals to stop: the first asks, the second ends the process at once.

    `ends_process` is the exit; `limit_s` is when a process that hangs is ended all the same (None:
    never), also where the event loop itself stands still.
    """

    def __init__(
        self, limit_s: float | None = None, ends_process: Callable[[int], object] = os._exit
    ) -> None:
        self.asked = asyncio.Event()
        self._limit_s = limit_s
        self._ends_process = ends_process

    def hear(self, number: int) -> None:
        """Take one signal."""
        if self.asked.is_set():
            _log.warning("stop.at_once", signal=number)
            self._exit(BY_SIGNAL + number)
            return
        _log.info("stop.asked", signal=number)
        self.asked.set()

    def watch(self) -> None:
        """Begin to watch that the process ends; a thread, because a loop may stand still."""
        if self._limit_s is None:
            return
        watchdog = threading.Timer(self._limit_s, self._overdue)
        watchdog.daemon = True
        watchdog.start()

    def _overdue(self) -> None:
        _log.critical("stop.overdue", seconds=self._limit_s)
        self._exit(OVERDUE)

    def _exit(self, code: int) -> None:
        # The first process of a container ignores a signal that it does not handle, so it cannot
        # end by one.
        sys.stderr.flush()
        self._ends_process(code)
