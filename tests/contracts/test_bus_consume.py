"""The consuming loop's four fates, on both buses: handled, dead-lettered, waited for, crashed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import orjson
import pytest
from prometheus_client import CollectorRegistry

from shared.bus.consume import BatchStats, ConsumeLoop, Handle, Received, Rejected
from shared.bus.dead_letters import DeadLetterLimit, DeadLetterPolicy, replay
from shared.bus.meters import BusMeters
from shared.bus.port import Bus, Message, Partition, Progress, Record
from shared.bus.topics import dead_topic
from shared.errors import DependencyAway, Unprocessable
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import SurveyShown
from shared.events.vocabulary import Identifier
from tests.builders.buses import Buses, take
from tests.builders.waiting import eventually

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAMES = UUID(int=1)


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Handler:
    """Remembers the number of each event it handled; misbehaves as told."""

    def __init__(self) -> None:
        self.handled: list[int] = []
        self.trouble: Exception | None = None
        self.tries = 0
        self.refuse: set[int] = set()

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Rejected]:
        self.tries += 1
        if self.trouble:
            raise self.trouble
        refused = [item for item in batch if number_of(item.event) in self.refuse]
        self.handled += [number_of(item.event) for item in batch if item not in refused]
        return [Rejected(item.record, "the handler refuses it") for item in refused]


def event(number: int) -> Message:
    data = SurveyShown(
        survey=str(number),
        identifiers=(Identifier(kind="external_id", value="c-1"),),
        occurred_at=NOON,
    )
    known = Event(id=uuid5(NAMES, str(number)), source="test", time=NOON, data=data)
    return Message(FEEDBACK, "route", encode(known))


def number_of(known: Event) -> int:
    assert isinstance(known.data, SurveyShown)
    return int(known.data.survey)


def of_a_newer_release(number: int) -> Message:
    envelope = orjson.loads(event(number).value)
    return Message(FEEDBACK, "route", orjson.dumps(envelope | {"type": "survey.translated"}))


async def loop_of(
    bus: Bus, handle: Handle, *, clock: Clock | None = None, **options: object
) -> ConsumeLoop:
    """Build the loop of group `g`."""
    return ConsumeLoop(
        await bus.subscribe("g", [FEEDBACK]),
        bus.publisher,
        handle,
        clock=clock or Clock(),
        **options,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def consuming(
    bus: Bus, handle: Handle, *, clock: Clock | None = None, **options: object
) -> AsyncIterator[ConsumeLoop]:
    """Run the loop beside the test; its error, if any, comes out at the end."""
    loop = await loop_of(bus, handle, clock=clock, **options)
    stopping = asyncio.Event()
    task = asyncio.create_task(loop.run(stopping))
    try:
        yield loop
    finally:
        stopping.set()
        await task


async def consume_until_it_fails(loop: ConsumeLoop) -> None:
    async with asyncio.timeout(30):
        await loop.run(asyncio.Event())


async def until(handler: Handler, numbers: list[int]) -> None:
    async def done() -> bool:
        assert handler.handled == numbers
        return True

    await eventually(done)


async def test_each_event_is_handled_and_committed_once_all_is_well(buses: Buses) -> None:
    """A second process finds nothing left to do."""
    bus, handler, stats = await buses.open(), Handler(), list[BatchStats]()
    await bus.publisher.publish([event(n) for n in range(20)])

    async with consuming(bus, handler, on_batch=stats.append):
        await until(handler, list(range(20)))
    await bus.close()

    after, second = await buses.open(), Handler()
    await after.publisher.publish([event(20)])
    async with consuming(after, second):
        await until(second, [20])
    assert sum(s.handled for s in stats) == 20
    assert sum(s.dead for s in stats) == 0


async def test_what_is_not_wanted_is_passed_over_for_good(buses: Buses) -> None:
    """Neither decoded nor counted; a second process finds nothing left of it."""
    bus, handler, stats = await buses.open(), Handler(), list[BatchStats]()
    garbage = Message(FEEDBACK, "route", b"\xffnot json")
    await bus.publisher.publish([garbage, event(1), garbage])

    def wanted(value: bytes) -> bool:
        return b"survey" in value

    async with consuming(bus, handler, wanted=wanted, on_batch=stats.append):
        await until(handler, [1])
    await bus.close()
    assert [(one.handled, one.dead) for one in stats] == [(1, 0)]

    after, second = await buses.open(), Handler()
    await after.publisher.publish([event(2)])
    async with consuming(after, second):
        await until(second, [2])
    operator = await after.subscribe("operator", [dead_topic(FEEDBACK)])
    assert not any([await operator.poll(1) for _ in range(3)])


class Still:
    """A consumer with one batch, which counts how often it was asked."""

    def __init__(self, at: datetime) -> None:
        self.polls = 0
        self.left = False
        self._record = Record(Partition(FEEDBACK, 0), 0, "route", event(0).value, at)

    async def poll(self, max_records: int) -> Sequence[Record]:
        self.polls += 1
        await asyncio.sleep(0)
        return [self._record][:max_records] if self.polls == 1 else ()

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Nothing to store."""

    async def rewind(self, offsets: Mapping[Partition, int]) -> None:
        """Nowhere to go."""

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Nothing to stop."""

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Nothing stopped."""

    def assigned(self) -> Mapping[Partition, int]:
        return {Partition(FEEDBACK, 0): 1}

    async def progress(self) -> Sequence[Progress]:
        return ()

    async def leave(self) -> None:
        self.left = True


