"""The topics that must exist, and what is promised about them.

Retention is short and nothing is compacted: history lives in tables, so nobody lives here.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.bus.port import Message
from shared.errors import RecordTooLarge
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES

_DEAD: Final = ".dead"
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Topic:
    """One declared topic. `partitions` counts on Kafka only; the PostgreSQL log has one."""

    name: str
    partitions: int
    max_message_bytes: int
    #: Erasure rests on it: after at most 7 days (plus one segment) no record of anyone is left.
    retention: timedelta = timedelta(days=7)
    #: A closed segment is the unit of deletion: a day at most lies on top of `retention`.
    segment: timedelta = timedelta(days=1)
    cleanup: str = "delete"


def dead_topic(topic: str) -> str:
    """Name where records of `topic` go that can never be handled."""
    return topic + _DEAD


def declared(partitions: int = 12) -> tuple[Topic, ...]:
    """Declare every topic; `partitions` is how far the work of one service can be spread.

    Dead letters are few: one partition keeps them in order for the person who reads them. They
    carry the original bytes as base64 (4/3 of the size) beside a reason, so they may be larger.
    """
    live = [Topic(name, partitions, _MIB) for name in (FEEDBACK, DECISIONS, OUTCOMES)]
    dead = [Topic(dead_topic(topic.name), 1, 2 * _MIB) for topic in live]
    return (*live, *dead)


def max_record_bytes(topic: Topic) -> int:
    """Tell how large key, value and headers of one record may be together, in bytes.

    Kafka's limit counts the batch around the record too: 61 bytes of header and a few per field.
    1 KiB is room enough for both.
    """
    return topic.max_message_bytes - 1024


def refuse_too_large(messages: tuple[Message, ...], topics: dict[str, Topic]) -> None:
    """Raise `RecordTooLarge` for the first record that its topic would not take.

    Raises KeyError for a topic that is not declared: that is a bug of the caller.
    """
    for message in messages:
        limit = max_record_bytes(topics[message.topic])
        size = len(message.value) + len(message.key.encode())
        if message.headers:
            size += sum(len(name.encode()) + len(value) for name, value in message.headers)
        if size > limit:
            raise RecordTooLarge(f"{message.topic} takes records up to {limit} bytes, not {size}")
