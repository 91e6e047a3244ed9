"""A person is forgotten: nothing of hers is left, and nothing old brings her back."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import connect
from shared.events import outcomes
from tests.builders.erasing import erase_asked, erased, people_of, rows, traces
from tests.builders.facts import (
    ANNA,
    Shelf,
    answered,
    case,
    day,
    handler,
    ids_of,
    invited,
    received,
    reported,
    says,
    settled,
    updated,
)
from tests.builders.merging import count, profiles, tell

MARK = "Écharpe de Zénobie"
NUMBER = "K-4711-ZENOBIE"
TABLES = (
    "facts", "identifiers", "answers", "timers", "aliases", "merges", "apart", "profiles",
)  # fmt: skip


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database, "segmenter")
    yield engine
    await engine.dispose()


HER_LIFE = (
    invited(at=day(-3)),
    answered("r1", 3, comment=MARK, consents=(says(granted=True),)),
    updated(*ids_of(ANNA, NUMBER, "+33612345678"), at=day(0.2), attributes={"first_name": MARK}),
    case("opened", at=day(0.5)),
    reported(outcomes.MessageOpened, at=day(0.7)),
    answered("r1", 4, at=day(0.8), revision=2, comment=f"{MARK} bis"),
)


async def lived(engine: AsyncEngine, shelf: Shelf) -> UUID:
    """Let her live a while; return who she is."""
    await tell(engine, shelf, *HER_LIFE)
    her = shelf.decided()[-1].customer_id
    await tell(engine, shelf, settled(her, at=day(0.9)))
    return her


async def test_nothing_of_hers_is_left(engine: AsyncEngine) -> None:
    """No table holds her words, address or number; of her decisions the ids stay."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    assert await traces(engine, ANNA, MARK, NUMBER)
    before = await count(engine, "SELECT count(*) FROM decisions")
    await tell(engine, shelf, erase_asked(her))
    assert await traces(engine, ANNA, MARK, NUMBER, "+33612345678", "Zénobie") == []
    assert [await rows(engine, table, [her]) for table in TABLES] == [0] * len(TABLES)
    assert await count(engine, "SELECT count(*) FROM decisions") == before + 1
    assert await count(engine, "SELECT count(*) FROM decisions WHERE payload IS NOT NULL") == 1


async def test_it_is_told_with_ids_and_hmacs_only(engine: AsyncEngine) -> None:
    """`customer.erased` names her ids, and HMACs of her addresses and of her answers."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    asked = erase_asked(her)
    await tell(engine, shelf, asked)
    (told,) = erased(shelf)
    assert (told.customer_id, told.customer_ids) == (her, (her,))
    assert set(people_of(*ids_of(ANNA, NUMBER, "+33612345678"))) <= set(told.people)
    assert len(told.people) == 4  # the answer's own identity is one of them
    assert (told.erased_before, told.erased_at) == (day(5), day(5))
    assert shelf.messages[-1].key == str(her)
    assert b"@" not in shelf.messages[-1].value


async def test_the_same_request_again_is_told_again_byte_by_byte(engine: AsyncEngine) -> None:
    """A redelivered request publishes what is stored."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    asked = erase_asked(her)
    await tell(engine, shelf, asked, asked, now=day(6))
    assert len(erased(shelf)) == 2
    assert shelf.messages[-1] == shelf.messages[-2]


async def test_whatever_was_told_before_publishes_and_keeps_nothing(engine: AsyncEngine) -> None:
    """Every old event told again: no customer, no key, no record on the bus."""
    shelf = Shelf()
    her = await lived(engine, shelf)
    await tell(engine, shelf, erase_asked(her))
    state, told = await profiles(engine), len(shelf.messages)
    await tell(engine, shelf, *HER_LIFE, settled(her, at=day(0.9)), now=day(6))
    await handler(engine, shelf, now=day(7))(received(*HER_LIFE))
    assert len(shelf.messages) == told
    assert await profiles(engine) == state == {}
    assert await traces(engine, ANNA, MARK, NUMBER) == []
