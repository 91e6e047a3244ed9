"""Where accepted events wait while the bus is away: bounded, in PostgreSQL, shared by replicas.

In: entries. Promise: `put` returns once they are committed, or raises `SpoolFull`; what is in is
never dropped, only drained, buried with a reason, or erased. One writer gathers what waits, so
hundreds of requests a second share a few transactions, and the size is one row, never a count.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.ingest.keep.spool_table import Entry, Size, SpoolTable
from shared.bus.topics import declared, refuse_too_large
from shared.errors import DependencyAway

#: Bounds one transaction of the writer.
_MOST_ROWS: Final = 1000
_MOST_BYTES: Final = 8 << 20
#: A server that hangs must not keep the writer for ever: its next try may find another one.
_WRITE_DEADLINE_S: Final = 5.0
_TOPICS: Final = {topic.name: topic for topic in declared()}


class SpoolFull(Exception):
    """The spool takes no more: senders must come again. The text says which limit."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much may wait, over all replicas, and for how long.

    Half a million rows are 16 minutes of 500 a second. After a day the operator has a greater
    trouble than a full disk, and most senders repeat for a day or longer.
    """

    rows: int = 500_000
    bytes: int = 1 << 30
    age: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    entries: tuple[Entry, ...]
    done: asyncio.Future[None]


class Spool:
    """The bounded spool. `arrived` is set when something came in."""

    def __init__(
        self,
        table: SpoolTable,
        *,
        limits: SpoolLimits,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        self._table = table
        self._limits = limits
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
        self.arrived = asyncio.Event()
        self._put = Counter(
            "nps_ingest_spool_put",
            "Events accepted into the spool because the bus was away",
            registry=registry,
        )
        self._refused = Counter(
            "nps_ingest_spool_refused",
            "Events that the spool refused, by the limit that was reached",
            ("limit",),
            registry=registry,
        )
        self._rows = Gauge(
            "nps_ingest_spool_rows", "Events in the spool, of all replicas", registry=registry
        )
        self._bytes = Gauge(
            "nps_ingest_spool_bytes", "Bytes in the spool, of all replicas", registry=registry
        )
        self._oldest = Gauge(
            "nps_ingest_spool_oldest_seconds",
            "Age of the oldest event in the spool",
            registry=registry,
        )

    async def put(self, entries: Sequence[Entry]) -> None:
        """Return once every entry is committed; all of one call or none.

        An event that is in already is not put twice. Raises `SpoolFull`, `DependencyAway`, and
        `RecordTooLarge` for what the bus would refuse later.
        """
        batch = tuple(entries)
        refuse_too_large(tuple(entry.message for entry in batch), _TOPICS)
        while self._queue and self._queue[0].done.done():
            self._queue.popleft()  # gave up; with a database that hangs nobody else takes it away
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="ingest-spool-writer")
        await waiting.done

    async def look(self) -> Size:
        """Read the size and show it as metrics."""
        size = await self._table.size()
        self._rows.set(size.rows)
        self._bytes.set(size.bytes)
        age = (self._clock() - size.oldest).total_seconds() if size.oldest else 0.0
        self._oldest.set(max(age, 0.0))
        return size

    async def _write(self) -> None:
        """Write until nothing waits; the next `put` starts another writer."""
        while self._queue:
            batch = self._gather()
            fit = _Fit(self._limits, self._clock(), [waiting.entries for waiting in batch])
            try:
                async with asyncio.timeout(_WRITE_DEADLINE_S):
                    await self._table.add(fit.entries, fit)
            except TimeoutError:
                _settle(batch, DependencyAway("the database does not answer"))
                continue
            except asyncio.CancelledError:
                _settle([*batch, *self._queue], DependencyAway("the process ends"))
                raise
            except Exception as error:  # away, or a bug: either way theirs to know who asked
                _settle(batch, error)
                continue
            stored, refused = batch[: fit.calls], batch[fit.calls :]
            _settle(stored, None)
            _settle(refused, SpoolFull(f"the spool is full ({fit.limit})"))
            self._put.inc(sum(len(waiting.entries) for waiting in stored))
            if refused:
                self._refused.labels(fit.limit).inc(sum(len(each.entries) for each in refused))
            if stored:
                self.arrived.set()

    def _gather(self) -> list[_Waiting]:
        """Take what waits, up to the bounds; who gave up meanwhile is not written."""
        batch: list[_Waiting] = []
        rows = size = 0
        while self._queue and rows < _MOST_ROWS and size < _MOST_BYTES:
            waiting = self._queue.popleft()
            if not waiting.done.done():
                batch.append(waiting)
                rows += len(waiting.entries)
                size += sum(entry.size for entry in waiting.entries)
        return batch


class _Fit:
    """How many of the waiting calls fit below the limits, told once the size is known."""

    def __init__(
        self, limits: SpoolLimits, now: datetime, waiting: Sequence[Sequence[Entry]]
    ) -> None:
        self._limits = limits
        self._now = now
        self._waiting = waiting
        self.entries = [entry for call in waiting for entry in call]
        self.calls = 0
        self.limit = ""

    def __call__(self, size: Size) -> int:
        """Return how many entries may be added to a spool of this size."""
        rows, total = size.rows, size.bytes
        for call in self._waiting:
            rows += len(call)
            total += sum(entry.size for entry in call)
            self.limit = self._reached(rows, total, size.oldest)
            if self.limit:
                break
            self.calls += 1
        return sum(len(call) for call in self._waiting[: self.calls])

    def _reached(self, rows: int, total: int, oldest: datetime | None) -> str:
        if oldest is not None and self._now - oldest > self._limits.age:
            return "age"
        if rows > self._limits.rows:
            return "rows"
        return "bytes" if total > self._limits.bytes else ""


def _settle(batch: Sequence[_Waiting], error: Exception | None) -> None:
    for waiting in batch:
        if waiting.done.done():
            continue
        if error is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(error)
