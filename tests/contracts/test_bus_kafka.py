"""What only Kafka can do to us: rebalances, refusals by the broker, a broker that is away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus.consume import ConsumeLoop, Received, Rejected
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_consumer import KafkaConsumer
from shared.bus.port import Message
from shared.bus.topics import dead_topic
from shared.errors import BusAway, ConfigError, DependencyAway, RecordTooLarge
from shared.events.envelope import FEEDBACK, OUTCOMES
from shared.times import utc_now
from tests.builders.brokers import Broker
from tests.builders.buses import PARTITIONS, Buses, take
from tests.builders.waiting import eventually
from tests.contracts.test_bus_consume import Clock, event, number_of

pytestmark = pytest.mark.kafka

#: Five seconds are promised; the rest is for a busy machine.
PROMISED = 8.0


@pytest.fixture(params=["kafka"])
def bus_place(kafka: str, request: pytest.FixtureRequest) -> Buses:
    """Only Kafka, here."""
    return Buses("kafka", kafka, f"k{request.node.name[5:25]}{id(request):x}.")


@pytest.fixture
def own_buses(own_kafka: Broker) -> Buses:
    """On a broker that the test may kill."""
    return Buses("kafka", own_kafka.bootstrap_servers)


async def alter(buses: Buses, topic: str, configs: Mapping[str, str]) -> None:
    """Change a topic as an operator would; the broker needs a moment to take it up."""
    name = buses.prefix + topic
    admin = AIOKafkaAdminClient(bootstrap_servers=buses.url)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(configs))])

        async def taken_up() -> bool:
            (told,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            found = {entry[0]: entry[1] for entry in told.resources[0][4]}
            return configs.items() <= found.items()

        await eventually(taken_up)
    finally:
        await admin.close()


async def delete(buses: Buses, topic: str) -> None:
    """Delete a topic and wait until it is gone."""
    name = buses.prefix + topic
    admin = AIOKafkaAdminClient(bootstrap_servers=buses.url)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(gone)
    finally:
        await admin.close()


async def test_who_joined_before_a_topic_was_known_is_given_it_soon(buses: Buses) -> None:
    """A broker hears of a topic after its maker does; the consumer does not wait for minutes."""
    bus = await buses.open()
    await delete(buses, FEEDBACK)
    early = await bus.subscribe("g", [FEEDBACK])
    assert not await early.poll(1)
    assert isinstance(bus, KafkaBus)
    await bus.create_topics()
    await bus.publisher.publish([Message(FEEDBACK, "key", b"value")])
    (record,) = await take(early, 1)
    assert record.value == b"value"


async def test_a_rebalance_in_mid_batch_loses_and_skips_nothing(buses: Buses) -> None:
    """A member joins while another works on a batch: all is handled, all is committed."""
    first_bus, second_bus = await buses.open(), await buses.open()
    handled: set[int] = set()
    begun, joined, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def gated(batch: Sequence[Received]) -> Sequence[Rejected]:
        begun.set()
        await joined.wait()
        handled.update(number_of(item.event) for item in batch)
        return []

    await first_bus.publisher.publish(
        [replace(event(n), key=f"route-{n % 50}") for n in range(300)]
    )
    first = await first_bus.subscribe("g", [FEEDBACK])
    loops = [ConsumeLoop(first, first_bus.publisher, gated, clock=Clock(), batch=40)]
    tasks = [asyncio.create_task(loops[0].run(stopping))]
    await begun.wait()
    second = await second_bus.subscribe("g", [FEEDBACK])
    loops.append(ConsumeLoop(second, second_bus.publisher, gated, clock=Clock(), batch=40))
    tasks.append(asyncio.create_task(loops[1].run(stopping)))

    async def shared_out() -> bool:
        return bool(first.assigned()) and bool(second.assigned())

    await eventually(shared_out, what="both members hold partitions")
    joined.set()

    async def all_done() -> bool:
        progress = [*await first.progress(), *await second.progress()]
        assert handled == set(range(300))
        assert {p.partition.number for p in progress} == set(range(PARTITIONS))
        return all(p.waiting_since is None for p in progress)

    await eventually(all_done, what="everything handled and committed")
    stopping.set()
    await asyncio.gather(*tasks)


async def test_a_revoked_partition_is_not_committed(buses: Buses) -> None:
    """The commit of a batch whose partition went elsewhere meanwhile is skipped silently."""
    first_bus, second_bus = await buses.open(), await buses.open()
    keys = [f"route-{n}" for n in range(30)]
    await first_bus.publisher.publish([Message(FEEDBACK, key, b"1") for key in keys])
    first = await first_bus.subscribe("g", [FEEDBACK])
    records = await take(first, 30)
    before = dict(first.assigned())
    second = await second_bus.subscribe("g", [FEEDBACK])

    async def moved() -> bool:
        await asyncio.gather(first.poll(1), second.poll(1))
        return bool(second.assigned()) and bool(first.assigned())

    await eventually(moved)
    gone = before.keys() - first.assigned().keys()
    await first.commit({r.partition: r.offset + 1 for r in records if r.partition in gone})

    assert gone
    assert all(epoch > before[where] for where, epoch in first.assigned().items())
    await first_bus.close()
    assert len(await take(second, 30)) == 30


async def test_the_check_names_each_difference_and_its_fix(buses: Buses) -> None:
    """A topic that keeps records longer than declared would keep erased people, too."""
    bus = await buses.open()
    assert isinstance(bus, KafkaBus)
    feedback, dead = buses.prefix + FEEDBACK, buses.prefix + dead_topic(OUTCOMES)
    # Altering resets what is not named, so the limit on sizes changes, too.
    changed = {"retention.ms": "-1", "cleanup.policy": "compact", "segment.ms": "86400000"}
    await alter(buses, FEEDBACK, changed)
    await delete(buses, dead_topic(OUTCOMES))

    with pytest.raises(ConfigError) as refused:
        await bus.check()

    lines = str(refused.value).splitlines()
    assert (
        f"topic {feedback} has retention.ms=-1, not 604800000: kafka-configs.sh --alter"
        in (lines[0])
    )
    assert "cleanup.policy=compact, not delete" in lines[1]
    assert lines[-1] == f"topic {dead} does not exist: create it with `python -m services topics`"
    assert len(lines) == 4
    assert await bus.create_topics() == [dead]


async def test_another_number_of_partitions_is_a_difference(buses: Buses) -> None:
    """The number counts: staleness is complete only when every partition has told its progress."""
    await buses.open()
    buses.partitions = PARTITIONS + 1
    other = await buses.open()

    with pytest.raises(ConfigError, match=f"has {PARTITIONS} partitions, not {PARTITIONS + 1}"):
        await other.check()


async def test_a_record_that_the_broker_refuses_harms_no_later_one(buses: Buses) -> None:
    """A topic narrowed behind our back costs the record that is too large, not its partition."""
    bus = await buses.open()
    await alter(buses, FEEDBACK, {"max.message.bytes": "200000"})
    await bus.publisher.publish([Message(FEEDBACK, "route", b"before")])

    with pytest.raises(RecordTooLarge):
        await bus.publisher.publish([Message(FEEDBACK, "route", bytes(300_000))])
    await bus.publisher.publish([Message(FEEDBACK, "route", b"after")])

    records = await take(await bus.subscribe("g", [FEEDBACK]), 2)
    assert [record.value for record in records] == [b"before", b"after"]


async def test_with_the_broker_away_publish_says_so_in_time_and_works_again_later(
    own_buses: Buses, own_kafka: Broker
) -> None:
    """Never a hung request; and what was acknowledged before the broker died is still there."""
    await own_kafka.start()
    bus = await own_buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([Message(FEEDBACK, "route", b"before")])
    (record,) = await take(consumer, 1)
    await own_kafka.kill()

    async with asyncio.timeout(PROMISED):
        told = await asyncio.gather(
            bus.publisher.publish([Message(FEEDBACK, "route", b"meanwhile")]),
            consumer.commit({record.partition: record.offset + 1}),
            consumer.progress(),
            bus.subscribe("other", [FEEDBACK]),
            return_exceptions=True,
        )
    assert [type(answer) for answer in told] == [BusAway, *[DependencyAway] * 3]

    async def noticed() -> bool:
        try:
            await consumer.poll(1)
        except DependencyAway:
            return True
        return False

    assert await eventually(noticed, what="a poll that says that the broker is away")
    await own_kafka.start()

    async def published() -> bool:
        try:
            await bus.publisher.publish([Message(FEEDBACK, "route", b"after")])
        except BusAway:
            return False
        return True

    await eventually(published, within=60)
    seen: set[bytes] = set()

    async def all_seen() -> bool:
        try:
            seen.update(record.value for record in await consumer.poll(100))
            await consumer.commit({record.partition: record.offset + 1})
        except DependencyAway:
            return False
        return b"after" in seen

    await eventually(all_seen, within=60)
    fresh = await bus.subscribe("late", [FEEDBACK])
    assert (await take(fresh, 1))[0].value == b"before"
    await own_buses.close()


async def _a_task_ends(consumer: AIOKafkaConsumer, task: str) -> None:
    owner = consumer._coordinator if task == "_coordination_task" else consumer._fetcher
    getattr(owner, task).cancel()


async def _no_answer_is_read(consumer: AIOKafkaConsumer) -> None:
    async def for_ever(*_: object) -> bool:
        await asyncio.Event().wait()
        return False

    consumer._fetcher._proc_fetch_request = for_ever


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(partial(_a_task_ends, task="_coordination_task"), id="its coordination ended"),
        pytest.param(partial(_a_task_ends, task="_fetch_task"), id="its fetching ended"),
        pytest.param(_no_answer_is_read, id="its fetching hangs"),
    ],
)
async def test_a_consumer_that_is_dead_inside_is_made_anew(
    bus_place: Buses, harm: Callable[[AIOKafkaConsumer], Awaitable[None]]
) -> None:
    """What aiokafka does not tell costs no record: reading goes on where it was committed."""
    bus = await bus_place.open()
    consumer = KafkaConsumer(
        KafkaConnection(bus_place.url, "dead-inside"),
        group="g",
        topics=[FEEDBACK],
        prefix=bus_place.prefix,
        session=timedelta(seconds=6),
        poll_interval=timedelta(minutes=2),
        clock=utc_now,
        idle_s=0.5,
    )
    await consumer.join()
    await bus.publisher.publish([Message(FEEDBACK, "route", b"before")])
    (first,) = await take(consumer, 1)
    await consumer.commit({first.partition: first.offset + 1})
    epoch = consumer.assigned()[first.partition]

    await harm(consumer._consumer)
    await bus.publisher.publish([Message(FEEDBACK, "route", b"after")])

    assert [record.value for record in await take(consumer, 1)] == [b"after"]
    assert consumer.assigned()[first.partition] > epoch
    await consumer.leave()
    await bus_place.close()


async def test_closing_with_the_broker_away_ends_in_time(
    own_buses: Buses, own_kafka: Broker
) -> None:
    """A service that is told to stop stops, whatever the broker does."""
    await own_kafka.start()
    bus = await own_buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([Message(FEEDBACK, "route", b"before")])
    await take(consumer, 1)
    await own_kafka.kill()
    with pytest.raises(BusAway):
        await bus.publisher.publish([Message(FEEDBACK, "route", b"meanwhile")])

    async with asyncio.timeout(PROMISED):
        await bus.close()

    with pytest.raises(BusAway):
        await bus.publisher.publish([Message(FEEDBACK, "route", b"closed")])


async def test_a_member_that_stays_paused_keeps_its_partitions(buses: Buses) -> None:
    """Polling while everything is paused counts as being alive, for longer than the patience."""
    patience = timedelta(seconds=3)
    bus = await buses.open(patience=patience)
    await bus.publisher.publish([Message(FEEDBACK, "route", b"1")])
    consumer = await bus.subscribe("g", [FEEDBACK])
    (record,) = await take(consumer, 1)
    before = dict(consumer.assigned())
    consumer.pause(list(before))

    for _ in range(40):  # of at most 150 ms each: twice the patience
        assert not await consumer.poll(1)

    assert consumer.assigned() == before
    consumer.resume(list(before))
    await consumer.rewind({record.partition: record.offset})
    assert len(await take(consumer, 1)) == 1
