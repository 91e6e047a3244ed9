"""Reading a topic of Kafka outside of any group: from its oldest record to its end as it is now.

In: how the broker is reached, a topic of one partition. Out: its records in their order. Nothing is
committed, so it may be read as often as one likes.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.port import Partition, Record
from shared.errors import DependencyAway

_WAIT_MS: Final = 1000
#: A broker that gives no record for so long, though there are some, is away.
_DEADLINE: Final = 10.0


async def read(connection: KafkaConnection, topic: str, name: str) -> AsyncGenerator[Record, None]:
    """Give each record of `topic`, which the broker knows as `name`. Raises `DependencyAway`."""
    reader = AIOKafkaConsumer(
        **connection.options(), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    place, partition = TopicPartition(name, 0), Partition(topic, 0)
    try:
        end = await _begun(reader, place)
        while await _position(reader, place) < end:
            for raw in await _some(reader, place):
                if raw.offset < end:
                    yield record_of(partition, raw)
    finally:
        await reader.stop()


def record_of(partition: Partition, raw: Any) -> Record:
    """Take what aiokafka gives as a record of the port."""
    return Record(
        partition=partition,
        offset=raw.offset,
        key=(raw.key or b"").decode(errors="replace"),
        value=raw.value or b"",
        at=datetime.fromtimestamp(raw.timestamp / 1000, UTC),
        headers=tuple((name, bytes(value)) for name, value in raw.headers),
    )


async def _begun(reader: AIOKafkaConsumer, place: TopicPartition) -> int:
    """Begin at the oldest record; returns where the records end."""
    try:
        async with asyncio.timeout(_DEADLINE):
            await reader.start()
            reader.assign([place])
            oldest = await reader.beginning_offsets([place])
            ends = await reader.end_offsets([place])
    except (KafkaError, TimeoutError) as error:
        raise DependencyAway(f"Kafka: {type(error).__name__}") from None
    reader.seek(place, oldest[place])
    return int(ends[place])


async def _position(reader: AIOKafkaConsumer, place: TopicPartition) -> int:
    try:
        async with asyncio.timeout(_DEADLINE):
            return int(await reader.position(place))
    except (KafkaError, TimeoutError) as error:
        raise DependencyAway(f"Kafka: {type(error).__name__}") from None


async def _some(reader: AIOKafkaConsumer, place: TopicPartition) -> list[Any]:
    """Wait for further records. Raises `DependencyAway` when none come."""
    try:
        async with asyncio.timeout(_DEADLINE):
            while not (found := await reader.getmany(place, timeout_ms=_WAIT_MS)):
                pass
    except (KafkaError, TimeoutError) as error:
        raise DependencyAway(f"Kafka: {type(error).__name__}") from None
    return [raw for records in found.values() for raw in records]