class Unheard:
    """A publisher that nothing is told to."""

    async def publish(self, messages: Sequence[Message]) -> None:
        raise AssertionError(messages)


@pytest.mark.parametrize(
    ("age", "polls"),
    [
        pytest.param(timedelta(0), 1, id="caught up"),
        pytest.param(timedelta(minutes=10), 2, id="behind, so it goes on at once"),
    ],
)
async def test_work_that_is_not_urgent_lies_still_once_it_has_caught_up(
    age: timedelta, polls: int
) -> None:
    """And is told to stop in the middle of it."""
    consumer, handler, stopping = Still(NOON - age), Handler(), asyncio.Event()
    rest = timedelta(minutes=5)
    loop = ConsumeLoop(consumer, Unheard(), handler, clock=Clock(), rest=rest)
    task = asyncio.create_task(loop.run(stopping))
    for _ in range(100):
        await asyncio.sleep(0)
    assert consumer.polls == polls
    stopping.set()
    async with asyncio.timeout(30):
        await task
    assert handler.handled == [0]
    assert consumer.left, "others would wait until the whole process has ended"


async def test_what_nobody_can_read_becomes_a_dead_letter_that_can_be_replayed(
    buses: Buses,
) -> None:
    """Its neighbours are handled; the letter holds bytes, key and reason, and leads back."""
    bus, handler, stats = await buses.open(), Handler(), list[BatchStats]()
    garbage = Message(FEEDBACK, "route", b"\xffnot json", (("trace", b"1"),))
    await bus.publisher.publish([event(0), garbage, event(1)])

    async with consuming(bus, handler, on_batch=stats.append):
        await until(handler, [0, 1])
    (dead,) = await take(await bus.subscribe("operator", [dead_topic(FEEDBACK)]), 1)

    assert dead.key == "route"
    assert replay(dead.value) == garbage
    assert orjson.loads(dead.value)["reason"] == "not a CloudEvent of ours: JSONDecodeError"
    assert sum(s.dead for s in stats) == 1


async def test_what_the_handler_refuses_becomes_a_dead_letter(buses: Buses) -> None:
    """The handler's verdict on one record does not hold up the others."""
    bus, handler = await buses.open(), Handler()
    handler.refuse = {1}
    await bus.publisher.publish([event(n) for n in range(3)])

    async with consuming(bus, handler):
        await until(handler, [0, 2])
    (dead,) = await take(await bus.subscribe("operator", [dead_topic(FEEDBACK)]), 1)

    assert replay(dead.value) == event(1)
    assert orjson.loads(dead.value)["reason"] == "the handler refuses it"


async def test_an_unprocessable_batch_is_searched_for_the_one_record(buses: Buses) -> None:
    """A handler that only knows that something is wrong still loses one record, not the batch."""
    bus, handled = await buses.open(), list[int]()

    async def handle(batch: Sequence[Received]) -> Sequence[Rejected]:
        numbers = [number_of(item.event) for item in batch]
        if 2 in numbers:
            raise Unprocessable("cannot be stored")
        handled.extend(numbers)
        return []

    await bus.publisher.publish([event(n) for n in range(4)])
    async with consuming(bus, handle):
        (dead,) = await take(await bus.subscribe("operator", [dead_topic(FEEDBACK)]), 1)

    assert replay(dead.value) == event(2)
    assert sorted(set(handled)) == [0, 1, 3]


