"""Publishing to Kafka: an idempotent producer, and what keeps it from hanging or staying broken.

aiokafka waits for ever for a broker that is away, and one refused record breaks every later send
to its partition. So each publish has a deadline, and a producer that reported an error is replaced.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from zlib import crc32

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from shared.bus.port import Message
from shared.bus.topics import Topic, refuse_too_large
from shared.deadlines import Deadlines
from shared.errors import BusAway, RecordTooLarge

_log = structlog.get_logger(__name__)

_DEADLINE: Final = 5.0
#: Measured with 512 waiters: 50 000 records/s; a lone waiter pays the linger.
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 128 << 10
#: How long a stopping producer may flush, and then to fall down; together below the port's 5 s.
_FLUSH: Final = 3.0
_FALL: Final = 1.0


class KafkaPublisher:
    """See `shared.bus.port.Publisher`. Connects at the first publish: a start needs no broker."""

    def __init__(self, servers: str, *, client_id: str, prefix: str, topics: Sequence[Topic]):
        self._servers = servers
        self._client_id = client_id
        self._prefix = prefix
        self._topics = {topic.name: topic for topic in topics}
        self._largest = max(topic.max_message_bytes for topic in topics)
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._deadlines = Deadlines(_DEADLINE)
        self._stopping: set[asyncio.Task[None]] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        """See the port."""
        batch = tuple(messages)
        refuse_too_large(batch, self._topics)
        if not batch:
            return
        if self._closed:
            raise BusAway("the bus is closed")
        producer: AIOKafkaProducer | None = None
        sent: list[asyncio.Future[Any]] = []
        errors: list[KafkaError] = []
        try:
            with self._deadlines.start():
                producer = await self._connected()
                for message in batch:
                    sent.append(await self._send(producer, message))
                for future in sent:
                    try:
                        await future
                    except KafkaError as error:
                        errors.append(error)
        except TimeoutError:
            raise BusAway("Kafka did not acknowledge in time") from None
        except KafkaError as error:
            self._discard(producer)
            raise BusAway(f"Kafka: {type(error).__name__}") from None
        finally:
            for future in sent:
                # Whoever gave up does not ask for the outcome any more; the record may still go.
                if future.done():
                    _outcome(future)
                else:
                    future.add_done_callback(_outcome)
        if errors:
            self._discard(producer)
            self._judge(batch, errors[0])

    async def close(self) -> None:
        """Flush what can be flushed; takes at most 4 s."""
        self._closed = True
        self._discard(self._producer)
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _send(self, producer: AIOKafkaProducer, message: Message) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = await producer.send(
            self._prefix + message.topic,
            key=message.key.encode(),
            value=message.value,
            headers=list(message.headers),
        )
        return future

    def _judge(self, batch: Sequence[Message], refused: KafkaError) -> None:
        largest = max(len(message.value) for message in batch)
        if isinstance(refused, MessageSizeTooLargeError) and largest > _BATCH_BYTES:
            # Larger than a batch: it travelled alone, so the refusal is its own.
            raise RecordTooLarge("the broker refused a record for its size")
        raise BusAway(f"Kafka: {type(refused).__name__}")

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers,
                    client_id=self._client_id,
                    enable_idempotence=True,  # and acks=all
                    linger_ms=_LINGER_MS,
                    max_batch_size=_BATCH_BYTES,
                    # Ours is the size check; this one only must not be narrower.
                    max_request_size=2 * self._largest,
                    request_timeout_ms=10_000,
                    partitioner=_partition,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.client.close()
                    # Its clean-up would wait for a sender that never started.
                    producer._closed = True
                    raise
                self._producer = producer
            return self._producer

    def _discard(self, producer: AIOKafkaProducer | None) -> None:
        """Stop a producer in the background; the next publish makes another."""
        if producer is None or self._producer is not producer:
            return
        self._producer = None
        task = asyncio.create_task(_stop(producer), name="bus-producer-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


def _partition(key: bytes, every: Sequence[int], _available: Sequence[int]) -> int:
    """Spread by CRC-32: aiokafka's murmur2 is Python, and costs 8 µs for each of our keys.

    Another client may spread otherwise: order never decides what is right, a key is no promise.
    """
    return every[crc32(key) % len(every)]


def _outcome(done: "asyncio.Future[Any]") -> BaseException | None:
    return None if done.cancelled() else done.exception()


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop within the deadline; `producer.stop` alone hangs while the broker is away."""
    stop = asyncio.create_task(producer.stop())
    done, _ = await asyncio.wait({stop}, timeout=_FLUSH)
    if not done:
        _log.warning("bus.producer_stopped_unflushed")
        # Failing what is queued lets `stop` come to its end.
        producer._message_accumulator.fail_all(KafkaConnectionError("closed"))
        done, _ = await asyncio.wait({stop}, timeout=_FALL)
    if not done:
        stop.cancel()
        await producer.client.close()
    with suppress(asyncio.CancelledError, KafkaError):
        await stop
