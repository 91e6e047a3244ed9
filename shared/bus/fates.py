"""What becomes of each record of a batch before the handler sees it. Pure.

In: records in order per partition, what unknown events were seen before, the time. Out: events to
handle, records refused for good, those that are none of this consumer's business, and partitions
that stop before an event which this release cannot read: a newer release may be rolling out, and it
will.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from shared.bus.port import Partition, Record
from shared.errors import Unprocessable
from shared.events.envelope import Event, UnknownEvent, decode

#: More kinds at once are no roll-out; the oldest sighting is forgotten first.
_MOST_KINDS = 100

#: Kind (type and major version) → when this consumer saw it first.
Sightings = Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Received:
    """A record and the event it carries."""

    record: Record
    event: Event


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can never be handled, and why (nothing personal: it is stored and logged)."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """A partition stops at `offset`, whose event is unknown, until a time at the latest."""

    offset: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Fates:
    """A batch, split."""

    received: tuple[Received, ...]
    rejected: tuple[Rejected, ...]
    halts: Mapping[Partition, Halt] = field(default_factory=dict)
    sightings: Sightings = field(default_factory=dict)
    passed: tuple[Record, ...] = ()


def split(
    records: Sequence[Record],
    sightings: Sightings,
    now: datetime,
    grace: timedelta,
    wanted: Callable[[bytes], bool] | None = None,
) -> Fates:
    """Decide each record's fate. Records behind a halt in their partition are in none of the parts.

    `wanted` looks at a record's bytes before they are decoded; what it says no to is passed over.
    The grace counts from the first sight of the *kind*, so a thousand records of one unknown kind
    cost one grace, not a thousand.
    """
    seen = dict(sightings)
    received: list[Received] = []
    rejected: list[Rejected] = []
    halts: dict[Partition, Halt] = {}
    passed: list[Record] = []
    for record in records:
        if record.partition in halts:
            continue
        if wanted is not None and not wanted(record.value):
            passed.append(record)
            continue
        try:
            received.append(Received(record, decode(record.value)))
        except UnknownEvent as error:
            until = seen.setdefault(_kind(record.value), now) + grace
            if now < until:
                halts[record.partition] = Halt(record.offset, until)
            else:
                rejected.append(Rejected(record, str(error)))
        except Unprocessable as error:
            rejected.append(Rejected(record, str(error)))
    newest = sorted(seen.items(), key=lambda item: item[1])[-_MOST_KINDS:]
    return Fates(tuple(received), tuple(rejected), halts, dict(newest), tuple(passed))


def next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """Tell what to commit once all these records are done with: one past the last, each."""
    offsets: dict[Partition, int] = {}
    for record in records:
        offsets[record.partition] = max(record.offset + 1, offsets.get(record.partition, 0))
    return offsets


def first_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """Tell where to rewind to so that all these records come again."""
    offsets: dict[Partition, int] = {}
    for record in records:
        offsets[record.partition] = min(record.offset, offsets.get(record.partition, record.offset))
    return offsets


def _kind(raw: bytes) -> str:
    """Name an unknown event's kind; `decode` has read these two fields already."""
    envelope = orjson.loads(raw)
    major = str(envelope["dataversion"]).split(".")[0]
    return f"{envelope['type']} {major}"
