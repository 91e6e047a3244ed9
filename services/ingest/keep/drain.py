"""The loop that brings the spool to the bus once it is back, oldest first.

Promise: an entry leaves the spool only after the bus acknowledged it (it may be published twice,
never not at all), or into `spool_dead` with a reason if no bus will ever take it; one such entry
blocks no other. One whose person is erased goes nowhere. Several replicas may drain at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.ingest.keep.breaker import Breaker
from services.ingest.keep.people import is_erased
from services.ingest.keep.spool import Spool
from services.ingest.keep.spool_table import Entry, Sent, SpoolTable
from services.ingest.keep.tombstones import Tombstones
from shared.bus.port import Publisher
from shared.errors import DependencyAway, RecordTooLarge
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_MOST_ROWS: Final = 500
_MOST_BYTES: Final = 4 << 20
#: While the bus is away one entry asks for all: what is sent and not acknowledged piles up in the
#: producer and may still go, so many would go twice.
_ASKING: Final = 1
#: The publisher's 5 s and a few statements; a server that hangs must not keep the loop for ever.
_STEP_DEADLINE_S: Final = 20.0
_LOOK_DEADLINE_S: Final = 2.0
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0)
#: Another replica may have died with rows in the spool: it wakes nobody here.
_LOOK_EVERY_S: Final = 2.0


class Drain:
    """The drain loop of one process; `breaker` is the intake's."""

    def __init__(
        self,
        table: SpoolTable,
        spool: Spool,
        publisher: Publisher,
        breaker: Breaker,
        tombstones: Tombstones,
        *,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        self._table = table
        self._spool = spool
        self._publisher = publisher
        self._breaker = breaker
        self._tombstones = tombstones
        self._clock = clock
        self._failures = 0
        self._drained = Counter(
            "nps_ingest_spool_drained", "Events that left the spool for the bus", registry=registry
        )
        self._dead = Counter(
            "nps_ingest_spool_dead",
            "Events of the spool that the bus will never take",
            registry=registry,
        )
        away = Gauge(
            "nps_ingest_bus_away",
            "1 while the bus is thought to be away and events go to the spool",
            registry=registry,
        )
        away.set_function(lambda: float(breaker.open))

    async def run(self, stopping: asyncio.Event) -> None:
        """Drain until told to stop."""
        counted = False
        while not stopping.is_set():
            self._spool.arrived.clear()
            try:
                async with asyncio.timeout(_STEP_DEADLINE_S):
                    if not counted:
                        await self._table.recount()
                        counted = True
                    went_on = await self.step()
            except (DependencyAway, TimeoutError) as error:
                self._failures += 1
                if self._failures == 1:
                    _log.warning("ingest.drain_waits", reason=str(error) or "too slow")
                await self._look_on()
                await pause(stopping, _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1])
                continue
            if self._failures:
                _log.info("ingest.drain_goes_on")
                self._failures = 0
            if not went_on:
                await self._something_new(stopping)

    async def _look_on(self) -> None:
        """Show how much waits also while nothing goes: that is when somebody wants to know."""
        with suppress(DependencyAway, TimeoutError):
            async with asyncio.timeout(_LOOK_DEADLINE_S):
                await self._spool.look()

    async def step(self) -> bool:
        """Send one batch; tells whether there was one. Raises `DependencyAway`."""
        sent = await self._table.drain(
            self._send,
            most=_ASKING if self._failures or self._breaker.open else _MOST_ROWS,
            most_bytes=_MOST_BYTES,
            now=self._clock(),
        )
        size = await self._spool.look()
        if sent is None:
            if size.rows == 0:
                # Whoever emptied it was acknowledged: the next request may try the bus itself.
                self._breaker.acknowledged()
            return False
        self._drained.inc(len(sent.gone))
        self._dead.inc(len(sent.dead))
        self._tombstones.stopped("spool", len(sent.erased))
        if sent.dead:
            _log.error("ingest.spool_dead", events=len(sent.dead), reason=sent.reason)
        return True

    async def _send(self, entries: Sequence[Entry]) -> Sent:
        erased = await self._erased(entries)
        never = {entry.event_id for entry in erased}
        left = [entry for entry in entries if entry.event_id not in never]
        sent = await self._send_on(left) if left else Sent(())
        return replace(sent, erased=erased)

    async def _erased(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        stones = await self._tombstones.of(mark for entry in entries for mark in entry.people)
        if not stones:  # nearly always: nothing has to be decoded
            return ()
        return tuple(one for one in entries if is_erased(one.people, one.told_at, stones))

    async def _send_on(self, entries: Sequence[Entry]) -> Sent:
        try:
            await self._publish(entries)
        except RecordTooLarge:
            return await self._one_by_one(entries)
        return Sent(tuple(entries))

    async def _one_by_one(self, entries: Sequence[Entry]) -> Sent:
        """Find which are refused; the bus going away meanwhile keeps what is not yet sent."""
        gone: list[Entry] = []
        dead: list[Entry] = []
        for entry in entries:
            try:
                await self._publish([entry])
            except RecordTooLarge:
                dead.append(entry)
            except DependencyAway:
                self._breaker.failed()
                break
            else:
                gone.append(entry)
        return Sent(tuple(gone), tuple(dead), "larger than the bus takes")

    async def _publish(self, entries: Sequence[Entry]) -> None:
        await self._publisher.publish([entry.message for entry in entries])
        self._breaker.acknowledged()

    async def _something_new(self, stopping: asyncio.Event) -> None:
        """Wait for a new entry, the end, or the time to look for others' rows."""
        arrived = asyncio.ensure_future(self._spool.arrived.wait())
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait(
                {arrived, stopped}, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            arrived.cancel()
            stopped.cancel()
