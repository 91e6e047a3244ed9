"""Reading the PostgreSQL log: one active consumer per (topic, group), a stand-by takes over.

The holder has a lease row, by the database's clock (the one clock that all members share). Each
change of holder raises the epoch; commits are conditional on it, so a member that lost its lease
moves nothing. Records are read without locks: offsets are gapless and in commit order, so whatever
is visible from a position on is complete.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.port import Partition, Progress, Record
from shared.bus.postgres_publisher import unpack_headers
from shared.database import away_as_dependency

#: How long a poll waits for a record that another process appends.
_POLL: Final = 0.2
#: A dead holder's work is taken over after this.
LEASE: Final = timedelta(seconds=10)

_JOIN: Final = text("""
    INSERT INTO groups (topic, name) SELECT unnest(CAST(:topics AS text[])), :name
    ON CONFLICT DO NOTHING
""")
_ACQUIRE: Final = text("""
    UPDATE groups SET epoch = epoch + 1, member = :member, lease_until = clock_timestamp() + :lease
    WHERE name = :name AND topic = ANY (CAST(:topics AS text[]))
          AND lease_until <= clock_timestamp()
    RETURNING topic, epoch, next_offset
""")
_RENEW: Final = text("""
    UPDATE groups SET lease_until = clock_timestamp() + :lease
    FROM unnest(CAST(:topics AS text[]), CAST(:epochs AS bigint[])) AS held (topic, epoch)
    WHERE groups.name = :name AND groups.topic = held.topic AND groups.epoch = held.epoch
    RETURNING groups.topic
""")
_RELEASE: Final = text("""
    UPDATE groups SET lease_until = '-infinity', member = NULL
    FROM unnest(CAST(:topics AS text[]), CAST(:epochs AS bigint[])) AS held (topic, epoch)
    WHERE groups.name = :name AND groups.topic = held.topic AND groups.epoch = held.epoch
""")
_COMMIT: Final = text("""
    UPDATE groups SET next_offset = done.next_offset, lease_until = clock_timestamp() + :lease
    FROM unnest(CAST(:topics AS text[]), CAST(:epochs AS bigint[]), CAST(:offsets AS bigint[]))
         AS done (topic, epoch, next_offset)
    WHERE groups.name = :name AND groups.topic = done.topic AND groups.epoch = done.epoch
    RETURNING groups.topic
""")
_READ: Final = text("""
    SELECT "offset", key, value, headers, at FROM records
    WHERE topic = :topic AND "offset" >= :position ORDER BY "offset" LIMIT :most
""")
_PROGRESS: Final = text("""
    SELECT groups.topic,
           (SELECT at FROM records
            WHERE records.topic = groups.topic AND records."offset" >= groups.next_offset
            ORDER BY "offset" LIMIT 1) AS waiting_since
    FROM groups WHERE name = :name AND topic = ANY (CAST(:topics AS text[]))
