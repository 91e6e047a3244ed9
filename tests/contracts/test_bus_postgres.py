"""What only the PostgreSQL log promises: gapless offsets, leases, pruning, a server that dies."""

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.consume import ConsumeLoop, Received, Rejected
from shared.bus.port import Bus, Message
from shared.bus.postgres import PostgresBus
from shared.database import connect, migrate, provision
from shared.embedded import EmbeddedPostgres
from shared.errors import BusAway, ConfigError, DependencyAway
from shared.events.envelope import DECISIONS, FEEDBACK
from tests.builders.buses import Buses, take
from tests.builders.postgres import run_sql
from tests.builders.waiting import eventually
from tests.contracts.test_bus_consume import Clock, event

PATIENCE = timedelta(seconds=3)


@pytest.fixture
def bus_place(database: str) -> Buses:
    """Only the log, here."""
    return Buses("postgres", database)


def record(number: int) -> Message:
    return Message(FEEDBACK, "route", str(number).encode())


async def test_offsets_are_gapless_and_a_reader_meanwhile_sees_no_hole(buses: Buses) -> None:
    """Two processes publish at once while a third reads: it never skips a record still to come."""
    writers = [await buses.open(), await buses.open()]
    consumer = await (await buses.open()).subscribe("g", [FEEDBACK])

    async def publish(writer: Bus, start: int) -> None:
        for n in range(start, start + 100, 4):
            await writer.publisher.publish([record(n + i) for i in range(4)])

    publishing = asyncio.gather(
        *(publish(w, start) for w, first in zip(writers, (0, 500), strict=True)
          for start in range(first, first + 500, 100))
    )  # fmt: skip
    records = await take(consumer, 1000)
    await publishing

    assert [r.offset for r in records] == list(range(1000))
    assert {int(r.value) for r in records} == set(range(1000))


async def test_a_stand_by_gets_nothing_while_the_holder_polls(buses: Buses) -> None:
    """One active consumer per topic and group, so nothing is done twice in normal operation."""
    bus, other = await buses.open(), await buses.open()
    holder = await bus.subscribe("g", [FEEDBACK])
    await holder.poll(1)
    stand_by = await other.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([record(n) for n in range(5)])

    assert len(await take(holder, 5)) == 5
    assert not any([await stand_by.poll(1) for _ in range(3)])
    assert dict(stand_by.assigned()) == {}


async def test_a_lapsed_lease_that_nobody_took_goes_on(buses: Buses) -> None:
    """A pause of the whole machine costs a lone member neither its place nor a redelivery."""
    consumer = await (await buses.open()).subscribe("g", [FEEDBACK])
    bus = await buses.open()
    await bus.publisher.publish([record(n) for n in range(3)])
    first = await take(consumer, 2)
    epochs = dict(consumer.assigned())
    await run_sql(buses.url, "UPDATE bus.groups SET lease_until = '-infinity'")

    await consumer.commit({first[0].partition: first[-1].offset + 1})

    assert [r.value for r in await take(consumer, 1)] == [b"2"]
    assert consumer.assigned() == epochs


async def test_a_handler_that_outlasts_the_lease_keeps_its_work(buses: Buses) -> None:
    """While it works, polls renew the lease, so the stand-by does not get the same records."""
    bus, other = await buses.open(patience=PATIENCE), await buses.open(patience=PATIENCE)
    await bus.publisher.publish([event(0)])
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Received]) -> Sequence[Rejected]:
        begun.set()
        await go_on.wait()
        done.set()
        return []

    loop = ConsumeLoop(await bus.subscribe("g", [FEEDBACK]), bus.publisher, slow, clock=Clock())
    stopping = asyncio.Event()
    task = asyncio.create_task(loop.run(stopping))
    await begun.wait()
    stand_by = await other.subscribe("g", [FEEDBACK])

    for _ in range(30):  # of 200 ms each: twice the lease
        assert not await stand_by.poll(1)
    go_on.set()
    await done.wait()
    stopping.set()
    await task

    assert not any([await stand_by.poll(1) for _ in range(3)])


async def test_what_is_older_than_the_retention_is_pruned(buses: Buses) -> None:
    """Numbers go on where they were, and a group that slept finds the oldest that is kept."""
    bus = await buses.open()
    await bus.publisher.publish([record(n) for n in range(5)])
    in_eight_days = datetime.now(UTC) + timedelta(days=8)
    engine = connect(buses.url, "bus", connections=1)
    pruner = PostgresBus(engine, member="pruner", clock=lambda: in_eight_days)
    idle = PostgresBus(engine, member="idle")

    assert await idle.prune() == 0
    assert await pruner.prune() == 5

    await engine.dispose()
    await bus.publisher.publish([record(5)])
    (kept,) = await take(await bus.subscribe("late", [FEEDBACK]), 1)
    assert (kept.offset, kept.value) == (5, b"5")


async def test_a_missing_topic_or_log_is_named_with_its_fix(buses: Buses) -> None:
    """A start on a database that was not migrated ends with one line."""
    bus = await buses.open()
    await run_sql(buses.url, f"DELETE FROM bus.topics WHERE topic = '{DECISIONS}'")
    with pytest.raises(ConfigError, match=r"lacks nps\.decisions: run the migrations"):
        await bus.check()

    await run_sql(buses.url, "DROP TABLE bus.topics")
    with pytest.raises(ConfigError, match="run the migrations"):
        await bus.check()


async def test_a_closed_request_does_not_harm_the_others(buses: Buses) -> None:
    """A caller that is cancelled while waiting takes nobody else's records along."""
    bus = await buses.open()
    gone = asyncio.create_task(bus.publisher.publish([record(0)]))
    stays = asyncio.create_task(bus.publisher.publish([record(1)]))
    await asyncio.sleep(0)
    gone.cancel()
    await stays

    assert [r.value for r in await take(await bus.subscribe("g", [FEEDBACK]), 1)] == [b"1"]


async def test_a_server_that_dies_and_comes_back_costs_no_acknowledged_record(
    own_postgres: EmbeddedPostgres,
) -> None:
    """Meanwhile publish and poll say that the bus is away; nothing needs a restart of ours."""
    url = await own_postgres.start()
    await provision(url)
    await migrate(url, "bus")
    buses = Buses("postgres", url)
    bus = await buses.open()
    consumer = await bus.subscribe("g", [FEEDBACK])
    await bus.publisher.publish([record(0)])
    (first,) = await take(consumer, 1)
    assert own_postgres.pid is not None
    os.kill(own_postgres.pid, signal.SIGKILL)

    with pytest.raises(BusAway):
        await bus.publisher.publish([record(1)])
    with pytest.raises(DependencyAway):
        await consumer.commit({first.partition: first.offset + 1})
    with pytest.raises(DependencyAway):
        await bus.check()

    await own_postgres.stop()  # what is left of it
    assert await own_postgres.start() == url

    async def published() -> bool:
        try:
            await bus.publisher.publish([record(2)])
        except BusAway:
            return False
        return True

    await eventually(published)
    seen: list[bytes] = []

    async def all_seen() -> bool:
        try:
            seen.extend(r.value for r in await consumer.poll(10))
        except DependencyAway:
            return False
        return b"2" in seen

    await eventually(all_seen)
    late = await take(await bus.subscribe("late", [FEEDBACK]), 2)
    assert late[0].value == b"0"
    assert [r.offset for r in late] == [0, 1]
    await buses.close()
