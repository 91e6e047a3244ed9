"""Dead letters: how they are written, replayed and capped. Pure.

A dead letter keeps the bytes and where they came from, so that it can be replayed after a fix. Too
many of them in a while mean that we are wrong, not the records: then the consumer must stop and
leave the topic as it is.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from shared.bus.port import Message, Partition, Record
from shared.bus.topics import dead_topic
from shared.errors import Unprocessable
from shared.times import iso

_LONGEST_REASON = 500


class DeadLetterLimit(Exception):
    """More records were refused than the policy bears: a person must look before more are moved."""


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """How many records may be dead-lettered within `window`: `at_least`, or `share` if more."""

    at_least: int = 20
    share: float = 0.10
    window: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Minute:
    """Counts of one minute: coarse enough to stay small whatever the traffic."""

    start: datetime
    records: int
    dead: int


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """What was consumed and refused lately. `add` makes the next state."""

    minutes: tuple[_Minute, ...] = ()

    def add(
        self, policy: DeadLetterPolicy, now: datetime, *, records: int, dead: int
    ) -> "DeadLetterCount":
        """Count one batch; what is older than the window is forgotten."""
        start = now.replace(second=0, microsecond=0)
        kept = [m for m in self.minutes if m.start > now - policy.window]
        if kept and kept[-1].start == start:
            last = kept.pop()
            records, dead = records + last.records, dead + last.dead
        return DeadLetterCount((*kept, _Minute(start, records, dead)))

    def exceeds(self, policy: DeadLetterPolicy) -> bool:
        """Tell whether more was refused than the policy bears."""
        records = sum(minute.records for minute in self.minutes)
        dead = sum(minute.dead for minute in self.minutes)
        return dead > max(policy.at_least, policy.share * records)


def dead_letter(record: Record, reason: str, now: datetime) -> Message:
    """Wrap a record for its dead topic; `reason` must hold nothing personal."""
    origin = record.partition
    value = {
        "topic": origin.topic,
        "partition": origin.number,
        "offset": record.offset,
        "key": record.key,
        "reason": reason[:_LONGEST_REASON],
        "at": iso(record.at),
        "dead_at": iso(now),
        "headers": [[name, _text(content)] for name, content in record.headers],
        "value": _text(record.value),
    }
    return Message(dead_topic(origin.topic), record.key, orjson.dumps(value))


def replay(dead: bytes) -> Message:
    """Read a dead letter back into the message it was. Raises `Unprocessable` if it is none."""
    return opened(dead).message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter, read: the message it was, where that came from, and why it was refused."""

    message: Message
    origin: Partition
    offset: int
    reason: str
    at: datetime
    dead_at: datetime


def opened(dead: bytes) -> DeadLetter:
    """Read a dead letter. Raises `Unprocessable` if it is none."""
    try:
        letter = orjson.loads(dead)
        message = Message(
            topic=str(letter["topic"]),
            key=str(letter["key"]),
            value=base64.b64decode(letter["value"], validate=True),
            headers=tuple(
                (str(name), base64.b64decode(content, validate=True))
                for name, content in letter["headers"]
            ),
        )
        return DeadLetter(
            message,
            Partition(message.topic, int(letter["partition"])),
            int(letter["offset"]),
            str(letter["reason"]),
            datetime.fromisoformat(letter["at"]),
            datetime.fromisoformat(letter["dead_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unprocessable(f"not a dead letter: {type(error).__name__}") from None


def told_again(topic: str, offsets: Iterable[int], now: datetime) -> Message:
    """Write down, behind the letters themselves, that these were told again.

    So the mark lives as long as they do, on either bus, and is lost only with them.
    """
    value = {"told_again": sorted(offsets), "at": iso(now)}
    return Message(dead_topic(topic), "told_again", orjson.dumps(value))


def marked(record: bytes) -> frozenset[int]:
    """Read which letters a record marks as told again; none if it is no mark."""
    try:
        content = orjson.loads(record)
    except ValueError:
        return frozenset()
    listed = content.get("told_again") if isinstance(content, dict) else None
    return frozenset(listed) if isinstance(listed, list) else frozenset()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
