"""What the spool promises: bounded, never losing, drained by any number of replicas."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.ingest.keep.people import Whom, people
from services.ingest.keep.spool import SpoolFull, SpoolLimits
from shared.bus.kafka import KafkaBus
from shared.bus.port import Publisher
from shared.bus.postgres import PostgresBus
from shared.database import connect
from shared.errors import DependencyAway, RecordTooLarge
from shared.events import envelope
from shared.events.envelope import FEEDBACK
from shared.http.problems import Problem
from tests.builders.buses import take
from tests.builders.ingest_store import ROUTE_KEY, START, Replica, entry, replica, told
from tests.builders.postgres import read_sql, run_sql
from tests.builders.waiting import eventually


@pytest.fixture
async def bus(emptied_database: str) -> AsyncIterator[Publisher]:
    """The real log of this test's database."""
    engine = connect(emptied_database, "bus", connections=4)
    log = PostgresBus(engine, member="tests")
    await log.start()
    yield log.publisher
    await log.close()
    await engine.dispose()


@pytest.fixture
async def one(emptied_database: str, bus: Publisher) -> AsyncIterator[Replica]:
    """One replica with the default limits."""
    built = replica(emptied_database, bus)
    yield built
    await built.engine.dispose()


async def published(url: str) -> list[str]:
    """Read the ids of the events on the log, in order."""
    rows = await read_sql(url, 'SELECT value FROM bus.records ORDER BY "offset"')
    return [str(envelope.decode(bytes(row[0])).id) for row in rows]  # type: ignore[call-overload]


async def drained(*replicas: Replica) -> None:
    """Drain step by step until nobody finds anything."""
    while any([await each.drain.step() for each in replicas]):
        pass


async def test_while_the_bus_is_away_events_wait_and_then_arrive(
    one: Replica, emptied_database: str
) -> None:
    """Each is accepted at once, lies in the spool, and is on the bus when that is back; once."""
    one.bus.away = True
    events = [told(number) for number in range(30)]
    await asyncio.gather(*(one.intake.publish([each]) for each in events))
    assert one.breaker.open
    assert await published(emptied_database) == []
    with pytest.raises(DependencyAway):
        await one.drain.step()
    assert (await one.spool.look()).rows == 30

    one.bus.away = False
    await drained(one)
    assert sorted(await published(emptied_database)) == sorted(
        str(each.event.id) for each in events
    )
    assert (await one.table.size()) == (await one.spool.look())
    assert (await one.spool.look()).rows == 0
    assert one.metric("nps_ingest_spool_put_total") == 30
    assert one.metric("nps_ingest_spool_drained_total") == 30


async def test_nobody_waits_for_a_bus_known_to_be_away(one: Replica) -> None:
    """The first failure opens the breaker; until the drain loop hears of the bus, none asks it."""
    one.bus.away = True
    await one.intake.publish([told(1)])
    for number in range(2, 6):
        await one.intake.publish([told(number)])
    assert one.bus.calls == 1
    one.bus.away = False
    await drained(one)
    assert not one.breaker.open
    await one.intake.publish([told(6)])
    assert len(one.bus.passed) == 6
    assert (await one.spool.look()).rows == 0


async def test_while_away_the_drain_asks_with_one_event(one: Replica) -> None:
    """What is sent unacknowledged may go after all; so it is one record, not five hundred."""
    one.bus.away = True
    await one.intake.publish([told(number) for number in range(5)])
    one.bus.away = False
    assert await one.drain.step()
    assert len(one.bus.passed) == 1
    assert await one.drain.step()
    assert len(one.bus.passed) == 5


async def test_a_bus_found_back_by_another_replica_is_tried_again(
    one: Replica, emptied_database: str, bus: Publisher
) -> None:
    """Others may have emptied the spool: then an open breaker closes."""
    two = replica(emptied_database, bus)
    one.bus.away = True
    await one.intake.publish([told(1)])
    await drained(two)
    assert not await one.drain.step()
    assert not one.breaker.open
    await two.engine.dispose()


