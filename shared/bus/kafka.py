"""The bus for production: Apache Kafka through aiokafka, behind the port.

`topic_prefix` stands before every topic and group name on the broker, for a cluster shared with
others; the product itself never sees it. Records may come twice, never not at all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime, timedelta

from shared.bus import kafka_reader, kafka_topics
from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_consumer import KafkaConsumer
from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.kafka_security import OPEN, Security
from shared.bus.port import Publisher, Record
from shared.bus.topics import declared
from shared.times import utc_now


class KafkaBus:
    """Kafka; see `shared.bus.port.Bus`.

    `client_id` names this process in the broker's logs. `session`: a member that died is replaced
    after it. `poll_interval`: so is one that lives, but does not poll. `replication` counts only
    where topics are created; `security` says how to sign in, and what to know the broker by.
    """

    publisher: Publisher

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str,
        topic_prefix: str = "",
        partitions: int = 12,
        replication: int = 1,
        session: timedelta = timedelta(seconds=10),
        poll_interval: timedelta = timedelta(minutes=2),
        clock: Callable[[], datetime] = utc_now,
        security: Security = OPEN,
    ) -> None:
        self._connection = KafkaConnection(bootstrap_servers, client_id, security)
        self._prefix = topic_prefix
        self._topics = declared(partitions)
        self._replication = replication
        self._session = session
        self._poll_interval = poll_interval
        self._clock = clock
        self._consumers: list[KafkaConsumer] = []
        self._publisher = KafkaPublisher(self._connection, prefix=topic_prefix, topics=self._topics)
        self.publisher = self._publisher

    async def start(self) -> None:
        """Connect nowhere yet: with the broker away, `publish` and `subscribe` say so."""

    async def subscribe(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        """See the port. Raises `DependencyAway` when the broker does not answer."""
        consumer = KafkaConsumer(
            self._connection,
            group=group,
            topics=topics,
            prefix=self._prefix,
            session=self._session,
            poll_interval=self._poll_interval,
            clock=self._clock,
        )
        await consumer.join()
        self._consumers.append(consumer)
        return consumer

    def read(self, topic: str) -> AsyncGenerator[Record, None]:
        """See the port."""
        return kafka_reader.read(self._connection, topic, self._prefix + topic)

    async def check(self) -> None:
        """See the port. Raises `DependencyAway`, too."""
        await kafka_topics.compare(self._connection, self._prefix, self._topics)

    async def create_topics(self) -> Sequence[str]:
        """Create the declared topics that are missing; returns their names. Safe to repeat."""
        return await kafka_topics.create_missing(
            self._connection, self._prefix, self._topics, self._replication
        )

    async def close(self) -> None:
        """See the port."""
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(self._publisher.close(), *(consumer.leave() for consumer in consumers))
