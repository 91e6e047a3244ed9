"""How records gather before they reach the producer: what travels together, and what is kept."""

import asyncio
from typing import cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.bus.kafka_batches import Batch, Batches
from tests.builders.waiting import eventually

TOPIC = "t"
SMALL = b"x" * 100


class Producer:
    """Takes batches and acknowledges them when told; builds them as aiokafka does."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.sent: list[tuple[int, int, asyncio.Future[None]]] = []
        self.refuse: KafkaError | None = None

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(self.partitions))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1000, 0)

    async def send_batch(
        self, builder: BatchBuilder, _topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        if self.refuse:
            raise self.refuse
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((partition, builder.record_count(), future))
        return future

    async def has_sent(self, count: int) -> None:
        """Wait until so many batches have left."""

        async def check() -> bool:
            return len(self.sent) >= count

        await eventually(check, what=f"{count} batches")


class Gathering:
    """Batches over such a producer."""

    def __init__(self, partitions: int) -> None:
        self.producer = Producer(partitions)
        self.batches = Batches(cast("AIOKafkaProducer", self.producer))

    def add(self, key: bytes = b"k", value: bytes = SMALL) -> Batch:
        return self.batches.add(TOPIC, key, value, ())


async def _gathering(partitions: int = 1) -> Gathering:
    made = Gathering(partitions)
    await made.batches.learn(TOPIC)
    return made


@pytest.fixture
async def one() -> Gathering:
    """A topic of one partition."""
    return await _gathering()


async def test_what_comes_together_travels_together(one: Gathering) -> None:
    """Everybody hears of the one acknowledgement."""
    waiters = [one.add().waiter() for _ in range(5)]
    await one.producer.has_sent(1)

    (_, count, acknowledge) = one.producer.sent[0]
    assert count == 5
    acknowledge.set_result(None)
    assert await asyncio.gather(*waiters) == [None] * 5


async def test_a_partition_has_one_batch_under_way(one: Gathering) -> None:
    """What comes meanwhile gathers, and leaves at once when the first has ended."""
    first = one.add().waiter()
    await one.producer.has_sent(1)
    meanwhile = [one.add().waiter() for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(one.producer.sent) == 1

    one.producer.sent[0][2].set_result(None)
    await first
    await one.producer.has_sent(2)
    assert one.producer.sent[1][1] == 3
    one.producer.sent[1][2].set_result(None)
    await asyncio.gather(*meanwhile)


async def test_a_full_batch_is_followed_by_another(one: Gathering) -> None:
    """In the order in which the records came; one larger than a batch travels alone."""
    batches = [one.add(value=value) for value in (SMALL * 5, SMALL * 5, SMALL * 50, SMALL)]
    assert len(set(map(id, batches))) == 4

    for number in range(4):
        await one.producer.has_sent(number + 1)
        assert one.producer.sent[number][1] == 1
        one.producer.sent[number][2].set_result(None)


async def test_a_partition_that_hangs_keeps_no_other_waiting() -> None:
    """Each has batches of its own."""
    many = await _gathering(partitions=2)
    for number in range(20):
        many.add(b"%d" % number)
    await many.producer.has_sent(2)
    assert {partition for partition, _, _ in many.producer.sent} == {0, 1}
    hanging, moving = many.producer.sent
    moving[2].set_result(None)
    for number in range(20):
        many.add(b"%d" % number)

    await many.producer.has_sent(3)
    assert many.producer.sent[2][0] == moving[0]
    assert not hanging[2].done()


async def test_a_refusal_is_told_to_everybody_in_the_batch(one: Gathering) -> None:
    """And the next batch is tried nevertheless."""
    waiters = [one.add().waiter(), one.add().waiter()]
    await one.producer.has_sent(1)
    next_one = one.add().waiter()
    one.producer.sent[0][2].set_exception(KafkaError("no"))

    told = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(error) for error in told] == [KafkaError, KafkaError]
    assert told[0] is not told[1]
    await one.producer.has_sent(2)
    one.producer.sent[1][2].set_result(None)
    await next_one


async def test_a_producer_that_takes_nothing_is_told_at_once(one: Gathering) -> None:
    """Nobody waits for what was never sent."""
    one.producer.refuse = KafkaError("closed")

    with pytest.raises(KafkaError):
        await one.add().waiter()
    one.producer.refuse = None
    waiter = one.add().waiter()
    await one.producer.has_sent(1)
    one.producer.sent[0][2].set_result(None)
    await waiter


async def test_what_nobody_waits_for_any_more_does_not_pile_up(one: Gathering) -> None:
    """While the broker is away, each new try would else leave its copies behind."""
    one.add().waiter()
    await one.producer.has_sent(1)
    for _ in range(100):
        given_up = one.add(value=SMALL * 5).waiter()
        given_up.cancel()
        one.batches.drop_abandoned()
    kept = one.add().waiter()

    one.producer.sent[0][2].set_result(None)
    await one.producer.has_sent(2)
    one.producer.sent[1][2].set_result(None)
    await kept
    assert [count for _, count, _ in one.producer.sent] == [1, 1]


async def test_what_waits_is_handed_over_at_the_end() -> None:
    """A producer that stops flushes what it was given."""
    many = await _gathering(partitions=3)
    for number in range(30):
        many.add(b"%d" % number)

    await many.batches.hand_over()

    assert sum(count for _, count, _ in many.producer.sent) == 30


async def test_what_is_given_up_as_it_leaves_keeps_no_partition_waiting(one: Gathering) -> None:
    """Between being chosen and being sent it may be dropped, or the producer be stopped."""
    waiter = one.add().waiter()
    one.batches._flush()
    waiter.cancel()
    one.batches.drop_abandoned()
    await one.batches.hand_over()
    await one.producer.has_sent(1)
    one.producer.sent[0][2].set_result(None)

    next_one = one.add().waiter()
    await one.producer.has_sent(2)
    one.producer.sent[1][2].set_result(None)
    await next_one