async def test_the_same_event_waits_once(one: Replica) -> None:
    """A sender's retry during the outage is the same event; the first receipt stays."""
    await one.spool.put([entry(1)])
    one.later(minutes=1)
    await one.spool.put([entry(1, at=one.now, value=b"another receipt")])
    size = await one.spool.look()
    assert (size.rows, size.oldest) == (1, START)
    assert one.metric("nps_ingest_spool_oldest_seconds") == 60


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        pytest.param(SpoolLimits(rows=3), "rows", id="rows"),
        pytest.param(SpoolLimits(bytes=3 * (5 + 2)), "bytes", id="bytes"),
        pytest.param(SpoolLimits(age=timedelta(minutes=1)), "age", id="age of the oldest"),
    ],
)
async def test_a_full_spool_refuses_and_drops_nothing(
    emptied_database: str, bus: Publisher, limits: SpoolLimits, limit: str
) -> None:
    """Exactly the limit fits; the next is refused until something has left."""
    one = replica(emptied_database, bus, limits)
    for number in range(3):
        await one.spool.put([entry(number)])
    if limit == "age":
        one.later(seconds=61)
    with pytest.raises(SpoolFull, match=limit):
        await one.spool.put([entry(3)])
    assert one.metric("nps_ingest_spool_refused_total", limit=limit) == 1
    assert (await one.spool.look()).rows == 3
    await drained(one)
    await one.spool.put([entry(3)])
    assert (await one.spool.look()).rows == 1
    await one.engine.dispose()


async def test_a_call_goes_in_whole_or_not_at_all(emptied_database: str, bus: Publisher) -> None:
    """A batch over the limit leaves nothing behind, and who fits in beside it does go in."""
    one = replica(emptied_database, bus, SpoolLimits(rows=3))
    results = await asyncio.gather(
        one.spool.put([entry(1)]),
        one.spool.put([entry(number) for number in range(2, 6)]),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [type(None), SpoolFull]
    assert (await one.spool.look()).rows == 1
    await one.engine.dispose()


async def test_a_full_spool_is_the_503_with_a_time_to_come_again(
    emptied_database: str, bus: Publisher
) -> None:
    """Nothing is accepted that cannot be kept; the service says it is not ready."""
    one = replica(emptied_database, bus, SpoolLimits(rows=1))
    one.bus.away = True
    await one.intake.publish([told(1)])
    assert await one.intake.missing() == []
    with pytest.raises(Problem) as caught:
        await one.intake.publish([told(2)])
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) > 0
    assert await one.intake.missing() == ["the bus did not acknowledge"]
    await one.engine.dispose()


async def test_hundreds_of_waiting_requests_share_few_transactions(
    one: Replica, emptied_database: str
) -> None:
    """A burst on thousands of waiting rows is a handful of commits, and no count of rows."""
    await one.spool.put([entry(number) for number in range(5000)])
    await asyncio.gather(*(one.spool.put([entry(number)]) for number in range(5000, 5400)))
    commits = await read_sql(
        emptied_database, "SELECT count(DISTINCT xmin::text) FROM ingest.spool"
    )
    assert int(str(commits[0][0])) <= 6
    assert (await one.spool.look()).rows == 5400


async def test_replicas_drain_together_and_lose_nothing(
    emptied_database: str, bus: Publisher
) -> None:
    """Each takes other rows; together they take all, each once."""
    three = [replica(emptied_database, bus) for _ in range(3)]
    await three[0].spool.put([entry(number) for number in range(2000)])
    await asyncio.gather(*(drained(each) for each in three))
    keys = [message.key for each in three for message in each.bus.passed]
    assert sorted(keys) == sorted(f"key-{number}" for number in range(2000))
    assert (await three[0].spool.look()).rows == 0
    for each in three:
        await each.engine.dispose()


async def test_the_oldest_go_first(one: Replica) -> None:
    """In the order in which they were accepted."""
    await one.spool.put([entry(number) for number in (3, 1, 2)])
    await one.spool.put([entry(0)])
    await drained(one)
    assert [m.key for m in one.bus.passed] == ["key-3", "key-1", "key-2", "key-0"]


async def test_a_drain_that_breaks_off_leaves_the_rows(one: Replica) -> None:
    """Ended in the middle of publishing, nothing is gone; somebody publishes again."""
    await one.spool.put([entry(1)])
    reached, never = asyncio.Event(), asyncio.Event()

    class Hanging:
        async def publish(self, _messages: object) -> None:
            reached.set()
            await never.wait()

    inner, one.bus.inner = one.bus.inner, Hanging()
    step = asyncio.ensure_future(one.drain.step())
    await reached.wait()
    step.cancel()
    await asyncio.wait({step})
    assert (await one.spool.look()).rows == 1
    one.bus.inner = inner
    await drained(one)
    assert len(one.bus.passed) == 1


