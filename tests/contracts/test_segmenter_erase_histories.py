"""Whatever happened before, of a person forgotten no identifier is left in any table."""

import random

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.events.envelope import Event
from tests.builders.facts import Shelf, answered, case, day, ids_of, invited, updated
from tests.builders.forgetting import erase_asked, erased, traces
from tests.builders.merging import aliases, merge_asked, profiles, refusing, tell, unmerge_asked

#: What people are known by; nobody knows yet how many they are.
ADDRESSES = tuple(f"person-{letter}@example.com" for letter in "abcde")
NUMBERS = tuple(f"K-{letter}{letter}{letter}{letter}" for letter in "ABCDE")


def said(chance: random.Random, at: float) -> Event:
    """Somebody says something, under one name or two."""
    email, number = chance.choice(ADDRESSES), chance.choice(NUMBERS)
    kind = chance.randrange(6)
    if kind == 0:
        return answered(
            f"r{at}", chance.randrange(11), email=email, at=day(at), comment=f"§{email}"
        )
    if kind == 1:
        return answered(f"r{chance.randrange(4)}", 5, email=email, at=day(at), revision=int(at * 9))
    if kind == 2:
        return case("opened", f"helpdesk/{chance.randrange(3)}", email=email, at=day(at))
    if kind == 3:
        return invited(email, at=day(at))
    if kind == 4:
        return updated(*ids_of(email), at=day(at), attributes={"note": f"§{email}"})
    return updated(*ids_of(email, number), at=day(at))


async def lived(engine: AsyncEngine, shelf: Shelf, chance: random.Random) -> None:
    """Let them live: messages that link them, merges and undoings by hand."""
    for number in range(24):
        at = number / 10
        event: Event | None = said(chance, at)
        roots = sorted({*await profiles(engine)} - {*await aliases(engine)})
        gone = sorted(await aliases(engine))
        if number % 5 == 3 and len(roots) > 1:
            event = merge_asked(*chance.sample(roots, 2), number=number)
        elif number % 5 == 4 and gone:
            event = unmerge_asked(chance.choice(gone), number=number)
        assert event is not None
        policy = refusing() if chance.random() < 0.3 else None
        await tell(engine, shelf, event, policy=policy, now=day(at + 0.01))


async def names_of(engine: AsyncEngine, customer_id: object) -> list[str]:
    """Read every identifier of a customer and those merged into her."""
    query = text("""
        SELECT value FROM identifiers WHERE kind IN ('email', 'external_id') AND (customer_id = :id
        OR customer_id IN (SELECT customer_id FROM aliases WHERE survivor_id = :id))
    """)
    async with engine.connect() as connection:
        return list(await connection.scalars(query, {"id": customer_id}))


@pytest.mark.parametrize("seed", [0, 2, 4])
async def test_no_name_of_hers_is_left_in_any_table(engine: AsyncEngine, seed: int) -> None:
    """Linked, merged, parted and merged again by chance; then one after the other is forgotten."""
    chance, shelf = random.Random(seed), Shelf()
    await lived(engine, shelf, chance)
    gone: list[str] = []
    while roots := sorted({*await profiles(engine)} - {*await aliases(engine)}):
        her = chance.choice(roots)
        gone += await names_of(engine, her)
        await tell(engine, shelf, erase_asked(her, before=day(4)), now=day(4))
        assert await traces(engine, *gone) == []
        assert her in erased(shelf)[-1].customer_ids
    assert gone
    assert await traces(engine, "@example.com", "§", *NUMBERS) == []
