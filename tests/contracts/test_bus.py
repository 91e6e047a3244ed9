"""What both buses promise, told once and run on the PostgreSQL log and on Apache Kafka."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.bus.port import Message, Record
from shared.bus.topics import dead_topic
from shared.errors import BusAway, RecordTooLarge
from shared.events.envelope import DECISIONS, FEEDBACK
from tests.builders.buses import PARTITIONS, Buses, take
from tests.builders.waiting import eventually

MIB = 1 << 20
#: Short enough not to be waited for long, long enough for a busy machine between two polls.
PATIENCE = timedelta(seconds=3)


def message(number: int, key: str = "route", topic: str = FEEDBACK) -> Message:
    return Message(topic, key, str(number).encode())


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(record.value) for record in records]


async def test_a_record_arrives_as_it_was_published(buses: Buses) -> None:
    """Key, bytes and headers are kept; topic names never show the installation's prefix."""
    bus = await buses.open()
    await bus.publisher.publish([Message(FEEDBACK, "route", b"\x00\xff", (("trace", b"\x01"),))])

    (record,) = await take(await bus.subscribe("g", [FEEDBACK]), 1)

    assert record.partition.topic == FEEDBACK
    assert (record.key, record.value) == ("route", b"\x00\xff")
    assert record.headers == (("trace", b"\x01"),)
    assert record.at.utcoffset() == timedelta(0)


async def test_records_of_one_key_keep_their_order(buses: Buses) -> None:
    """Whatever the partitions, one key's records come in the order they were published."""
    bus = await buses.open()
    for start in range(0, 200, 20):
        await bus.publisher.publish([message(n, f"key-{n % 7}") for n in range(start, start + 20)])

    records = await take(await bus.subscribe("g", [FEEDBACK]), 200)

    by_key = defaultdict(list)
    for record in records:
        by_key[record.key].append(int(record.value))
    assert by_key == {f"key-{k}": [n for n in range(200) if n % 7 == k] for k in range(7)}


async def test_hundreds_of_publishers_at_once_each_keep_their_own_order(buses: Buses) -> None:
    """Gathering records of many requests into few writes mixes nobody's order and loses nothing."""
    bus = await buses.open()

    async def one(publisher: int) -> None:
        for n in range(4):
            await bus.publisher.publish([message(n, f"publisher-{publisher}")])

    await asyncio.gather(*(one(publisher) for publisher in range(300)))
    records = await take(await bus.subscribe("g", [FEEDBACK]), 1200)

    by_key = defaultdict(list)
    for record in records:
        by_key[record.key].append(int(record.value))
    assert len(by_key) == 300
    assert all(of_key == [0, 1, 2, 3] for of_key in by_key.values())


async def test_a_new_group_starts_at_the_oldest_record(buses: Buses) -> None:
    """A service that is added later misses nothing that is still kept."""
    bus = await buses.open()
    await bus.publisher.publish([message(n) for n in range(5)])

    first = await bus.subscribe("early", [FEEDBACK])
    await first.commit({(await take(first, 5))[0].partition: 5})

    assert numbers(await take(await bus.subscribe("late", [FEEDBACK]), 5)) == [0, 1, 2, 3, 4]


async def test_two_groups_each_get_every_record(buses: Buses) -> None:
    """Segmenter and dispatcher both read outcomes; neither takes from the other."""
    bus = await buses.open()
    one, two = await bus.subscribe("one", [FEEDBACK]), await bus.subscribe("two", [FEEDBACK])
    await bus.publisher.publish([message(n) for n in range(20)])

    assert numbers(await take(one, 20)) == list(range(20))
    assert numbers(await take(two, 20)) == list(range(20))


async def test_one_consumer_reads_several_topics(buses: Buses) -> None:
    """A busy topic does not starve its neighbour."""
    bus = await buses.open()
    await bus.publisher.publish([message(n) for n in range(300)])
    await bus.publisher.publish([message(n, topic=DECISIONS) for n in range(3)])

    consumer = await bus.subscribe("g", [FEEDBACK, DECISIONS])
    records = await take(consumer, 303)

    assert sum(record.partition.topic == DECISIONS for record in records) == 3


