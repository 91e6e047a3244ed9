"""The segmenter as its `build` wires it, on the bus: events in, decisions and progress out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from prometheus_client import CollectorRegistry, generate_latest

from services.segmenter.__main__ import build
from services.segmenter.metrics import Metrics
from services.segmenter.store.progress import ProgressTeller
from shared.bus.port import Consumer, Message
from shared.events.decisions import CustomerDecided, CustomerErased, SegmenterProgressed
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES, Event, decode, encode
from shared.events.vocabulary import Identifier
from shared.hosting import Part, make_app
from shared.identifiers import hashed
from shared.process import Context, open_context
from shared.settings import Settings
from tests.builders.facts import ANNA, SHIPPED, Shelf, answered, settled
from tests.builders.waiting import eventually

SECRETS = {"NPS_TOKEN_OPERATOR": "operator", "NPS_ROUTE_SECRET": "route key of the tests"}


@asynccontextmanager
async def context_of(database: str) -> AsyncIterator[Context]:
    settings = Settings(database_url=database, bus="postgres", config=SHIPPED.parent)
    async with open_context(settings, SECRETS) as context:
        yield context


@asynccontextmanager
async def running(part: Part) -> AsyncIterator[None]:
    """Run a part's loops; ends with whatever one of them raised."""
    stopping = asyncio.Event()
    tasks = [asyncio.ensure_future(task(stopping)) for task in part.tasks.values()]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)
        await part.close()


async def tell(context: Context, *events: Event) -> None:
    await context.bus.publisher.publish(
        [Message(topic=told.topic, key="route", value=encode(told)) for told in events]
    )


class Reader:
    """Everything published on `nps.decisions` so far."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.events: list[Event] = []

    async def decided(self, count: int) -> list[CustomerDecided]:
        """Wait for so many decisions."""

        async def enough() -> bool:
            self.events += [decode(r.value) for r in await self._consumer.poll(100)]
            return len(self._decided()) >= count

        await eventually(enough, what=f"{count} decisions")
        return self._decided()

    async def progressed(self) -> set[tuple[str, int]]:
        """Wait for a progress of both inputs."""

        async def both() -> set[tuple[str, int]]:
            self.events += [decode(r.value) for r in await self._consumer.poll(100)]
            found = {
                (event.data.topic, event.data.partitions)
                for event in self.events
                if isinstance(event.data, SegmenterProgressed)
            }
            return found if len(found) > 1 else set()

        return await eventually(both, what="progress of both inputs")

    async def erased(self) -> list[CustomerErased]:
        """Wait for somebody to be forgotten."""

        async def some() -> list[CustomerErased]:
            self.events += [decode(r.value) for r in await self._consumer.poll(100)]
            return [e.data for e in self.events if isinstance(e.data, CustomerErased)]

        return await eventually(some, what="an erasure")

    def _decided(self) -> list[CustomerDecided]:
        return [e.data for e in self.events if isinstance(e.data, CustomerDecided)]


async def test_events_on_the_bus_become_decisions_and_progress(database: str) -> None:
    """Feedback and outcomes are consumed, decided and counted; progress is told; it is ready."""
    async with context_of(database) as context:
        part = await build(context)
        reader = Reader(await context.bus.subscribe("reader", [DECISIONS]))
        async with running(part):
            await tell(context, answered("r1", 8))
            (first,) = await reader.decided(1)
            assert first.snapshot.segment == "passive"
            await tell(context, settled(first.customer_id))
            _, second = await reader.decided(2)
            assert (second.version, second.cause.kind) == (2, "message")
            assert await reader.progressed() == {(FEEDBACK, 1), (OUTCOMES, 1)}
            assert list(await part.ready()) == []
            assert list(part.alive()) == []
        metrics = generate_latest(context.registry).decode()
    assert 'nps_segmenter_decisions_total{published="yes"} 2.0' in metrics
    assert 'nps_segmenter_lag_seconds{partition="0",topic="nps.feedback"}' in metrics


async def test_a_restart_goes_on_where_it_stopped(database: str) -> None:
    """What is told while the segmenter is down is decided when it is back."""
    async with context_of(database) as context, running(await build(context)):
        reader = Reader(await context.bus.subscribe("reader", [DECISIONS]))
        await tell(context, answered("r1", 8))
        await reader.decided(1)
    async with context_of(database) as context:
        await tell(context, answered("r2", 9))
        reader = Reader(await context.bus.subscribe("reader", [DECISIONS]))
        async with running(await build(context)):
            decided = await reader.decided(2)
    assert [one.version for one in decided] == [1, 2]
    assert decided[-1].snapshot.segment == "promoter"


async def test_what_waits_is_not_told_as_handled(database: str) -> None:
    """Progress reaches only up to the oldest record that waits, and the lag shows its age."""
    async with context_of(database) as context:
        consumer = await context.bus.subscribe("segmenter", [FEEDBACK])
        await tell(context, answered("r1", 3))
        (record,) = await eventually(lambda: consumer.poll(1), what="the record")
        shelf = Shelf()
        teller = ProgressTeller(
            consumer,
            shelf,
            clock=lambda: record.at + timedelta(seconds=90),
            metrics=Metrics(context.registry),
        )
        assert await teller.tell() == 1
        await consumer.commit({record.partition: record.offset + 1})
        await teller.tell()
        waiting, done = (event.data for event in shelf.events())
    assert isinstance(waiting, SegmenterProgressed)
    assert isinstance(done, SegmenterProgressed)
    assert (waiting.upto, done.upto) == (record.at, record.at + timedelta(seconds=90))


async def test_a_person_is_forgotten_from_the_request_to_the_bus(database: str) -> None:
    """Asked for by the API, told on the bus, done, told again to the others, with a receipt."""
    async with context_of(database) as context:
        part = await build(context)
        reader = Reader(await context.bus.subscribe("reader", [DECISIONS]))
        app = make_app([part], CollectorRegistry())
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://nps.test",
            headers={"Authorization": "Bearer operator"},
        )
        async with running(part), client:
            await tell(context, answered("r1", 8))
            (decided, *_) = await reader.decided(1)
            asked = await client.post("/v1/customers/erase", json={"email": ANNA})
            assert asked.status_code == 202
            (erased,) = await reader.erased()
            assert erased.customer_ids == (decided.customer_id,)
            email = Identifier(kind="email", value=ANNA)
            assert hashed(SECRETS["NPS_ROUTE_SECRET"].encode(), email) in erased.people
            receipt = (await client.get(asked.json()["receipt"])).json()
            assert (receipt["state"], receipt["counts"]["facts"]) == ("done", 1)
            gone = await client.get(f"/v1/customers/{decided.customer_id}")
            assert gone.status_code == 404
