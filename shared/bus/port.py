"""What a service may ask of a bus, as values and small protocols."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A record to publish. `key` spreads load and must hold nothing personal (a route or an id)."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One ordered part of a topic; the PostgreSQL log has only number 0."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as consumed. `offset` is its place in its partition, `at` when it was appended."""

    partition: Partition
    offset: int
    key: str
    value: bytes
    at: datetime
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group is on one assigned partition.

    `waiting_since` is when the oldest uncommitted record was appended; None: nothing waits.
    `partitions` is how many the topic has.
    """

    partition: Partition
    partitions: int
    waiting_since: datetime | None


class Publisher(Protocol):
    """Puts records on durable storage."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once every record is durable (acks=all, or committed).

        Raises `RecordTooLarge` before anything is sent when one record exceeds the limit, and
        `BusAway` within the publisher's deadline (5 s) when the bus does not acknowledge.
        """


class Consumer(Protocol):
    """One member of a group over some topics. Not safe for concurrent calls, save `progress`."""

    async def poll(self, max_records: int) -> Sequence[Record]:
        """Return the next records in order per partition, or nothing after a short wait (≤ 200 ms).

        Must be called steadily, also while partitions are paused: it keeps the membership alive.
        Raises `DependencyAway`.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store the next offset to read per partition.

        A partition lost meanwhile (rebalance, lease taken over) is skipped silently: its records
        come again elsewhere, which handlers must bear. Raises `DependencyAway`.
        """

    async def rewind(self, offsets: Mapping[Partition, int]) -> None:
        """Make `poll` return records from these offsets again (for partitions still ours)."""

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Return nothing from these partitions until `resume`."""

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Undo `pause`."""

    def assigned(self) -> Mapping[Partition, int]:
        """Tell which partitions are ours now, each with the epoch of its assignment.

        Once the epoch differs (or the partition is gone), records polled before are another
        member's business, or come again.
        """

    async def progress(self) -> Sequence[Progress]:
        """Tell, for each partition assigned to this member, how far the group is."""

    async def leave(self) -> None:
        """Give the place in the group up, so that others go on at once; within the bus's 5 s.

        Nothing is read any more. What was not committed comes again elsewhere.
        """


class Bus(Protocol):
    """A connected bus; `close` leaves the groups and flushes under a deadline."""

    publisher: Publisher

    async def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join `group` on `topics`; a new group starts at the oldest record."""

    def read(self, topic: str) -> AsyncGenerator[Record, None]:
        """Give the records of a topic of one partition, oldest first, up to its end as it is now.

        Outside of any group: nothing is committed. Raises `DependencyAway`.
        """

    async def check(self) -> None:
        """Compare topics with their declaration; raises `ConfigError` naming each difference."""

    async def close(self) -> None:
        """Leave all groups, stop the publisher; never takes more than 5 s."""