""")


@dataclass(slots=True)
class _Held:
    """A topic whose lease is ours, and the next offset to read from it."""

    epoch: int
    position: int


@dataclass(slots=True)
class PostgresConsumer:
    """One member of a group; see `shared.bus.port.Consumer`. `PostgresBus.subscribe` makes it."""

    engine: AsyncEngine
    group: str
    topics: tuple[str, ...]
    member: str
    lease: timedelta = LEASE
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[str, _Held] = field(default_factory=dict)
    _paused: set[str] = field(default_factory=set)
    _renewed: float = 0.0
    _turn: int = 0

    async def join(self) -> None:
        """Make the group's rows; a new group starts at the oldest record."""
        await self._execute(_JOIN, {"name": self.group, "topics": list(self.topics)})

    async def poll(self, max_records: int) -> Sequence[Record]:
        """See the port. The wait ends at once when this process appends."""
        self.wake.clear()  # before reading: an append after this line ends the wait below
        await self._keep_leases()
        records = await self._read(max_records)
        if not records:
            try:
                await asyncio.wait_for(self.wake.wait(), _POLL)
            except TimeoutError:
                return ()
            records = await self._read(max_records)
        return records

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See the port. A commit renews the lease, too."""
        ours = [(p.topic, self._held[p.topic].epoch, o) for p, o in offsets.items() if self._has(p)]
        if not ours:
            return
        topics, epochs, nexts = (list(column) for column in zip(*ours, strict=True))
        result = await self._execute(
            _COMMIT,
            {
                "name": self.group,
                "topics": topics,
                "epochs": epochs,
                "offsets": nexts,
                "lease": self.lease,
            },
        )
        self._lose(set(topics) - set(result.scalars()))

    async def rewind(self, offsets: Mapping[Partition, int]) -> None:
        """See the port."""
        for partition, offset in offsets.items():
            if self._has(partition):
                self._held[partition.topic].position = offset

    def pause(self, partitions: Sequence[Partition]) -> None:
        """See the port."""
        self._paused.update(partition.topic for partition in partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """See the port."""
        self._paused.difference_update(partition.topic for partition in partitions)

    def assigned(self) -> Mapping[Partition, int]:
        """See the port."""
        return {Partition(topic, 0): held.epoch for topic, held in self._held.items()}

    async def progress(self) -> Sequence[Progress]:
        """See the port."""
        held = list(self._held)
        if not held:
            return ()
        result = await self._execute(_PROGRESS, {"name": self.group, "topics": held})
        return [Progress(Partition(row.topic, 0), 1, row.waiting_since) for row in result]

    async def leave(self) -> None:
        """Give the leases back, so that a stand-by need not wait for them to lapse."""
        held, self._held = self._held, {}
        if held:
            await self._execute(_RELEASE, {"name": self.group, **_epochs(held)})

    def _has(self, partition: Partition) -> bool:
        return partition.number == 0 and partition.topic in self._held

    def _lose(self, topics: set[str]) -> None:
        for topic in topics:
            self._held.pop(topic, None)

    async def _keep_leases(self) -> None:
        """Renew what is held at a quarter of its life, and try for what is not held."""
        now = time.monotonic()
        if self._held and now - self._renewed > self.lease.total_seconds() / 4:
            known = {"name": self.group, "lease": self.lease, **_epochs(self._held)}
            result = await self._execute(_RENEW, known)
            self._lose(set(self._held) - set(result.scalars()))
            self._renewed = now
        if wanted := [topic for topic in self.topics if topic not in self._held]:
            result = await self._execute(
                _ACQUIRE,
                {
                    "name": self.group,
                    "topics": wanted,
                    "member": self.member,
                    "lease": self.lease,
                },
            )
            for row in result:
                self._held[row.topic] = _Held(row.epoch, row.next_offset)

    async def _read(self, most: int) -> list[Record]:
        """Read in turns: a busy topic does not starve its neighbour."""
        self._turn += 1
        records: list[Record] = []
        for place in range(len(self.topics)):
            topic = self.topics[(place + self._turn) % len(self.topics)]
            held = self._held.get(topic)
            if held is None or topic in self._paused or len(records) >= most:
                continue
            rows = await self._execute(
                _READ,
                {"topic": topic, "position": held.position, "most": most - len(records)},
            )
            records += [
                Record(
                    Partition(topic, 0),
                    row.offset,
                    row.key,
                    row.value,
                    row.at,
                    unpack_headers(row.headers),
                )
                for row in rows
            ]
            if records and records[-1].partition.topic == topic:
                held.position = records[-1].offset + 1
        return records

    async def _execute(self, query: TextClause, known: Mapping[str, Any]) -> CursorResult[Any]:
        with away_as_dependency():
            async with self.engine.connect() as connection:
                return await connection.execute(query, known)


def _epochs(held: Mapping[str, _Held]) -> dict[str, list[Any]]:
    return {"topics": list(held), "epochs": [h.epoch for h in held.values()]}