async def test_what_the_bus_never_takes_is_buried_with_a_reason_and_blocks_nobody(
    one: Replica, emptied_database: str
) -> None:
    """A broker may take less than it said; the others go on."""
    await one.spool.put([entry(n, value=b"poison" if n == 2 else b"fine") for n in range(5)])
    one.bus.refuses = b"poison"
    await drained(one)
    assert [m.key for m in one.bus.passed] == ["key-0", "key-1", "key-3", "key-4"]
    dead = await read_sql(emptied_database, "SELECT key, reason, value FROM ingest.spool_dead")
    assert dead == [("key-2", "larger than the bus takes", b"poison")]
    assert (await one.spool.look()).rows == 0
    assert one.metric("nps_ingest_spool_dead_total") == 1
    assert await one.table.prune(START + timedelta(seconds=1)) == 1


async def test_a_record_too_large_for_the_topic_is_refused_before_it_is_spooled(
    one: Replica,
) -> None:
    """The sender learns it as with the bus there: it goes to quarantine, not into a dead end."""
    with pytest.raises(RecordTooLarge):
        await one.spool.put([entry(1, value=b"x" * (1 << 20))])
    assert (await one.spool.look()).rows == 0


async def test_erasing_people_takes_their_rows_and_no_others(one: Replica) -> None:
    """Waiting and dead rows of a person go; the size stays exact."""
    known = told(7).identifiers
    (person,) = people(ROUTE_KEY, known)
    one.bus.refuses = b"poison"
    await one.spool.put([entry(4, value=b"poison", person=person)])
    await drained(one)
    await one.spool.put([entry(1, person=person), entry(2, person="another"), entry(3)])
    assert await one.table.erase(Whom((person,))) == 2
    assert (await one.spool.look()).rows == 2
    assert await one.table.erase(Whom((person,))) == 0


async def test_what_waits_is_seen_while_nothing_goes(one: Replica) -> None:
    """The size is for the time in which the bus is away: that is when somebody looks."""
    one.bus.away = True
    stopping = asyncio.Event()
    loop = asyncio.ensure_future(one.drain.run(stopping))
    await one.spool.put([entry(1), entry(2)])

    async def seen() -> bool:
        return one.metric("nps_ingest_spool_rows") == 2

    await eventually(seen, what="two rows told")
    stopping.set()
    await loop


async def test_a_bus_that_goes_away_half_way_keeps_the_rest(one: Replica) -> None:
    """What was acknowledged is gone, what was not stays and goes later."""
    await one.spool.put([entry(n, value=b"poison" if n == 0 else b"fine") for n in range(4)])
    one.bus.refuses, one.bus.takes = b"poison", 2
    assert await one.drain.step()
    assert (await one.spool.look()).rows == 1
    assert one.breaker.open
    one.bus.takes = None
    await drained(one)
    assert [m.key for m in one.bus.passed] == ["key-1", "key-2", "key-3"]


async def test_rows_changed_by_hand_do_not_close_the_spool(
    one: Replica, emptied_database: str
) -> None:
    """The loop counts once at its start, then drains until it is told to stop."""
    await run_sql(emptied_database, "UPDATE ingest.spool_size SET rows = 900000")
    with pytest.raises(SpoolFull):
        await one.spool.put([entry(1)])
    stopping = asyncio.Event()
    loop = asyncio.ensure_future(one.drain.run(stopping))

    async def taken() -> bool:
        try:
            await one.spool.put([entry(1)])
        except SpoolFull:
            return False
        return True

    async def gone() -> bool:
        return [m.key for m in one.bus.passed] == ["key-1"]

    await eventually(taken, what="room in the spool")
    await eventually(gone, what="the drain loop")
    stopping.set()
    await loop


@pytest.mark.kafka
async def test_a_broker_that_says_nothing_costs_no_sender_5_s_and_no_event(
    emptied_database: str, kafka: str
) -> None:
    """It takes connections and never answers; another replica brings the events to a real one."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    nowhere = KafkaBus(f"127.0.0.1:{port}", client_id="nowhere")
    real = KafkaBus(kafka, client_id="real", topic_prefix=f"t{uuid.uuid4().hex[:10]}.")
    await real.create_topics()
    one, two = (
        replica(emptied_database, nowhere.publisher),
        replica(emptied_database, real.publisher),
    )
    events = [told(number) for number in range(20)]
    async with asyncio.timeout(5):
        await asyncio.gather(*(one.intake.publish([each]) for each in events))
    assert (await one.spool.look()).rows == 20
    await drained(two)
    consumer = await real.subscribe("tests", [FEEDBACK])
    records = await take(consumer, 20)
    assert {envelope.decode(each.value).id for each in records} == {e.event.id for e in events}
    await asyncio.gather(nowhere.close(), real.close())
    await asyncio.gather(one.engine.dispose(), two.engine.dispose())
    silent.close()
