"""What the ways in share: reading a body within limits, and making events durable in time.

Promise: `publish` returns when the events are durable, on the bus or in the spool, or raises the
503 problem within 4.5 s, so that with reading and answering nobody waits 5 s.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from fastapi import Request

from services.ingest.keep.breaker import Breaker
from services.ingest.keep.people import people
from services.ingest.keep.spool import Spool, SpoolFull
from services.ingest.keep.spool_table import Entry
from services.ingest.keep.traced import store_traced
from services.ingest.receive.asgi import read_body
from services.ingest.receive.inbound import SentHeaders
from services.ingest.told import Told, message
from shared.bus.port import Message, Publisher
from shared.deadlines import Deadlines
from shared.errors import DependencyAway
from shared.http.problems import Problem
from shared.traces.traces import Traces

#: Below the publisher's own 5 s: our answer must be out by then.
_STORE_DEADLINE_S: Final = 4.5
#: With a spool the bus gets the first 2 s of it: a broker that changes its leader needs one.
_BUS_DEADLINE_S: Final = 2.0
#: What one request may take that stores several things: each may take long, not all of them.
_MARGIN_S: Final = 0.25
_PING_DEADLINE_S: Final = 1.0
#: How long a failed publication makes us not ready; then the next one may show that all is well.
_DOUBT_S: Final = 10.0

T = TypeVar("T")


class Intake:
    """The way onto durable storage. `ping` asks the database for a sign of life.

    Without a `spool` (the bus is the database already) the bus alone takes events. `breaker` is
    shared with the drain loop. `traces`: where they are on.
    """

    def __init__(
        self,
        publisher: Publisher,
        ping: Callable[[], Awaitable[None]],
        *,
        route_key: bytes,
        body_bytes: int,
        clock: Callable[[], datetime],
        spool: Spool | None = None,
        breaker: Breaker | None = None,
        bus_deadline_s: float = _BUS_DEADLINE_S,
        store_deadline_s: float = _STORE_DEADLINE_S,
        traces: Traces | None = None,
    ) -> None:
        self._publisher = publisher
        self._ping = ping
        self._route_key = route_key
        self._body_bytes = body_bytes
        self._spool = spool
        self._breaker = breaker or Breaker()
        self._store_deadline_s = store_deadline_s
        self._bus_deadline_s = bus_deadline_s if spool else store_deadline_s
        self._bus_deadlines = Deadlines(self._bus_deadline_s)
        self.request_deadline_s = store_deadline_s + _MARGIN_S
        self._failed_at: float | None = None
        self._left_behind: set[asyncio.Future[Any]] = set()
        self._traces = traces
        self.clock = clock

    async def body(self, request: Request) -> bytes:
        """Read the whole body, chunked or not. Raises the problems 413 and 400.

        A body that does not come in time is refused by the server, for every route alike.
        """
        sent = SentHeaders(request.scope["headers"])
        return await read_body(sent, request.receive, self._body_bytes)

    async def publish(self, told: Sequence[Told]) -> None:
        """Return when every event is durable. Raises `RecordTooLarge`, and the 503 problem."""
        messages = [message(item, self._route_key) for item in told]
        if self._traces is None:
            await self._store(told, messages)
        else:
            await store_traced(self._traces, told, messages, self._store)

    async def _store(self, told: Sequence[Told], messages: Sequence[Message]) -> None:
        spool, away = self._spool, self._breaker.open
        if (spool is None or not away) and await self._on_the_bus(messages):
            return
        if spool is not None:
            if await self._in_the_spool(spool, told, messages):
                return
            if away and await self._on_the_bus_alone(messages):
                return
        self._failed_at = time.monotonic()
        raise come_again()

    async def _on_the_bus_alone(self, messages: Sequence[Message]) -> bool:
        """Try a bus that is thought to be away, for the drain loop cannot without a database.

        One request at a time finds out; the others do not wait for it.
        """
        if not self._breaker.try_alone():
            return False
        try:
            return await self._on_the_bus(messages)
        finally:
            self._breaker.tried()

    async def _on_the_bus(self, messages: Sequence[Message]) -> bool:
        """Tell whether the bus acknowledged in time. Both publishers stop at once when asked."""
        try:
            with self._bus_deadlines.start():
                await self._publisher.publish(messages)
        except (DependencyAway, TimeoutError):
            self._breaker.failed()
            return False
        self._failed_at = None
        if self._breaker.open:
            self._breaker.acknowledged()
        return True

    async def _in_the_spool(
        self, spool: Spool, told: Sequence[Told], messages: Sequence[Message]
    ) -> bool:
        """Tell whether the spool took it in time."""
        now = self.clock()
        entries = [
            Entry(item.event.id, people(self._route_key, item.identifiers), now, record)
            for item, record in zip(told, messages, strict=True)
        ]
        try:
            async with asyncio.timeout(self._store_deadline_s - self._bus_deadline_s):
                await spool.put(entries)
        except (DependencyAway, SpoolFull, TimeoutError):
            return False
        self._failed_at = None
        return True

    async def missing(self) -> Sequence[str]:
        """Tell what keeps us from working, within a second.

        With a spool either of bus and database is enough to accept responses.
        """
        missing: list[str] = []
        failed = self._failed_at is not None and time.monotonic() - self._failed_at < _DOUBT_S
        if failed:
            missing.append("the bus did not acknowledge")
        if self._spool is None or failed or self._breaker.open:
            try:
                await self.in_time(self._ping(), _PING_DEADLINE_S)
            except Problem:
                missing.append("the database does not answer")
        return missing

    async def in_time(self, work: Awaitable[T], seconds: float | None = None) -> T:
        """Do work that needs bus or database within 4.5 s; away or late becomes the 503 problem.

        What is late is left behind, not waited for: a driver whose server hangs, hangs in its own
        cleaning up as well.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait(
                {task}, timeout=self._store_deadline_s if seconds is None else seconds
            )
        finally:
            if not task.done():
                self._leave_behind(task)
        if not task.done():
            raise come_again()
        try:
            return task.result()
        except DependencyAway:
            raise come_again() from None

    def _leave_behind(self, task: asyncio.Future[T]) -> None:
        self._left_behind.add(task)  # the loop alone would let it be collected half-way

        def ended(late: asyncio.Future[T]) -> None:
            self._left_behind.discard(late)
            if not late.cancelled():
                late.exception()  # looked at: the sender has its answer already

        task.add_done_callback(ended)
        task.cancel()


def come_again() -> Problem:
    """Build the 503; the jitter keeps senders from all coming back in the same second."""
    seconds = random.randint(2, 10)  # noqa: S311 - spreads load, guards nothing
    return Problem(
        503,
        "unavailable",
        "nothing was stored; send it again after Retry-After",
        headers={"Retry-After": str(seconds)},
    )