async def test_with_a_dependency_away_the_batch_waits_in_place(buses: Buses) -> None:
    """Not ready, but alive; once the dependency is back the same batch is handled, none skipped."""
    bus, handler = await buses.open(), Handler()
    handler.trouble = DependencyAway("database: gone")
    await bus.publisher.publish([event(n) for n in range(3)])
    registry = CollectorRegistry()

    async with consuming(bus, handler, meters=BusMeters(registry).of("g", [FEEDBACK])) as loop:

        async def tried_again() -> bool:
            return handler.tries >= 3 and loop.waiting_for == "database: gone"

        await eventually(tried_again)
        assert registry.get_sample_value("nps_bus_waiting", {"group": "g"}) == 1
        assert handler.handled == []
        handler.trouble = None
        await until(handler, [0, 1, 2])

        async def ready() -> bool:
            return loop.waiting_for is None

        await eventually(ready)
        assert registry.get_sample_value("nps_bus_waiting", {"group": "g"}) == 0


async def test_told_to_stop_while_waiting_it_stops_and_commits_nothing(buses: Buses) -> None:
    """The records come again to the next process."""
    bus, handler = await buses.open(), Handler()
    handler.trouble = DependencyAway("database: gone")
    await bus.publisher.publish([event(0)])
    async with consuming(bus, handler) as loop:

        async def waiting() -> bool:
            return loop.waiting_for is not None

        await eventually(waiting)
    await bus.close()

    after, second = await buses.open(), Handler()
    async with consuming(after, second):
        await until(second, [0])


async def test_after_a_crash_between_work_and_commit_the_batch_comes_again(buses: Buses) -> None:
    """A bug leaves the loop; what was not committed is delivered to the next process."""
    bus, handler = await buses.open(), Handler()
    handler.trouble = ZeroDivisionError("a bug")
    await bus.publisher.publish([event(n) for n in range(3)])
    loop = await loop_of(bus, handler)
    with pytest.raises(ZeroDivisionError):
        await consume_until_it_fails(loop)
    await bus.close()

    after, second = await buses.open(), Handler()
    async with consuming(after, second):
        await until(second, [0, 1, 2])


async def test_too_many_dead_letters_stop_the_consumer_and_move_nothing(buses: Buses) -> None:
    """A bad deploy must not empty the topic into the dead letters."""
    bus, handler = await buses.open(), Handler()
    handler.refuse = set(range(10))
    await bus.publisher.publish([event(n) for n in range(10)])
    loop = await loop_of(bus, handler, dead_letters=DeadLetterPolicy(at_least=5))
    with pytest.raises(DeadLetterLimit):
        await consume_until_it_fails(loop)
    await bus.close()

    repaired, second = await buses.open(), Handler()
    async with consuming(repaired, second):
        await until(second, list(range(10)))
    operator = await repaired.subscribe("operator", [dead_topic(FEEDBACK)])
    assert not any([await operator.poll(1) for _ in range(10)])


async def test_an_event_of_a_newer_release_stops_its_partition_for_a_while(buses: Buses) -> None:
    """What stands before it is handled and committed; what stands behind it is not skipped."""
    bus, handler, clock = await buses.open(), Handler(), Clock()
    registry, grace = CollectorRegistry(), timedelta(minutes=5)
    meters = BusMeters(registry).of("g", [FEEDBACK])
    await bus.publisher.publish([event(0), of_a_newer_release(1), event(2)])

    async with consuming(bus, handler, clock=clock, unknown_grace=grace, meters=meters) as loop:
        await until(handler, [0])

        async def halted() -> bool:
            return len(loop.halted) == 1

        await eventually(halted)
        assert registry.get_sample_value("nps_bus_partitions_halted", {"group": "g"}) == 1
        clock.now += timedelta(minutes=5)
        await until(handler, [0, 2])
    assert registry.get_sample_value("nps_bus_partitions_halted", {"group": "g"}) == 0
    labels = {"group": "g", "topic": FEEDBACK}
    assert registry.get_sample_value("nps_bus_dead_letters_total", labels) == 1
    (dead,) = await take(await bus.subscribe("operator", [dead_topic(FEEDBACK)]), 1)

    assert replay(dead.value) == of_a_newer_release(1)


async def test_a_newer_release_reads_what_stopped_the_older_one(buses: Buses) -> None:
    """The offset before the unknown event is what the older release committed."""
    bus, handler = await buses.open(), Handler()
    await bus.publisher.publish([event(0), of_a_newer_release(1), event(2)])
    async with consuming(bus, handler) as loop:

        async def halted() -> bool:
            return len(loop.halted) == 1 and handler.handled == [0]

        await eventually(halted)
    await bus.close()

    consumer = await (await buses.open()).subscribe("g", [FEEDBACK])
    first, second = await take(consumer, 2)
    assert [first.value, second.value] == [of_a_newer_release(1).value, event(2).value]
