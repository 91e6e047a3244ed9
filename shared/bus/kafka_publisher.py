"""Publishing to Kafka: an idempotent producer, and what keeps it from hanging or staying broken.

aiokafka waits for ever for a broker that is away, and one refused record breaks every later send
to its partition. So each publish has a deadline, and a producer that reported an error is replaced.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from shared.bus.kafka_batches import Batch, Batches
from shared.bus.kafka_connection import KafkaConnection
from shared.bus.port import Message
from shared.bus.topics import Topic, refuse_too_large
from shared.deadlines import Deadlines
from shared.errors import BusAway, RecordTooLarge

_log = structlog.get_logger(__name__)

_DEADLINE: Final = 5.0
_BATCH_BYTES: Final = 128 << 10
#: How long a stopping producer may flush, and then to fall down; together below the port's 5 s.
_FLUSH: Final = 3.0
_FALL: Final = 1.0


class KafkaPublisher:
    """See `shared.bus.port.Publisher`. Connects at the first publish: a start needs no broker."""

    def __init__(self, connection: KafkaConnection, *, prefix: str, topics: Sequence[Topic]):
        self._connection = connection
        self._prefix = prefix
        self._topics = {topic.name: topic for topic in topics}
        self._largest = max(topic.max_message_bytes for topic in topics)
        self._batches: Batches | None = None
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
        batches: Batches | None = None
        waiters: dict[Batch, asyncio.Future[None]] = {}
        errors: list[KafkaError] = []
        acknowledged = False
        try:
            with self._deadlines.start():
                batches = self._batches or await self._connected()
                await self._add(batches, batch, waiters)
                for waiter in waiters.values():
                    try:
                        await waiter
                    except KafkaError as error:
                        errors.append(error)
            acknowledged = not errors
        except TimeoutError:
            raise BusAway("Kafka did not acknowledge in time") from None
        except KafkaError as error:
            self._discard(batches)
            raise BusAway(f"Kafka: {type(error).__name__}") from None
        finally:
            if not acknowledged:
                _give_up(batches, waiters.values())
        if errors:
            self._discard(batches)
            self._judge(batch, errors[0])

    async def close(self) -> None:
        """Flush what can be flushed; takes at most 4 s."""
        self._closed = True
        self._discard(self._batches)
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def _add(
        self,
        batches: Batches,
        messages: Sequence[Message],
        waiters: "dict[Batch, asyncio.Future[None]]",
    ) -> None:
        """Put the records into batches; each that got some gets a waiter."""
        for message in messages:
            topic = self._prefix + message.topic
            if not batches.knows(topic):
                await batches.learn(topic)
            used = batches.add(topic, message.key.encode(), message.value, message.headers)
            if used not in waiters:
                # At once: while another topic is learnt, this batch may come to its end.
                waiters[used] = used.waiter()

    def _judge(self, batch: Sequence[Message], refused: KafkaError) -> None:
        largest = max(len(message.value) for message in batch)
        if isinstance(refused, MessageSizeTooLargeError) and largest > _BATCH_BYTES:
            # Larger than a batch: it travelled alone, so the refusal is its own.
            raise RecordTooLarge("the broker refused a record for its size")
        raise BusAway(f"Kafka: {type(refused).__name__}")

    async def _connected(self) -> Batches:
        if self._batches is not None:
            return self._batches
        async with self._connecting:
            if self._batches is None:
                producer = AIOKafkaProducer(
                    **self._connection.options(),
                    enable_idempotence=True,  # and acks=all
                    linger_ms=0,  # what is handed over has waited for company already
                    max_batch_size=_BATCH_BYTES,
                    # Ours is the size check; this one only must not be narrower.
                    max_request_size=2 * self._largest,
                    request_timeout_ms=10_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.client.close()
                    # Its clean-up would wait for a sender that never started.
                    producer._closed = True
                    raise
                self._batches = Batches(producer)
            return self._batches

    def _discard(self, batches: Batches | None) -> None:
        """Stop a producer in the background; the next publish makes another."""
        if batches is None or self._batches is not batches:
            return
        self._batches = None
        task = asyncio.create_task(_stop(batches), name="bus-producer-stop")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


def _give_up(batches: Batches | None, waiters: "Iterable[asyncio.Future[None]]") -> None:
    """Ask no more for what is not acknowledged; what has left already may still arrive."""
    gave_up = False
    for waiter in waiters:
        # A waiter is cancelled together with the task that waits for it.
        if waiter.cancel() or waiter.cancelled():
            gave_up = True
        else:
            waiter.exception()  # looked at, also where an earlier one was raised
    if gave_up and batches is not None:
        batches.drop_abandoned()


async def _stop(batches: Batches) -> None:
    """Stop within the deadline; `producer.stop` alone hangs while the broker is away."""
    producer = batches.producer
    stop = asyncio.create_task(_flush(batches))
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


async def _flush(batches: Batches) -> None:
    await batches.hand_over()
    await batches.producer.stop()
