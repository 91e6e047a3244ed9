"""A merge is undone: whose is what then, in whatever order the dispatcher hears of it."""

import uuid
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from tests.builders.decisions import NOW, decision, later, merged, unmerged
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = rules(play("thanks", "promoter", "invite"))
OLD, NEW, THIRD = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)
THEN = NOW + timedelta(seconds=1)
_POINTERS = "SELECT merged_into FROM recipients ORDER BY customer_id"
_OWNERS = "SELECT customer_id FROM deliveries ORDER BY cause_id"


def mine(customer: uuid.UUID, **said: Any) -> CustomerDecided:
    """A promoter's decision, with an address and an answer of her own."""
    response = said.pop("response", f"r-{customer.int}")
    address = f"{customer.hex}@example.com"
    return decision(customer, segment="promoter", response=response, address=address, **said)


def story() -> dict[str, CustomerDecided | Event]:
    """Two customers, one, and two again, each with a state of her own in the end."""
    return {
        "old": mine(OLD, version=4),
        "new": mine(NEW, version=2),
        "merge": merged(OLD, NEW),
        "one": mine(NEW, version=5, response="merge", triggers=("merged",)),
        "undo": unmerged(OLD, NEW, at=THEN),
        "old alone": mine(OLD, version=5, response="undo", triggers=()),
        "new alone": mine(NEW, version=6, response="undo-too", triggers=()),
    }


async def test_what_was_planned_for_her_is_hers_again(database: str) -> None:
    """Her deliveries and their slots come back; the survivor's stay; both profiles are pushed."""
    async with dispatching(database, INVITE) as d:
        await d.tell(*story().values())
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        assert await d.scalars(_POINTERS) == [None, None]
        owners = {(row.customer_id, row.decision_id) for row in await d.rows()}
        told = story()
        for name, customer in (("old", OLD), ("new", NEW)):
            said = told[name]
            assert isinstance(said, CustomerDecided)
            assert (customer, said.decision_id) in owners
        assert {row.state for row in await d.rows()} == {"accepted"}
        query = "SELECT customer_id FROM pushes WHERE state = 'reached' ORDER BY customer_id"
        assert await d.scalars(query) == [OLD, NEW]


@pytest.mark.parametrize("first", list(story()))
async def test_any_order_ends_with_two(database: str, first: str) -> None:
    """An undoing is told before the states that follow it; everything else may come anyhow."""
    names = list(story())
    orders = [
        order
        for order in permutations(names)
        if order[0] == first
        and order.index("undo") < min(order.index("old alone"), order.index("new alone"))
    ]
    async with dispatching(database, INVITE) as d:
        # These few are enough to meet each pair both ways round.
        for order in orders[::24]:
            await d.execute("TRUNCATE recipients, pushes, planned, deliveries CASCADE")
            told = story()
            await d.tell(*(told[name] for name in order))
            assert await d.scalars(_POINTERS) == [None, None]
            versions = await d.scalars("SELECT version FROM recipients ORDER BY customer_id")
            assert versions == [5, 6]
            assert await d.scalars("SELECT count(*) FROM recipients WHERE state IS NULL") == [0]
            waiting = "SELECT count(*) FROM deliveries WHERE customer_id = '{}'"
            assert await d.scalars(waiting.format(OLD)) == [1]
            pushed = "SELECT customer_id FROM pushes WHERE wanted_version > 0 ORDER BY customer_id"
            assert await d.scalars(pushed) == [OLD, NEW]


async def test_a_merge_told_again_after_its_undoing_changes_nothing(database: str) -> None:
    """Only a later merge makes them one again, and only a later undoing parts them again."""
    async with dispatching(database, INVITE) as d:
        await d.tell(*story().values())
        await d.tell(story()["merge"])
        assert await d.scalars(_POINTERS) == [None, None]
        await d.tell(merged(OLD, NEW, at=THEN + timedelta(seconds=1)), story()["undo"])
        assert await d.scalars(_POINTERS) == [NEW, None]


async def test_who_had_been_merged_into_her_comes_along(database: str) -> None:
    """A into B into C: undone, B stands for A again, with A's deliveries."""
    async with dispatching(database, INVITE) as d:
        await d.tell(mine(OLD), merged(OLD, NEW), merged(NEW, THIRD, at=THEN))
        assert await d.scalars(_POINTERS) == [THIRD, THIRD, None]
        assert await d.scalars(_OWNERS) == [THIRD]
        await d.tell(unmerged(NEW, THIRD, at=THEN + timedelta(seconds=1)))
        assert await d.scalars(_POINTERS) == [NEW, None, None]
        assert await d.scalars(_OWNERS) == [NEW]
        await d.tell(unmerged(OLD, NEW, at=THEN + timedelta(seconds=2)))
        assert await d.scalars(_POINTERS) == [None, None, None]
        assert await d.scalars(_OWNERS) == [OLD]


async def test_a_reaction_to_what_she_said_while_merged_waits_for_her_own_state(
    database: str,
) -> None:
    """It was planned for the survivor, and would have reached the survivor's address."""
    async with dispatching(database, INVITE) as d:
        said = mine(NEW, version=6, response="hers")
        await d.tell(story()["merge"], mine(NEW, version=5), said)
        await d.tell(unmerged(OLD, NEW, at=THEN, causes=[said.cause.id]))
        await _all_run(d)
        hers = [row for row in await d.rows() if row.cause_id == said.cause.id]
        assert [(row.customer_id, row.state) for row in hers] == [(OLD, "waiting")]
        assert hers[0].reason == "her state is not known yet"
        await d.tell(mine(OLD, version=1, response="undo", triggers=()))
        d.now = later(minutes=2)
        await _all_run(d)
        sent = {call.customer_id: call.identifiers for call in d.carriers["sandbox"].actions}
        assert sent.keys() == {OLD, NEW}
        assert OLD.hex in sent[OLD][0].value


async def test_what_is_parked_of_hers_goes_with_her(database: str) -> None:
    """Else her own news would never end it, and its release would reach the survivor."""
    book = rules({**play("thanks", "promoter", "invite"), "approve_first": 9})
    async with dispatching(database, book) as d:
        said = mine(NEW, version=6, response="hers")
        await d.tell(story()["merge"], mine(NEW, version=5), said)
        await d.tell(unmerged(OLD, NEW, at=THEN, causes=[said.cause.id]))
        (row,) = await d.rows(cause_id=said.cause.id)
        assert (row.customer_id, row.state) == (OLD, "parked")


async def _all_run(d: Dispatching) -> None:
    await d.run()
    d.now += timedelta(minutes=1)
    await d.run()
