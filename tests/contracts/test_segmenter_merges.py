"""Customers who turn out to be one: who stays, what is told, and that nobody is told twice."""

import asyncio
from itertools import permutations
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.events import outcomes
from shared.events.envelope import Event
from tests.builders.facts import (
    ANNA,
    BEN,
    Shelf,
    answered,
    day,
    handler,
    ids_of,
    received,
    reported,
    settled,
    updated,
)

NUMBERS = ("C-1", "C-2", "C-3")


async def tell(engine: AsyncEngine, shelf: Shelf, *events: Event) -> None:
    """Handle events one after the other."""
    for told in events:
        await handler(engine, shelf, now=day(5))(received(told))


async def count(engine: AsyncEngine, query: str) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text(query)) or 0)


def known_as(*numbers: str, at: float = 0) -> Event:
    """An update that names a customer by these customer numbers."""
    named = [one for number in numbers for one in ids_of(external_id=number)]
    return updated(*named, at=day(at), attributes={"said": ", ".join(numbers)})


async def test_an_event_may_link_three_customers(engine: AsyncEngine) -> None:
    """The oldest stays, the two others are told as merged into it, and one decision follows."""
    shelf = Shelf()
    await tell(engine, shelf, *(known_as(number) for number in NUMBERS))
    first, second, third = (decided.customer_id for decided in shelf.decided())
    await tell(engine, shelf, known_as(*NUMBERS, at=1))
    oldest = min(first, second, third)  # made at one moment: the lower id
    assert {one.merged_id for one in shelf.merged()} == {first, second, third} - {oldest}
    assert {one.customer_id for one in shelf.merged()} == {oldest}
    last = shelf.decided()[-1]
    assert (last.customer_id, last.version) == (oldest, 2)
    assert {found.value for found in last.identifiers} == set(NUMBERS)


async def test_an_anonymous_answer_joins_whom_it_turns_out_to_be_of_untold(
    engine: AsyncEngine,
) -> None:
    """Nobody was told of it, so nobody is told of the merge, and the known id stays."""
    shelf = Shelf()
    await tell(
        engine,
        shelf,
        answered("r1", 2, email=None, revision=1),
        answered("r0", 9, at=day(-2)),
        answered("r1", revision=2, comment="Trop cher"),
    )
    known, joined = shelf.decided()
    assert shelf.merged() == []
    assert joined.customer_id == known.customer_id
    assert joined.cause.triggers == ("received", "settled")
    assert (joined.snapshot.score, joined.snapshot.theme) == (2, "price")
    assert joined.move is not None
    assert joined.move.kind == "down"


async def test_what_was_decided_before_a_merge_is_told_again_as_it_was(engine: AsyncEngine) -> None:
    """A redelivery repeats the bytes under the old id and its version; the state stays."""
    shelf = Shelf()
    before = [answered("r1", 9), updated(*ids_of(external_id="C-1"))]
    await tell(engine, shelf, *before)
    link = updated(*ids_of(ANNA, external_id="C-1"), at=day(1))
    await tell(engine, shelf, link)
    first = list(shelf.messages)
    state = await count(engine, "SELECT sum(version) FROM profiles")
    await tell(engine, shelf, *before, link)
    assert shelf.messages == first * 2
    assert len(shelf.merged()) == 2
    assert await count(engine, "SELECT sum(version) FROM profiles") == state


async def test_versions_rise_across_merges_and_none_is_given_twice(engine: AsyncEngine) -> None:
    """A survivor goes on above every version that any of its parts ever had."""
    shelf = Shelf()
    many = [updated(at=day(n / 10), attributes={"orders": n}) for n in range(5)]
    await tell(engine, shelf, known_as("C-1"), *many)
    await tell(engine, shelf, updated(*ids_of(ANNA, external_id="C-1"), at=day(1)))
    await tell(engine, shelf, answered("r1", 9, at=day(2)))
    assert [decided.version for decided in shelf.decided()] == [1, 1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(
                text("""
                    INSERT INTO decisions (event_id, decision_id, customer_id, version, kind,
                                           decided_at)
                    SELECT gen_random_uuid(), decision_id, customer_id, version, kind, decided_at
                    FROM decisions LIMIT 1
                """)
            )


async def test_merges_in_a_ring_by_three_handlers_end_in_one_customer(engine: AsyncEngine) -> None:
    """A-B, B-C and C-A at once: deadlocks are repeated, one customer and sound versions stay."""
    orders = list(permutations(((0, 1), (1, 2), (2, 0))))
    shelves = [Shelf() for _ in range(3)]

    async def work(which: int) -> None:
        handle = handler(engine, shelves[which], now=day(5))
        for round_, order in enumerate(orders):
            a, b = order[which]
            first, second = f"{round_}-{NUMBERS[a]}", f"{round_}-{NUMBERS[b]}"
            await handle(received(known_as(first, at=which), known_as(second, at=which)))
            await handle(received(known_as(first, second, at=which)))

    await asyncio.gather(*(work(which) for which in range(3)))
    survivors = "SELECT customer_id FROM profiles EXCEPT SELECT customer_id FROM aliases"
    assert await count(engine, f"SELECT count(*) FROM ({survivors}) AS s") == len(orders)
    chains = "SELECT count(*) FROM aliases WHERE survivor_id IN (SELECT customer_id FROM aliases)"
    assert await count(engine, chains) == 0
    told = [(d.customer_id, d.version) for shelf in shelves for d in shelf.decided()]
    assert len(told) == len(set(told))
    merged = [one.merged_id for shelf in shelves for one in shelf.merged()]
    assert len(merged) == len(set(merged)) == await count(engine, "SELECT count(*) FROM aliases")


async def test_a_delivery_of_nobody_known_is_kept_and_told_to_nobody(engine: AsyncEngine) -> None:
    """An id of ours that no customer has makes nobody of itself, however often it is told."""
    shelf = Shelf()
    lost = settled(UUID(int=5), "d1")
    await tell(engine, shelf, lost, lost, settled(UUID(int=5), "d1", at=day(1), change=2))
    assert shelf.messages == []
    assert await count(engine, "SELECT count(*) FROM facts") == 2
    believed = f"SELECT count(*) FROM profiles WHERE customer_id = '{UUID(int=5)}'"
    assert await count(engine, believed) == 0


async def test_a_report_by_delivery_alone_waits_for_its_delivery(engine: AsyncEngine) -> None:
    """An unsubscribe that overtakes our own record is hers as soon as the delivery is known."""
    shelf = Shelf()
    await tell(engine, shelf, answered("r1", 9), answered("r2", 9, email=BEN))
    anna = shelf.decided()[0].customer_id
    await tell(engine, shelf, reported(outcomes.MessageUnsubscribed, None, delivery="d1"))
    assert len(shelf.decided()) == 2
    await tell(engine, shelf, settled(anna, "d1"))
    last = shelf.decided()[-1]
    assert last.customer_id == anna
    assert {p.reason for p in last.permits if p.contact_class == "marketing"} == {
        "marketing refused on this channel"
    }
