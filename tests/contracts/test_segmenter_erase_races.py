"""An erasure beside other handlers: whoever comes first, nothing of hers is left."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.erase.request import Requests
from shared.database import connect
from shared.events.envelope import Event
from tests.builders.auditing import trail
from tests.builders.facts import (
    ANNA,
    BEN,
    ROUTE_KEY,
    Shelf,
    answered,
    case,
    day,
    handler,
    ids_of,
    invited,
    received,
    updated,
)
from tests.builders.forgetting import erase_asked, erased, people_of, traces
from tests.builders.merging import count, tell
from tests.builders.waiting import eventually

NUMBER = "K-4711-ZENOBIE"


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database, "segmenter", connections=12)
    yield engine
    await engine.dispose()


async def waiting(engine: AsyncEngine) -> int:
    """Count who waits for a lock."""
    async with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
        return int(await connection.scalar(query) or 0)


async def test_an_erasure_waits_for_the_batch_at_work_and_holds_the_next_one_off(
    engine: AsyncEngine,
) -> None:
    """What a batch adds before its commit is deleted, what comes behind the erasure is dropped."""
    shelf = Shelf()
    await tell(engine, shelf, answered("r1", 9))
    her = shelf.decided()[0].customer_id
    async with engine.connect() as at_work:
        # Somebody else's transaction has her row: the batch stands still in the midst of its work.
        row = text("SELECT 1 FROM profiles WHERE customer_id = :id FOR UPDATE")
        await at_work.execute(row, {"id": her})
        first = asyncio.create_task(
            handler(engine, shelf, now=day(5))(received(updated(*ids_of(ANNA, NUMBER))))
        )
        await eventually(lambda: holds_shared(engine), what="the batch at her row")
        erasing = asyncio.create_task(
            handler(engine, shelf, now=day(5))(received(erase_asked(her)))
        )
        await eventually(lambda: waiters(engine, 1), what="the erasure behind the batch")
        late = answered("r2", 3, at=day(1), comment=NUMBER)
        behind = asyncio.create_task(handler(engine, shelf, now=day(5))(received(late)))
        await eventually(lambda: waiters(engine, 2), what="the next batch behind the erasure")
        await at_work.rollback()
    await asyncio.gather(first, erasing, behind)
    (told,) = erased(shelf)
    assert {*people_of(*ids_of(ANNA, NUMBER))} <= {*told.people}
    assert await traces(engine, ANNA, NUMBER) == []
    assert await count(engine, "SELECT count(*) FROM profiles") == 0


async def holds_shared(engine: AsyncEngine) -> bool:
    """Tell whether a batch has the lock and waits for a row."""
    query = text(
        "SELECT count(*) FROM pg_locks a JOIN pg_locks b ON a.pid = b.pid "
        "WHERE a.locktype = 'advisory' AND a.granted AND NOT b.granted"
    )
    async with engine.connect() as connection:
        return bool(await connection.scalar(query))


async def waiters(engine: AsyncEngine, wanted: int) -> bool:
    return await waiting(engine) == wanted


@pytest.mark.parametrize("seed", range(4))
async def test_concurrent_batches_and_an_erasure_never_leave_a_row_of_hers(
    engine: AsyncEngine, seed: int
) -> None:
    """Eight handlers, her events in any order with copies, an erasure in between."""
    shuffle = random.Random(seed)
    shelf = Shelf()
    await tell(engine, shelf, answered("r0", 9), answered("b0", 9, email=BEN))
    ben = shelf.decided()[1].customer_id
    hers: list[Event] = [
        invited(at=day(-1)),
        updated(*ids_of(ANNA, NUMBER), at=day(0.1)),
        case("opened", at=day(0.2)),
        *(answered(f"r{number}", number, at=day(number / 10)) for number in range(1, 9)),
        *(answered(f"r{n}", 5, email=None, revision=2, at=day(n / 10)) for n in range(1, 9)),
        updated(*ids_of(external_id=NUMBER), at=day(0.9)),
    ]
    others = [answered(f"b{n}", n, email=BEN, at=day(n / 10)) for n in range(1, 9)]
    told = [*hers, *hers, *others]
    shuffle.shuffle(told)
    batches: list[Sequence[Event]] = [told[place::8] for place in range(8)]
    asked = Shelf()
    requests = Requests(engine, asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: day(5))
    keys = [(one.kind, one.value) for one in ids_of(ANNA, NUMBER)]
    await requests.ask(uuid4(), [], keys, "operator")
    batches.insert(shuffle.randrange(9), asked.events())
    await asyncio.gather(
        *(handler(engine, shelf, now=day(5))(received(*batch)) for batch in batches)
    )
    await handler(engine, shelf, now=day(6))(received(*hers))
    # An answer without an address that came before anybody knew whose it is.
    await requests.tell()
    await handler(engine, shelf, now=day(6))(received(*asked.events()))
    assert await traces(engine, ANNA, NUMBER) == []
    assert await count(engine, "SELECT count(*) FROM profiles") == 1
    assert await count(engine, "SELECT count(*) FROM facts") == 9
    assert await count(engine, "SELECT count(*) FROM facts WHERE customer_id = :id", id=ben) == 9
