"""Two customers turn out to be one: the dispatcher ends the same in whatever order it hears it."""

import asyncio
import uuid
from itertools import permutations
from typing import Any

import pytest

from services.dispatcher.ledger import store
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision, later, merged, rolling
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

INVITE = rules(play("thanks", "promoter", "invite"))
BUDGET = (rolling(1, 24 * 7),)
_POINTER = "SELECT merged_into FROM recipients WHERE customer_id = '{}'"
OLD, NEW = uuid.UUID(int=1), uuid.UUID(int=2)


def story(old: uuid.UUID, new: uuid.UUID) -> dict[str, CustomerDecided | Event]:
    """Tell each customer's own decision, the merge, and the survivor's state after it."""
    old_address, new_address = f"{old.hex}@example.com", f"{new.hex}@example.com"
    mine: dict[str, Any] = {"segment": "promoter", "budgets": BUDGET}
    return {
        "old": decision(old, version=4, address=old_address, **mine),
        "new": decision(new, version=2, address=new_address, **mine),
        "merge": merged(old, new),
        "after": decision(
            new, version=5, response="merge", triggers=("merged",), address=new_address, **mine
        ),
    }


STORY = story(OLD, NEW)


@pytest.mark.parametrize("first", list(STORY))
async def test_any_order_ends_with_the_survivor(database: str, first: str) -> None:
    """All deliveries are the survivor's, one profile is wanted per target, one contact is made."""
    orders = [order for order in permutations(STORY) if order[0] == first]
    pairs = [(uuid.uuid4(), uuid.uuid4()) for _ in orders]
    async with dispatching(database, INVITE) as d:
        for order, (old, new) in zip(orders, pairs, strict=True):
            told = story(old, new)
            for name in order:
                await d.tell(told[name])
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        survivors = sorted(new for _, new in pairs)
        assert sorted(await _customers(d)) == survivors
        assert sorted(await d.scalars("SELECT customer_id FROM pushes")) == survivors
        states = await d.scalars("SELECT state || wanted_version FROM pushes")
        assert states == ["reached5"] * len(pairs)
        for old, new in pairs:
            assert await d.scalars(_POINTER.format(old)) == [new]
            assert await d.scalars(_POINTER.format(new)) == [None]
        sent = [row.customer_id for row in await d.rows() if row.state == "accepted"]
        assert sorted(sent) == survivors
        assert len(d.carriers["sandbox"].actions) == len(pairs)


async def test_a_whole_story_in_one_batch_ends_with_the_survivor(database: str) -> None:
    """The same in a single batch, told twice."""
    async with dispatching(database, INVITE) as d:
        await d.tell(*STORY.values(), *STORY.values())
        await d.run()
        assert await _customers(d) == {NEW}
        assert len(d.carriers["sandbox"].actions) == 1


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_chain_of_merges_leads_to_the_last(database: str, backwards: bool) -> None:
    """Merged into someone who is merged on, in either order: the last survivor has everything."""
    third = uuid.UUID(int=3)
    chain = [merged(OLD, NEW), merged(NEW, third)]
    async with dispatching(database, INVITE) as d:
        await d.tell(STORY["old"], *(reversed(chain) if backwards else chain))
        assert await _customers(d) == {third}
        pointers = await d.scalars("SELECT merged_into FROM recipients ORDER BY customer_id")
        assert pointers == [third, third, None]


async def test_slots_of_the_merged_customer_count_for_the_survivor(database: str) -> None:
    """Who was written to under the other name is not written to again."""
    async with dispatching(database, INVITE) as d:
        await d.tell(STORY["old"])
        await d.run()
        await d.tell(STORY["merge"], STORY["after"])
        await d.tell(decision(NEW, version=6, segment="promoter", response="r9", budgets=BUDGET))
        await d.run()
        assert sorted(row.state for row in await d.rows()) == ["accepted", "suppressed"]


async def test_a_call_in_flight_for_the_merged_customer_counts_for_the_survivor(
    database: str,
) -> None:
    """A merge during a call lets no second call out for the same person before it ended."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with dispatching(database, INVITE, carriers={"sandbox": carrier}) as d:
        await d.tell(STORY["old"], STORY["new"])
        await d.execute(
            "UPDATE pushes SET due = due + interval '1 h' WHERE customer_id = :c", c=NEW
        )
        await d.fresh()
        lane = d.lanes["sandbox"]
        await lane.step()

        async def called() -> bool:
            return bool(carrier.kinds)

        await eventually(called)
        await d.tell(STORY["merge"], STORY["after"])
        assert await lane.step() is False
        assert len(carrier.kinds) == 1
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert carrier.kinds[1] == ("push", NEW)


async def test_a_merged_customer_without_a_survivors_state_waits(database: str) -> None:
    """Until the survivor's first state is told, nothing goes out in her name."""
    async with dispatching(database, INVITE) as d:
        await d.tell(STORY["merge"], STORY["old"])
        await d.run()
        row = await d.row()
        assert (row.state, row.reason) == ("waiting", "her state is not known yet")
        await d.tell(STORY["after"])
        d.now = later(seconds=5)
        await d.run()
        assert (await d.row()).state == "accepted"


async def _customers(d: Dispatching) -> set[uuid.UUID]:
    return {row.customer_id for row in await d.rows()}


async def test_a_push_claimed_while_the_merge_begins_still_counts_as_in_flight(
    database: str,
) -> None:
    """A claim holds her row: a merge comes before it or sees its call, and lets no second out."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with dispatching(database, INVITE, carriers={"sandbox": carrier}) as d:
        await d.tell(STORY["old"], STORY["new"])
        await d.execute(
            "UPDATE pushes SET due = due + interval '1 h' WHERE customer_id = :c", c=NEW
        )
        await d.fresh()
        lane = d.lanes["sandbox"]
        async with d.engine.begin() as merging:
            await store.lock(merging, {OLD, NEW})
            assert await lane.step() is False
        await lane.step()
        await d.tell(STORY["merge"], STORY["after"])
        assert await lane.step() is False
        assert await d.scalars("SELECT merged_into FROM calls") == [NEW]
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert carrier.overlaps == 0
        assert carrier.kinds[:2] == [("push", OLD), ("push", NEW)]


async def test_who_had_the_same_under_another_name_does_not_get_it_again(database: str) -> None:
    """A cooldown is asked again when sending: both were planned before they were known as one."""
    book = rules(play("thanks", "promoter", "invite", cooldown="30 d"))
    async with dispatching(database, book) as d:
        old, new = uuid.uuid4(), uuid.uuid4()
        await d.tell(decision(old, segment="promoter"), decision(new, segment="promoter"))
        await d.tell(merged(old, new))
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        rows = await d.rows()
        assert sorted(row.state for row in rows) == ["accepted", "suppressed"]
        assert any(row.reason.startswith("cooldown: invite") for row in rows)
        assert len(d.carriers["sandbox"].actions) == 1
