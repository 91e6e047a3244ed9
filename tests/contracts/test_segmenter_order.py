"""Order never decides: any permutation, duplication and split ends in the same profiles."""

import asyncio
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.profile.facts import Key
from services.segmenter.profile.state import Profile, load
from shared.database import connect
from shared.events.envelope import Event
from tests.builders.facts import Shelf, day, handler, received
from tests.builders.histories import histories
from tests.builders.segmenter_checks import expected


async def stored(engine: AsyncEngine) -> dict[frozenset[Key], Profile]:
    """The profile of each customer as the database has it, by all keys that lead to her."""
    query = text("""
        SELECT coalesce(a.survivor_id, i.customer_id) AS id, i.kind, i.value,
               CAST(p.state AS text) AS state
        FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
        JOIN profiles p ON p.customer_id = coalesce(a.survivor_id, i.customer_id)
    """)
    keys: dict[UUID, set[Key]] = {}
    states: dict[UUID, Profile] = {}
    async with engine.connect() as connection:
        for row in await connection.execute(query):
            keys.setdefault(row.id, set()).add((row.kind, row.value))
            states[row.id] = load(row.state)
    return {frozenset(keys[customer]): states[customer] for customer in keys}


async def empty(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for table in ("profiles", "identifiers", "aliases", "facts", "decisions", "timers"):
            await connection.execute(text(f"DELETE FROM {table}"))


async def test_two_concurrent_handlers_end_in_the_profile_of_the_set(database: str) -> None:
    """Two handlers that share a shuffled history with copies agree with the set of facts."""
    engine = connect(database, "segmenter")
    try:
        for number, (events, told) in enumerate(_examples()):
            await empty(engine)
            shelves = (Shelf(), Shelf())
            handlers = [handler(engine, shelf, now=day(40)) for shelf in shelves]
            batches: list[list[list[Event]]] = [[], []]
            for place, batch in enumerate(told):
                batches[place % 2].append(batch)

            async def work(which: int) -> None:
                for batch in batches[which]:  # noqa: B023 - awaited below, in this round
                    await handlers[which](received(*batch))  # noqa: B023

            await asyncio.gather(work(0), work(1))
            assert await stored(engine) == expected(events), f"history {number}"
            await _versions_are_sound(engine)
    finally:
        await engine.dispose()


async def _versions_are_sound(engine: AsyncEngine) -> None:
    """No two decisions of one customer share a version, and none is above the profile's."""
    query = text("""
        SELECT count(*) FILTER (WHERE d.version > p.version),
               count(*) - count(DISTINCT (d.customer_id, d.version))
        FROM decisions d JOIN profiles p USING (customer_id)
    """)
    async with engine.connect() as connection:
        assert tuple((await connection.execute(query)).one()) == (0, 0)


def _examples() -> list[tuple[list[Event], list[list[Event]]]]:
    """Draw histories, shuffled, with copies and cut into batches; the same ones on each run."""
    found: list[tuple[list[Event], list[list[Event]]]] = []

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories(), st.randoms(use_true_random=False), st.integers(1, 5))
    def draw(events: list[Event], random: object, size: int) -> None:
        shuffle = getattr(random, "shuffle")  # noqa: B009 - hypothesis gives no type
        told = [*events, *events[::3]]
        shuffle(told)
        found.append((events, [told[at : at + size] for at in range(0, len(told), size)]))

    draw()
    return found
