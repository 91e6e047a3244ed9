"""The loop that makes a consumer of a handler: poll, handle, dead-letter, and commit last.

Four fates: handled; refused → dead letter (capped); dependency away → everything pauses, the
membership lives on, and the same batch is retried in place; any other error leaves the loop: the
process ends, and what was not committed is delivered again.

Promised: an offset is committed only after its record was handled or is durable as a dead letter.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from shared.bus.dead_letters import (
    DeadLetterCount,
    DeadLetterLimit,
    DeadLetterPolicy,
    dead_letter,
)
from shared.bus.fates import (
    Fates,
    Halt,
    Received,
    Rejected,
    Sightings,
    first_offsets,
    next_offsets,
    split,
)
from shared.bus.meters import ConsumerMeters
from shared.bus.port import Consumer, Partition, Publisher, Record
from shared.errors import DependencyAway, Unprocessable
from shared.stopping import pause

__all__ = ["BatchStats", "ConsumeLoop", "Handle", "Received", "Rejected"]

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

#: Handles a batch wholly, in one or several transactions; returns the records it refuses. It must
#: bear each record again. An `Unprocessable` it raises is pinned down record by record.
Handle = Callable[[Sequence[Received]], Awaitable[Sequence[Rejected]]]

#: How often a long handler is covered by a poll; well below the lease of the PostgreSQL log (10 s).
_HEARTBEAT: Final = 2.0
#: A handler that takes longer is taken for stuck: its work goes to others and we are not alive.
_LONGEST_BATCH: Final = 300.0
#: Between two signs of life lie a poll (0.2 s), a retry (2 s) or a request's deadline (5 s).
_SILENCE: Final = timedelta(minutes=1)
_SLOWEST_RETRY: Final = 2.0
_FIRST_RETRY: Final = 0.1


@dataclass(frozen=True, slots=True)
class BatchStats:
    """One finished batch: how many were handled or dead-lettered; when the oldest was appended."""

    handled: int
    dead: int
    oldest: datetime


class _Stopped(Exception):
    """Told to stop while waiting for a dependency: nothing of the batch is committed."""


class ConsumeLoop:
    """One consumer at work. Build it in the service, run it as a task of the host.

    `batch` bounds a poll; `unknown_grace` is how long an event of a newer release stops its
    partition; `on_batch` is called after each commit; `clock` tells aware times. Of a topic on
    which little is for this consumer, `wanted` tells by a record's bytes, before they are decoded,
    what is; `rest` is how long the loop lies still once it has caught up, for work that is not
    urgent: records that come one by one then cost one poll and one commit together. `meters` show
    it from outside.
    """

    def __init__(
        self,
        consumer: Consumer,
        publisher: Publisher,
        handle: Handle,
        *,
        clock: Callable[[], datetime],
        batch: int = 500,
        unknown_grace: timedelta = timedelta(minutes=15),
        dead_letters: DeadLetterPolicy | None = None,
        on_batch: Callable[[BatchStats], None] | None = None,
        wanted: Callable[[bytes], bool] | None = None,
        rest: timedelta = timedelta(0),
        meters: ConsumerMeters | None = None,
    ) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._handle = handle
        self._clock = clock
        self._batch = batch
        self._grace = unknown_grace
        self._policy = dead_letters or DeadLetterPolicy()
        self._on_batch = on_batch
        self._wanted = wanted
        self._rest = rest
        self._meters = meters
        self._count = DeadLetterCount()
        self._sightings: Sightings = {}
        self._halts: dict[Partition, Halt] = {}
        self._stopping = asyncio.Event()
        #: What the loop waits for, in words; None while it works. Not ready, but alive.
        self.waiting_for: str | None = None
        #: When the loop last went round; a retry counts.
        self.moved_at: datetime = clock()
        if meters is not None:
            meters.watch(lambda: len(self._halts), lambda: self.waiting_for is not None)

    def alive(self) -> bool:
        """Tell whether the loop still moves; waiting for a dependency counts as moving."""
        return self._clock() - self.moved_at < _SILENCE

    @property
    def halted(self) -> Sequence[Partition]:
        """The partitions that stand before an event of a newer release."""
        return tuple(self._halts)

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; finish the batch in hand, then leave the group.

        Raises `DeadLetterLimit`, and whatever bug the handler shows.
        """
        self._stopping = stopping
        try:
            while not stopping.is_set():
                self.moved_at = self._clock()
                self._end_halts()
                records = await self._retrying(lambda: self._consumer.poll(self._batch))
                if records:
                    await self._process(records)
                if self._rest and self._caught_up(records):
                    await pause(stopping, self._rest.total_seconds())
        except _Stopped:
            pass
        # Not only when the bus is closed: other tasks of the process may finish for long.
        await self._consumer.leave()

    def _caught_up(self, records: Sequence[Record]) -> bool:
        return all(record.at > self._clock() - self._rest for record in records)

    async def _process(self, records: Sequence[Record]) -> None:
        epochs = self._consumer.assigned()
        fates = split(records, self._sightings, self._clock(), self._grace, self._wanted)
        self._sightings = fates.sightings
        await self._halt(fates)

        def ours() -> frozenset[Partition]:
            now = self._consumer.assigned()
            return frozenset(place for place, epoch in epochs.items() if now.get(place) == epoch)

        async def handle() -> list[Rejected]:
            held = ours()
            batch = [item for item in fates.received if item.record.partition in held]
            return list(await self._alive(self._handled(batch))) if batch else []

        rejected = [*fates.rejected, *await self._retrying(handle)]
        finished = [*(i.record for i in fates.received), *(r.record for r in fates.rejected)]
        self._cap(len(finished), rejected)

        async def bury() -> None:
            held = ours()
            letters = [
                dead_letter(r.record, r.reason, self._clock())
                for r in rejected
                if r.record.partition in held
            ]
            if letters:
                await self._publisher.publish(letters)

        async def commit() -> None:
            held, done = ours(), (*finished, *fates.passed)
            offsets = next_offsets(record for record in done if record.partition in held)
            if offsets:
                await self._consumer.commit(offsets)

        await self._retrying(bury)
        await self._retrying(commit)
        self._tell(finished, rejected)

    async def _handled(self, batch: Sequence[Received]) -> Sequence[Rejected]:
        """Run the handler; if it calls the batch unprocessable, find out which record it is."""
        try:
            return await self._handle(batch)
        except Unprocessable as error:
            if len(batch) == 1:
                return [Rejected(batch[0].record, str(error))]
        return [rejected for item in batch for rejected in await self._handled([item])]

    def _cap(self, records: int, rejected: Sequence[Rejected]) -> None:
        self._count = self._count.add(
            self._policy, self._clock(), records=records, dead=len(rejected)
        )
        for refusal in rejected:
            where = refusal.record.partition
            _log.warning(
                "bus.record_refused",
                topic=where.topic,
                partition=where.number,
                offset=refusal.record.offset,
                reason=refusal.reason,
            )
        if rejected and self._count.exceeds(self._policy):
            raise DeadLetterLimit(
                f"{len(rejected)} of {records} records refused: too many, nothing was moved"
            )

    def _tell(self, finished: Sequence[Record], rejected: Sequence[Rejected]) -> None:
        if self._meters is not None:
            self._meters.dead(refusal.record.partition.topic for refusal in rejected)
        if self._on_batch and finished:
            dead = len(rejected)
            oldest = min(record.at for record in finished)
            self._on_batch(BatchStats(handled=len(finished) - dead, dead=dead, oldest=oldest))

    async def _halt(self, fates: Fates) -> None:
        """Stop partitions before an unknown event, so that nothing behind it is skipped."""
        for partition, halt in fates.halts.items():
            self._halts[partition] = halt
            _log.warning(
                "bus.partition_halted",
                topic=partition.topic,
                partition=partition.number,
                offset=halt.offset,
                until=halt.until.isoformat(),
            )
        self._consumer.pause(list(fates.halts))
        await self._consumer.rewind({p: halt.offset for p, halt in fates.halts.items()})

    def _end_halts(self) -> None:
        """Let a partition go on when its grace is over; its record is then refused."""
        now = self._clock()
        over = [partition for partition, halt in self._halts.items() if halt.until <= now]
        for partition in over:
            del self._halts[partition]
        self._consumer.resume(over)

    async def _retrying(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat a step until its dependency is back. Raises `_Stopped` when told to stop."""
        tries = 0
        while True:
            try:
                result = await step()
            except DependencyAway as error:
                if self.waiting_for is None:
                    _log.warning("bus.waiting", reason=str(error))
                self.waiting_for = str(error)
            else:
                if self.waiting_for is not None:
                    _log.info("bus.going_on", waited_for=self.waiting_for)
                self.waiting_for = None
                return result
            await self._back_off(tries)
            tries += 1
            await self._keep_membership()

    async def _back_off(self, tries: int) -> None:
        """Wait with jitter, so that replicas do not come back all at once."""
        delay = min(_SLOWEST_RETRY, _FIRST_RETRY * 2 ** min(tries, 10))
        await pause(self._stopping, delay * random.uniform(0.5, 1))  # noqa: S311
        if self._stopping.is_set():
            raise _Stopped

    async def _alive(self, work: Awaitable[_T]) -> _T:
        """Await the handler; while it takes long, polls keep the membership."""
        task = asyncio.ensure_future(work)
        deadline = task.get_loop().time() + _LONGEST_BATCH
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_HEARTBEAT)
                if not task.done() and task.get_loop().time() < deadline:
                    await self._keep_membership()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _keep_membership(self) -> None:
        """Poll without taking anything, so that our partitions stay ours."""
        self.moved_at = self._clock()
        held = list(self._consumer.assigned())
        self._consumer.pause(held)
        try:
            # A partition assigned by this very poll was not paused: its records must come again.
            strays = await self._consumer.poll(1)
            await self._consumer.rewind(first_offsets(strays))
        except DependencyAway as error:
            _log.debug("bus.poll_failed", reason=str(error))
        finally:
            self._consumer.resume([p for p in held if p not in self._halts])