async def test_what_was_not_committed_comes_again(buses: Buses) -> None:
    """A process that ended between work and commit hands its records to the next one."""
    bus = await buses.open()
    await bus.publisher.publish([message(n) for n in range(10)])
    consumer = await bus.subscribe("g", [FEEDBACK])
    records = await take(consumer, 10)
    await consumer.commit({records[3].partition: records[3].offset + 1})
    await bus.close()

    again = await (await buses.open()).subscribe("g", [FEEDBACK])

    assert numbers(await take(again, 6)) == [4, 5, 6, 7, 8, 9]


async def test_a_record_too_large_is_refused_and_harms_no_other(buses: Buses) -> None:
    """The refusal comes before anything of the call is sent; later records pass as before."""
    bus = await buses.open()
    await bus.publisher.publish([message(0)])

    with pytest.raises(RecordTooLarge):
        await bus.publisher.publish([message(1), Message(FEEDBACK, "route", bytes(MIB))])
    await bus.publisher.publish([message(2)])

    assert numbers(await take(await bus.subscribe("g", [FEEDBACK]), 2)) == [0, 2]


async def test_the_largest_record_allowed_passes(buses: Buses) -> None:
    """The limit is on our side of what the topic takes, so a record that passes it is stored."""
    bus = await buses.open()
    largest = Message(FEEDBACK, "route", bytes(MIB - 1024 - len("route")))
    largest_dead = Message(dead_topic(FEEDBACK), "route", bytes(2 * MIB - 1024 - len("route")))

    await bus.publisher.publish([largest, largest_dead])

    (record,) = await take(await bus.subscribe("g", [FEEDBACK]), 1)
    assert len(record.value) == len(largest.value)
    (record,) = await take(await bus.subscribe("g", [dead_topic(FEEDBACK)]), 1)
    assert len(record.value) == len(largest_dead.value)


async def test_a_second_instance_takes_over_when_the_first_closes(buses: Buses) -> None:
    """Closing hands the work over; nobody waits for a time-out."""
    first, second = await buses.open(), await buses.open()
    leaving = await first.subscribe("g", [FEEDBACK])
    await first.publisher.publish([message(0)])
    (record,) = await take(leaving, 1)
    await leaving.commit({record.partition: record.offset + 1})
    staying = await second.subscribe("g", [FEEDBACK])
    await first.close()

    await second.publisher.publish([message(1)])

    assert numbers(await take(staying, 1)) == [1]


async def test_a_second_instance_takes_over_when_the_first_is_killed(buses: Buses) -> None:
    """A process that dies without a word holds its work no longer than its lease or session."""
    bus = await buses.open()
    await bus.publisher.publish([message(n) for n in range(3)])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.builders.bus_member",
        *(buses.kind, buses.url, buses.prefix, "g", FEEDBACK),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"took 3\n"
    process.kill()
    await process.wait()

    heir = await bus.subscribe("g", [FEEDBACK])

    assert numbers(await take(heir, 3)) == [0, 1, 2]


async def test_a_commit_by_a_member_that_lost_its_work_moves_nothing(buses: Buses) -> None:
    """Who did not poll for too long finds its work taken over, and cannot move the others back."""
    slow = await (await buses.open(patience=PATIENCE)).subscribe("g", [FEEDBACK])
    quick_bus = await buses.open()
    await quick_bus.publisher.publish([message(n) for n in range(10)])
    taken = await take(slow, 10)

    quick = await quick_bus.subscribe("g", [FEEDBACK])
    again = await take(quick, 10)
    await quick.commit({again[-1].partition: again[-1].offset + 1})
    await slow.commit({taken[2].partition: taken[2].offset + 1})
    await buses.close()

    last = await buses.open()
    third = await last.subscribe("g", [FEEDBACK])
    await last.publisher.publish([message(10)])
    assert numbers(await take(third, 1)) == [10]


