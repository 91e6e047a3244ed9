"""Keeping authentic bodies beside the work: no request waits for it, none fails of it.

In: bodies. Out: rows, a few times a second, in batches. A bounded queue in memory bridges a
database that is away; what does not fit is dropped and counted, for losing a body loses no
response. What the process holds when it ends is written first.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import DBAPIError

from services.ingest.keep.bodies_table import BodiesTable, Body, KeptBody, ResponseName
from services.ingest.keep.people import Whom
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_EVERY_S: Final = 0.2
_BACK_OFF_S: Final = 2.0
#: One transaction: large enough to be cheap, small enough not to hold up everything else.
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 4 << 20
#: What waits in memory: 20 s of 500 a second, and never more than 32 MiB.
_MOST_ROWS: Final = 10_000
_MOST_BYTES: Final = 32 << 20
#: A server that hangs must not keep the writer for ever: its next try may find another one.
_WRITE_DEADLINE_S: Final = 10.0
#: At the end the host gives all tasks 15 s together.
_LAST_WRITE_S: Final = 5.0


class Bodies:
    """The writer of one process, and the ways to read and delete. `on` False: nothing is kept."""

    def __init__(
        self,
        table: BodiesTable,
        *,
        registry: CollectorRegistry,
        on: bool = True,
        most_rows: int = _MOST_ROWS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._table = table
        self.on = on
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._queue: deque[Body] = deque()
        self._bytes = 0
        self._plenty = asyncio.Event()
        self._writing = asyncio.Lock()
        self._kept = Counter(
            "nps_ingest_bodies_kept", "Authentic bodies written", registry=registry
        )
        dropped = Counter(
            "nps_ingest_bodies_dropped",
            "Authentic bodies that could not be kept, by reason",
            ("reason",),
            registry=registry,
        )
        self._queue_full = dropped.labels("queue_full")
        self._refused = dropped.labels("refused")
        self._erased = dropped.labels("erased")
        waiting = Gauge("nps_ingest_bodies_waiting", "Bodies not written yet", registry=registry)
        waiting.set_function(lambda: len(self._queue))

    def keep(self, body: Body) -> None:
        """Take one body to be written soon; returns at once and never fails."""
        if not self.on:
            return
        if len(self._queue) >= self._most_rows or self._bytes + len(body.body) > self._most_bytes:
            self._queue_full.inc()
            return
        self._queue.append(body)
        self._bytes += len(body.body)
        if len(self._queue) == _BATCH_ROWS:
            self._plenty.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Write what comes in until told to stop, then the rest."""
        while not stopping.is_set():
            try:
                await self._write_all()
            except (DependencyAway, TimeoutError):
                _log.warning("ingest.bodies_wait", waiting=len(self._queue))
                await pause(stopping, _BACK_OFF_S)
            else:
                await self._company(stopping)
        with suppress(DependencyAway, TimeoutError):
            async with asyncio.timeout(_LAST_WRITE_S):
                await self._write_all()
        if self._queue:
            _log.warning("ingest.bodies_lost", bodies=len(self._queue))

    async def read(
        self, source: str, *, since: datetime, limit: int, after: int = 0
    ) -> Sequence[KeptBody]:
        """Read one source's bodies; see `BodiesTable.read`."""
        return await self._table.read(source, since=since, limit=limit, after=after)

    async def responses_of(self, whom: Whom) -> set[ResponseName]:
        """Name the responses of a person, as far as bodies tell."""
        async with self._writing:  # else a batch under way would be seen nowhere
            waiting = {name for body in self._queue if _owns(whom, body) and (name := _name(body))}
            return waiting | await self._table.responses_of(whom)

    async def erase(self, whom: Whom) -> int:
        """Delete the bodies of a person, also those not yet written; returns how many."""
        async with self._writing:  # else a batch under way would come after the deletion
            left = [body for body in self._queue if not _owns(whom, body)]
            waiting = len(self._queue) - len(left)
            self._queue = deque(left)
            self._bytes = sum(len(body.body) for body in left)
            return waiting + await self._table.erase(whom)

    async def prune(self, before: datetime) -> int:
        """Delete what was received before; returns how many."""
        return await self._table.prune(before)

    async def _write_all(self) -> None:
        while self._queue:
            async with self._writing:
                await self._write(self._take())

    async def _write(self, batch: Sequence[Body]) -> None:
        try:
            async with asyncio.timeout(_WRITE_DEADLINE_S):
                erased = await self._table.add(batch)
        except (DependencyAway, TimeoutError, asyncio.CancelledError):
            self._put_back(batch)
            raise
        except DBAPIError:
            await self._one_by_one(batch)
        else:
            self._written(len(batch), erased)

    async def _one_by_one(self, batch: Sequence[Body]) -> None:
        """Write what the database takes; one row that it never will must not stop the others."""
        for place, body in enumerate(batch):
            try:
                erased = await self._table.add([body])
            except DependencyAway:
                self._put_back(batch[place:])
                raise
            except DBAPIError as error:
                self._refused.inc()
                _log.error("ingest.body_refused", source=body.source, error=type(error).__name__)
            else:
                self._written(1, erased)

    def _written(self, bodies: int, erased: int) -> None:
        self._kept.inc(bodies - erased)
        self._erased.inc(erased)

    def _put_back(self, batch: Sequence[Body]) -> None:
        self._queue.extendleft(reversed(batch))
        self._bytes += sum(len(body.body) for body in batch)

    def _take(self) -> list[Body]:
        batch: list[Body] = []
        size = 0
        while self._queue and len(batch) < _BATCH_ROWS and size < _BATCH_BYTES:
            body = self._queue.popleft()
            batch.append(body)
            size += len(body.body)
        self._bytes -= size
        return batch

    async def _company(self, stopping: asyncio.Event) -> None:
        """Wait until a batch is full or 200 ms have passed."""
        self._plenty.clear()
        if stopping.is_set() or len(self._queue) >= _BATCH_ROWS:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._plenty.wait(), _EVERY_S)


def _owns(whom: Whom, body: Body) -> bool:
    return whom.owns(body.people, body.told_at)


def _name(body: Body) -> ResponseName | None:
    if body.survey is None or body.response_id is None:
        return None
    return ResponseName(body.source, body.survey, body.response_id)
