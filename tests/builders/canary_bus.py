"""The bus that a canary person is told of on: what it holds of her, and time that passes over it.

Either the log in PostgreSQL or Apache Kafka with topics of this test's own.
"""

import base64
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from shared.bus.kafka import KafkaBus
from shared.bus.port import Message
from shared.bus.postgres import PostgresBus
from shared.bus.topics import dead_topic, declared
from shared.database import connect
from shared.events.envelope import FEEDBACK
from shared.times import utc_now
from tests.builders.postgres import read_sql
from tests.builders.scanning import found

#: What a dead letter holds of a record is base64 in JSON.
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_DEAD = dead_topic(FEEDBACK)


class CanaryBus(Protocol):
    """What the journey needs of either bus.

    `environ` is what processes are told of it; `spools`: whether what is in the spool is told.
    """

    environ: Mapping[str, str]
    spools: bool

    async def prepare(self) -> None:
        """Make what an operator makes before the first start."""

    async def publish(self, message: Message) -> None:
        """Put a record on it as it is."""

    async def left(self, words: Sequence[str]) -> set[str]:
        """Name where on it a word of hers is found, dead letters among it."""

    async def dead(self) -> bool:
        """Tell whether it holds dead letters of `nps.feedback`."""

    async def forget(self) -> None:
        """Let the days pass that records are kept for."""


class LogBus:
    """The log in PostgreSQL; `now` may be moved."""

    spools = False

    def __init__(self, database: str) -> None:
        self.environ: Mapping[str, str] = {}
        self._database = database

    async def prepare(self) -> None:
        """Nothing: its tables are there."""

    async def publish(self, message: Message) -> None:
        """Put a record on it as a member of its own."""
        async with self._log() as log:
            await log.start()
            await log.publisher.publish([message])

    async def left(self, words: Sequence[str]) -> set[str]:
        """Search every column of every table of it."""
        return set(await found(self._database, ["bus"], words))

    async def dead(self) -> bool:
        """Look into its table."""
        rows = f"SELECT count(*) > 0 FROM bus.records WHERE topic = '{_DEAD}'"
        return await read_sql(self._database, rows) == [(True,)]

    async def forget(self) -> None:
        """Prune by a clock that has gone on."""
        async with self._log(max(one.retention + one.segment for one in declared())) as log:
            await log.prune()

    @asynccontextmanager
    async def _log(self, ahead: timedelta = timedelta()) -> AsyncIterator[PostgresBus]:
        engine = connect(self._database, "bus", connections=2)
        log = PostgresBus(engine, member="canary", clock=lambda: utc_now() + ahead)
        try:
            yield log
        finally:
            await log.close()
            await engine.dispose()


class Kafka:
    """Topics of this test alone on the run's broker, one partition each, so that all is in order.

    Its retention is looked at by the broker every few minutes, so its records are deleted as that
    does it: up to an offset, through the admin's client.
    """

    spools = True

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._prefix = f"canary-{uuid.uuid4().hex[:8]}."
        self.environ: Mapping[str, str] = {
            "NPS_BUS": "kafka",
            "NPS_KAFKA_BOOTSTRAP_SERVERS": servers,
            "NPS_KAFKA_TOPIC_PREFIX": self._prefix,
            "NPS_KAFKA_PARTITIONS": "1",
        }

    async def prepare(self) -> None:
        """Create the topics."""
        async with self._bus() as bus:
            await bus.create_topics()

    async def publish(self, message: Message) -> None:
        """Put a record on it as another process would."""
        async with self._bus() as bus:
            await bus.publisher.publish([message])

    async def left(self, words: Sequence[str]) -> set[str]:
        """Read every record of every topic: its key, its headers, and what a dead letter holds."""
        return {
            topic
            for topic, records in (await self._records()).items()
            if any(word.encode() in record for word in words for record in records)
        }

    async def dead(self) -> bool:
        """Read the topic."""
        return bool((await self._records())[self._prefix + _DEAD])

    async def forget(self) -> None:
        """Delete what is there now, for it is older than the retention by then."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        try:
            async with self._reader() as (reader, places):
                ends = await reader.end_offsets(places)
            await admin.delete_records(
                {place: RecordsToDelete(before_offset=end) for place, end in ends.items() if end}
            )
        finally:
            await admin.close()

    async def _records(self) -> dict[str, list[bytes]]:
        records: dict[str, list[bytes]] = {}
        async with self._reader() as (reader, places):
            first, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
            for place in places:
                records[place.topic] = []
                reader.assign([place])
                reader.seek(place, first[place])
                while await reader.position(place) < ends[place]:
                    for told in (await reader.getmany(place, timeout_ms=200)).get(place, ()):
                        records[place.topic].append(_all_of(told))
        return records

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        places = [TopicPartition(self._prefix + topic.name, 0) for topic in declared(1)]
        await reader.start()
        try:
            yield reader, places
        finally:
            await reader.stop()

    @asynccontextmanager
    async def _bus(self) -> AsyncIterator[KafkaBus]:
        bus = KafkaBus(self._servers, client_id="canary", topic_prefix=self._prefix, partitions=1)
        await bus.start()
        try:
            yield bus
        finally:
            await bus.close()


def _all_of(told: "ConsumerRecord[bytes, bytes]") -> bytes:
    """Put together all bytes of a record in lower case, what is base64 in it read as well."""
    headers = [b"%s=%s" % (name.encode(), value) for name, value in told.headers]
    whole = b"\n".join([told.key or b"", told.value or b"", *headers])
    inside = [base64.b64decode(part + b"==") for part in _BASE64.findall(whole)]
    return b"\n".join([whole, *inside]).lower()
