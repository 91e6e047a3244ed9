"""What is promised of authentic bodies: kept beside the work, readable, erasable, pruned."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep.bodies import Bodies
from services.ingest.keep.bodies_table import BodiesTable, Body
from services.ingest.keep.configs import Configs, remembering, used
from services.ingest.keep.people import Whom, people
from shared import identifiers
from shared.database import connect
from shared.errors import DependencyAway
from tests.builders.ingest_store import ROUTE_KEY, START
from tests.builders.waiting import eventually

EVENT = UUID("6a1fd7e0-9c8e-4a83-8a43-0a6d5cf44a11")
PLAIN = Body(source="shop", received_at=START, mapping="v1", body=b"{}")


def body(number: int, **changes: Any) -> Body:
    """One body; `changes` replace its fields."""
    return replace(PLAIN, body=f'{{"n":{number}}}'.encode(), **changes)


async def written(bodies: Bodies) -> None:
    """Write what is kept, as at the end of a process."""
    stopping = asyncio.Event()
    stopping.set()
    await bodies.run(stopping)


async def test_a_body_comes_back_as_it_came(ingest_engine: AsyncEngine) -> None:
    """With all that maps it again, and whom it concerns as HMACs."""
    known = [
        identifiers.AS_SAID.email("camille@example.com"),
        identifiers.response("shop", "s", "R-1"),
    ]
    whom = people(ROUTE_KEY, [each for each in known if each])
    told = Body(
        source="shop",
        received_at=START,
        mapping="v1",
        body=b"\x00\xff raw",
        content_type="application/json",
        headers={"x-survey": "été"},
        query="a=1&b=%C3%A9",
        survey="s",
        response_id="R-1",
        event_ids=(EVENT, EVENT),
        people=whom,
        said_at=START - timedelta(minutes=5),
    )
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry())
    bodies.keep(told)
    await written(bodies)
    (kept,) = await bodies.read("shop", since=START, limit=10)
    assert {name: getattr(kept, name) for name in Body.__slots__ if name != "secrets"} == {
        name: getattr(told, name) for name in Body.__slots__ if name != "secrets"
    }
    assert [len(mark) for mark in whom] == [64, len("said:") + 64]


async def test_bodies_of_one_batch_keep_what_is_their_own(ingest_engine: AsyncEngine) -> None:
    """Written together, each comes back with its own survey, version, headers and query."""
    told = [
        body(
            number,
            survey=("s", "t", None)[number % 3],
            mapping=f"v{number % 2}",
            headers={"x-survey": f"h{number % 4}"} if number % 5 else {},
            query=f"n={number % 3}",
            secrets=(b"hush",) if number % 2 else (),
        )
        for number in range(40)
    ]
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry())
    for each in told:
        bodies.keep(each)
    await written(bodies)

    kept = await bodies.read("shop", since=START, limit=100)
    names = ("body", "survey", "mapping", "headers", "query")
    assert [[getattr(one, name) for name in names] for one in kept] == [
        [getattr(one, name) for name in names] for one in told
    ]


async def test_secrets_are_struck_out_of_all_that_is_kept(ingest_engine: AsyncEngine) -> None:
    """Body, query and headers, however the sender wrote them."""
    secret = b"s3cret/with+signs"
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry())
    bodies.keep(
        replace(
            PLAIN,
            body=b'{"a":"s3cret\\/with+signs"}',
            query="token=s3cret%2Fwith%2Bsigns",
            headers={"x-token": "s3cret/with+signs"},
            secrets=(secret,),
        )
    )
    await written(bodies)
    (kept,) = await bodies.read("shop", since=START, limit=10)
    assert kept.body == b'{"a":"***"}'
    assert (kept.query, kept.headers) == ("token=***", {"x-token": "***"})


async def test_the_loop_writes_what_comes_in(ingest_engine: AsyncEngine) -> None:
    """Within a fraction of a second, many rows a transaction, and the rest at the end."""
    registry = CollectorRegistry()
    bodies = Bodies(BodiesTable(ingest_engine), registry=registry)
    stopping = asyncio.Event()
    loop = asyncio.ensure_future(bodies.run(stopping))
    for number in range(1200):
        bodies.keep(body(number))

    async def all_there() -> bool:
        return registry.get_sample_value("nps_ingest_bodies_kept_total") == 1200

    await eventually(all_there, what="the bodies")
    bodies.keep(body(1200))
    stopping.set()
    await loop
    read = await bodies.read("shop", since=START, limit=2000)
    assert [each.body for each in read] == [body(number).body for number in range(1201)]


async def test_reading_goes_page_by_page(ingest_engine: AsyncEngine) -> None:
    """One source, from a moment on, in the order of writing, each once."""
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry())
    for number in range(7):
        bodies.keep(body(number, received_at=START + timedelta(minutes=number)))
        bodies.keep(body(number, source="other"))
    await written(bodies)
    since, found, after = START + timedelta(minutes=1), list[bytes](), 0
    while page := await bodies.read("shop", since=since, limit=4, after=after):
        found += [each.body for each in page]
        after = page[-1].id
    assert found == [body(number).body for number in range(1, 7)]


async def test_erasing_takes_rows_written_and_not_yet_written(ingest_engine: AsyncEngine) -> None:
    """Of these people, and nobody else's."""
    registry = CollectorRegistry()
    bodies = Bodies(BodiesTable(ingest_engine), registry=registry)
    bodies.keep(body(1, people=("a", "b")))
    bodies.keep(body(2, people=("c",)))
    await written(bodies)
    bodies.keep(body(3, people=("b",)))
    bodies.keep(body(4))
    assert await bodies.erase(Whom(("b", "unknown"))) == 2
    await written(bodies)
    read = await bodies.read("shop", since=START, limit=10)
    assert [each.body for each in read] == [body(2).body, body(4).body]


