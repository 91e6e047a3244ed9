"""Claims on a real PostgreSQL: nobody waits for the end of somebody else's backlog."""

import uuid
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import text

from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes import claim
from services.dispatcher.plan.plan import Rulebook
from tests.builders.decisions import NOW, decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules

TELL = play(
    "tell", "detractor", "alert", target="alerts", channels=["chat"], **{"class": "internal"}
)


def book(concurrency: int) -> Rulebook:
    """Alerts, which know no limit for one customer."""
    known = rules(TELL)
    target = TargetRules("alerts", concurrency, (), (), None, True)
    return Rulebook(known.playbook, known.version, {**known.targets, "alerts": target})


def people(number: int, *, start: int) -> list[UUID]:
    """Customers in the order of their ids, which is that of the queue where all are due at once."""
    return [uuid.UUID(int=start + n) for n in range(number)]


async def fill(d: Dispatching, *, heavy: int, each: int, light: int) -> tuple[set[UUID], set[UUID]]:
    """Have deliveries due at one moment: `each` of some customers, then one of each other."""
    first, others = people(heavy, start=1), people(light, start=10_000)
    await d.tell(
        *(decision(one, version=n, response=f"r{n}") for one in first for n in range(1, each + 1)),
        *(decision(one) for one in others),
    )
    await d.execute("UPDATE deliveries SET due = :at", at=NOW)
    return set(first), set(others)


async def step(d: Dispatching) -> list[UUID]:
    """Let the lane claim once; returns whom it called about."""
    before = len(d.carriers["alerts"].actions)
    await d.fresh()
    await d.lanes["alerts"].step()
    await d.lanes["alerts"].settle()
    return [call.customer_id for call in d.carriers["alerts"].actions[before:]]


@pytest.mark.parametrize(
    ("heavy", "each", "light", "calls"),
    [
        pytest.param(1, 60, 5, 6, id="one with many"),
        pytest.param(3, 30, 20, 8, id="some with many, more than a claim takes"),
        pytest.param(12, 9, 0, 8, id="many with some"),
        pytest.param(1, 3, 2, 3, id="few"),
    ],
)
async def test_one_claim_takes_the_oldest_of_as_many_customers_as_it_has_calls(
    database: str, heavy: int, each: int, light: int, calls: int
) -> None:
    """Whoever has many due ones takes one call, and leaves the others to others."""
    async with dispatching(database, book(8)) as d:
        first, _ = await fill(d, heavy=heavy, each=each, light=light)
        called = await step(d)
        assert len(called) == len(set(called)) == calls
        assert len(first & set(called)) == min(heavy, calls)


async def test_everybody_is_called_about_while_one_has_a_backlog(database: str) -> None:
    """Her sixty go one after the other, the others meanwhile; each once."""
    async with dispatching(database, book(4)) as d:
        (one,), others = await fill(d, heavy=1, each=60, light=9)
        rounds = [await step(d) for _ in range(3)]
        assert others <= {customer for called in rounds for customer in called}
        await d.run()
        counted = Counter(call.customer_id for call in d.carriers["alerts"].actions)
        assert counted == {one: 60, **dict.fromkeys(others, 1)}
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_a_claim_walks_the_queue_in_order_and_sorts_nothing(database: str) -> None:
    """Whatever waits, a claim reads as many rows as it needs, by the index of what is due."""
    async with dispatching(database, book(8)) as d:
        await fill(d, heavy=5, each=20, light=300)
        await d.execute("ANALYZE deliveries")
        values = {"target": "alerts", "now": NOW, "most": 64, "taken": people(5, start=1)}
        values |= {"waited": later(minutes=-10)}
        async with d.engine.begin() as connection:
            await connection.execute(claim._WALK)
            explain = text(f"EXPLAIN {claim._DELIVERIES.text}")
            plan = [row[0] for row in await connection.execute(explain, values)]
        walk = [line for line in plan if " on deliveries" in line]
        assert len(walk) == 1
        assert "Index Scan using deliveries_due" in walk[0]
        assert not [line for line in plan if "Sort" in line]