async def test_paused_partitions_return_nothing_until_resumed(buses: Buses) -> None:
    """Pausing keeps the place: after `resume` reading goes on where it stood."""
    bus = await buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([message(n) for n in range(4)])
    (record,) = await take(consumer, 1)

    consumer.pause([record.partition])
    assert not any([await consumer.poll(10) for _ in range(5)])
    consumer.resume([record.partition])

    assert numbers(await take(consumer, 3)) == [1, 2, 3]


async def test_rewinding_returns_the_same_records_again(buses: Buses) -> None:
    """A batch that could not be handled is read again from the given offset on."""
    bus = await buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([message(n) for n in range(6)])
    records = await take(consumer, 6)

    await consumer.rewind({records[2].partition: records[2].offset})

    assert numbers(await take(consumer, 4)) == [2, 3, 4, 5]


async def test_progress_tells_since_when_the_oldest_record_waits(buses: Buses) -> None:
    """None once everything is committed; else the time of the oldest uncommitted record."""
    bus = await buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([message(n) for n in range(3)])
    records = await take(consumer, 3)
    where = records[0].partition

    async def since() -> object:
        told = {p.partition: p for p in await consumer.progress()}
        assert told[where].partitions == (1 if buses.kind == "postgres" else PARTITIONS)
        return told[where].waiting_since

    assert await since() == records[0].at
    await consumer.commit({where: records[0].offset + 1})
    assert await since() == records[1].at
    await consumer.commit({where: records[2].offset + 1})
    assert [p.waiting_since for p in await consumer.progress() if p.waiting_since] == []
    assert await since() is None


async def test_progress_sees_records_that_were_not_polled_yet(buses: Buses) -> None:
    """A paused or slow consumer does not look as if it were done."""
    bus = await buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])

    async def assigned() -> bool:
        await consumer.poll(1)
        return bool(consumer.assigned())

    await eventually(assigned)
    consumer.pause(list(consumer.assigned()))
    await bus.publisher.publish([message(0)])

    async def waiting() -> bool:
        await consumer.poll(1)
        return any(p.waiting_since for p in await consumer.progress())

    assert await eventually(waiting)


async def test_assigned_tells_a_new_epoch_after_a_take_over(buses: Buses) -> None:
    """Records polled under an older epoch are recognised as somebody else's business."""
    slow = await (await buses.open(patience=PATIENCE)).subscribe("g", [FEEDBACK])
    other_bus = await buses.open()
    await other_bus.publisher.publish([message(0)])
    (record,) = await take(slow, 1)
    before = slow.assigned()[record.partition]
    await take(await other_bus.subscribe("g", [FEEDBACK]), 1)
    await other_bus.close()

    async def back() -> bool:
        await slow.poll(1)
        return slow.assigned().get(record.partition, before) != before

    assert await eventually(back)


async def test_who_leaves_hands_over_at_once_and_its_bus_goes_on(buses: Buses) -> None:
    """A process that ends lets others read while it still works and publishes."""
    bus, other_bus = await buses.open(), await buses.open()
    leaving = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([message(0), message(1)])
    first, _ = await take(leaving, 2)
    await leaving.commit({first.partition: first.offset + 1})
    await leaving.leave()

    assert await leaving.progress() == ()
    await bus.publisher.publish([message(2)])
    assert numbers(await take(await other_bus.subscribe("g", [FEEDBACK]), 2)) == [1, 2]


async def test_topics_as_declared_pass_the_check(buses: Buses) -> None:
    """A fresh installation has what this release needs."""
    bus = await buses.open()

    assert await bus.check() is None  # type: ignore[func-returns-value]


async def test_a_closed_bus_refuses_to_publish_and_closes_twice(buses: Buses) -> None:
    """Nothing is accepted into a queue that nobody empties any more."""
    bus = await buses.open()
    await bus.close()
    await bus.close()

    with pytest.raises(BusAway):
        await bus.publisher.publish([message(0)])