async def test_old_bodies_are_deleted(ingest_engine: AsyncEngine) -> None:
    """Received before the moment; the others stay."""
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry())
    for number in range(5):
        bodies.keep(body(number, received_at=START + timedelta(days=number)))
    await written(bodies)
    assert await bodies.prune(START + timedelta(days=3)) == 3
    assert len(await bodies.read("shop", since=START, limit=10)) == 2


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda table, r: Bodies(table, registry=r, most_rows=3), id="rows"),
        pytest.param(lambda table, r: Bodies(table, registry=r, most_bytes=3 * 7), id="bytes"),
    ],
)
async def test_a_database_away_drops_the_overflow_and_delays_nobody(
    make: Callable[[BodiesTable, CollectorRegistry], Bodies],
) -> None:
    """What fits in memory waits, the rest is counted; keeping never raises."""
    registry = CollectorRegistry()
    nowhere = connect("postgresql+asyncpg://nobody@127.0.0.1:1/none", "ingest")
    bodies = make(BodiesTable(nowhere), registry)
    for number in range(5):
        bodies.keep(body(number))
    assert registry.get_sample_value("nps_ingest_bodies_waiting") == 3
    assert (
        registry.get_sample_value("nps_ingest_bodies_dropped_total", {"reason": "queue_full"}) == 2
    )
    with pytest.raises(DependencyAway):
        await bodies.read("shop", since=START, limit=1)
    await written(bodies)  # ends although nothing can be written
    assert registry.get_sample_value("nps_ingest_bodies_waiting") == 3
    await nowhere.dispose()


async def test_a_row_that_the_database_refuses_stops_no_other(ingest_engine: AsyncEngine) -> None:
    """A bug in one body costs that body alone."""
    registry = CollectorRegistry()
    bodies = Bodies(BodiesTable(ingest_engine), registry=registry)
    bodies.keep(body(1))
    bodies.keep(body(2, survey="nul \x00"))
    bodies.keep(body(3))
    await written(bodies)
    assert len(await bodies.read("shop", since=START, limit=10)) == 2
    assert registry.get_sample_value("nps_ingest_bodies_dropped_total", {"reason": "refused"}) == 1


async def test_nothing_is_kept_where_it_is_switched_off(ingest_engine: AsyncEngine) -> None:
    """`bodies_days: 0` means that no body ever reaches the disk."""
    bodies = Bodies(BodiesTable(ingest_engine), registry=CollectorRegistry(), on=False)
    bodies.keep(body(1))
    await written(bodies)
    assert await bodies.read("shop", since=START, limit=10) == []


async def test_a_mapping_is_found_by_its_version_for_ever(ingest_engine: AsyncEngine) -> None:
    """Stored at its first use; the same content has the same version, whatever its order."""
    configs = Configs(ingest_engine)
    first = used("shop", {"preset": "generic", "secrets": ["env:NPS_SECRET_SHOP"]})
    again = used("shop", {"secrets": ["env:NPS_SECRET_SHOP"], "preset": "generic"})
    other = used("shop", {"preset": "generic"})
    await configs.remember([first, other], START)
    await configs.remember([again], START + timedelta(days=1))
    assert first.version == again.version != other.version != used("b", other.entry).version
    found = await configs.get(first.version)
    assert found == replace(first, first_used_at=START)
    assert await configs.get("unheard of") is None


async def test_mappings_in_use_are_stored_by_the_parts_own_task(ingest_engine: AsyncEngine) -> None:
    """At the start, and the task stays until the process ends."""
    mapping = used("shop", {"preset": "generic"})
    stopping = asyncio.Event()
    task = asyncio.ensure_future(
        remembering(Configs(ingest_engine), [mapping], lambda: START)(stopping)
    )

    async def stored() -> bool:
        return await Configs(ingest_engine).get(mapping.version) is not None

    await eventually(stored, what="the mapping")
    assert not task.done()
    stopping.set()
    await task
