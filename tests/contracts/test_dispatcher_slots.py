"""A contact limit holds on a real PostgreSQL, whatever runs at once."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import pytest

from services.dispatcher.consume.handle import Handler
from shared.errors import DependencyAway
from shared.events.decisions import Budget, CustomerDecided, RollingWindow
from tests.builders.decisions import CLASSES, NOW, decision, hold, later, merged, rolling, told
from tests.builders.dispatching import Dispatching, dispatching, play, rules

#: A week: longer than any deadline, so whoever is refused is refused for good.
WEEK = 7 * 24
_HERS, _HIS = uuid.UUID(int=1), uuid.UUID(int=2)


def _household(*foreign: datetime) -> tuple[Budget, ...]:
    budget = rolling(1, WEEK, foreign=foreign)
    return (budget.model_copy(update={"name": "household", "scope": "group"}),)


#: One member would hear from us; the other has heard from somebody else.
_HOUSEHOLD = {
    "planned": decision(_HERS, segment="promoter", group="home-1", budgets=_household()),
    "contacted": decision(
        _HIS, triggers=("contacted",), response="m1", group="home-1", budgets=_household(NOW)
    ),
}


async def _until_taken(handler: Handler, batch: Sequence[CustomerDecided]) -> None:
    """Hand over a batch as the bus does: again, as long as the database says "not now"."""
    while True:
        try:
            return await handler.apply([told(item) for item in batch])
        except DependencyAway:
            continue


async def _at_once(d: Dispatching, decisions: Sequence[CustomerDecided], handlers: int) -> None:
    batches = [decisions[start::handlers] for start in range(handlers)]
    await asyncio.gather(*(_until_taken(d.handler, batch) for batch in batches))


async def test_two_hundred_causes_at_once_leave_one_contact(database: str) -> None:
    """Under a limit of one, 200 causes in four handlers give one contact, 199 dated reasons."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        customer = uuid.uuid4()
        causes = [
            decision(
                customer,
                version=number,
                segment="promoter",
                response=f"r{number}",
                budgets=(rolling(1, WEEK),),
            )
            for number in range(1, 201)
        ]
        await _at_once(d, causes, 4)
        await d.run()
        rows = await d.rows()
        assert Counter(row.state for row in rows) == {"accepted": 1, "suppressed": 199}
        refused = [row for row in rows if row.state == "suppressed"]
        assert all("1 of 1" in row.reason and row.until == later(hours=WEEK) for row in refused)
        assert len(d.carriers["sandbox"].actions) == 1


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_group_shares_its_limit(database: str, limit: int) -> None:
    """Thirty members of one account, planned at once, get no more than the account's limit."""
    budget = Budget(
        name="account",
        scope="group",
        classes=CLASSES,
        channels=None,
        limit=limit,
        window=RollingWindow(hours=WEEK),
    )
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        members = [
            decision(segment="promoter", group="account-1", budgets=(budget,)) for _ in range(30)
        ]
        await _at_once(d, members, 5)
        await d.run()
        states = Counter(row.state for row in await d.rows())
        assert states == {"accepted": limit, "suppressed": 30 - limit}


async def test_a_free_moment_before_the_deadline_is_waited_for(database: str) -> None:
    """The second message waits until the window lets it through, and then goes."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        customer = uuid.uuid4()
        for number in (1, 2):
            await d.tell(
                decision(
                    customer,
                    version=number,
                    segment="promoter",
                    response=f"r{number}",
                    budgets=(rolling(1, 16),),
                )
            )
        await d.run()
        first, second = sorted(await d.rows(), key=lambda row: row.moment)
        assert (first.state, second.state) == ("accepted", "waiting")
        assert second.until == later(hours=16)
        d.now = later(hours=16)
        await d.run()
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_a_suppressed_message_gives_its_slot_back(database: str) -> None:
    """What is superseded before it was sent makes room for the next."""
    async with dispatching(database) as d:
        customer = uuid.uuid4()
        budget = (rolling(1, WEEK),)
        await d.tell(decision(customer, budgets=budget))
        await d.tell(
            decision(customer, version=2, segment="promoter", response="r2", budgets=budget)
        )
        await d.run()
        assert (await d.row(play="sorry")).state == "superseded"
        assert (await d.row(play="thanks")).state == "accepted"


async def test_anothers_contact_between_plan_and_send_counts(database: str) -> None:
    """The budget is asked again when sending: what a colleague sent meanwhile takes the slot."""
    hurried = rules(play("thanks", "promoter", "invite"))
    async with dispatching(database, hurried) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer, segment="promoter", budgets=(rolling(1, WEEK),)))
        await d.tell(
            decision(
                customer,
                version=2,
                segment="promoter",
                response="m1",
                triggers=("contacted",),
                budgets=(rolling(1, WEEK, foreign=[NOW]),),
            )
        )
        await d.run()
        row = await d.row()
        assert (row.state, row.until) == ("suppressed", later(hours=WEEK))
        assert d.carriers["sandbox"].actions == []


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([["contacted"], ["planned"]], id="planning"),
        pytest.param([["contacted", "planned"]], id="in one batch"),
        pytest.param([["planned"], ["contacted"]], id="the gate"),
    ],
)
async def test_anothers_contact_with_one_member_uses_the_groups_budget(
    database: str, batches: list[list[str]]
) -> None:
    """Another tool's mail to the household's other member leaves no room for ours."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        for batch in batches:
            await d.tell(*(_HOUSEHOLD[name] for name in batch))
        await d.run()
        row = await d.row(play="thanks")
        assert (row.state, row.until) == ("suppressed", later(hours=WEEK))
        assert "budget household: 1 of 1" in row.reason
        assert d.carriers["sandbox"].actions == []


async def test_a_contact_of_a_merged_member_is_the_survivors_to_tell(database: str) -> None:
    """Her own budget has it, or no longer has it; the row she was merged from counts for nobody."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        await d.tell(_HOUSEHOLD["contacted"])
        await d.tell(merged(_HIS, _HERS))
        await d.tell(_HOUSEHOLD["planned"])
        await d.run()
        assert (await d.row(play="thanks")).state == "accepted"


async def test_a_hold_is_waited_for(database: str) -> None:
    """A hold that ends before the deadline delays the message to its end."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        await d.tell(decision(segment="promoter", holds=(hold(later(hours=5)),)))
        await d.run()
        row = await d.row()
        assert (row.state, row.until) == ("waiting", later(hours=5))
        assert "contact_hold" in row.reason
        d.now = later(hours=5)
        await d.run()
        assert (await d.row()).state == "accepted"


async def test_members_of_a_group_sent_in_one_round_see_each_other(database: str) -> None:
    """A group limit that came after planning holds although all are due in the same moment."""
    budget = Budget(
        name="account",
        scope="group",
        classes=CLASSES,
        channels=None,
        limit=1,
        window=RollingWindow(hours=WEEK),
    )
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        customers = [uuid.uuid4() for _ in range(6)]
        for version, budgets in ((1, ()), (2, (budget,))):
            await d.tell(
                *(
                    decision(
                        customer,
                        version=version,
                        segment="promoter",
                        response=f"r{version}",
                        triggers=("settled",) if version == 1 else ("updated",),
                        group="account-1",
                        budgets=budgets,
                    )
                    for customer in customers
                )
            )
        await d.run()
        assert Counter(row.state for row in await d.rows()) == {"accepted": 1, "suppressed": 5}
        assert len(d.carriers["sandbox"].actions) == 1


async def test_handlers_that_meet_the_same_people_in_opposite_order_wait_in_turn(
    database: str,
) -> None:
    """Two groups, two handlers, everybody the other way round: no deadlock, no contact too many."""
    budget = Budget(
        name="account",
        scope="group",
        classes=CLASSES,
        channels=None,
        limit=1,
        window=RollingWindow(hours=WEEK),
    )
    people = [(uuid.uuid4(), f"account-{number % 2}") for number in range(20)]
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        batches = [
            [
                decision(
                    customer,
                    version=version,
                    segment="promoter",
                    response=f"r{version}",
                    group=group,
                    budgets=(budget,),
                )
                for customer, group in order
            ]
            for version, order in ((1, people), (2, people[::-1]))
        ]
        await asyncio.gather(*(d.tell(*batch) for batch in batches))
        await d.run()
        assert Counter(row.state for row in await d.rows()) == {"accepted": 2, "suppressed": 38}


async def test_what_becomes_due_at_once_after_an_outage_goes_one_by_one(database: str) -> None:
    """Messages that were to be sixteen hours apart stay so, though all their times have passed."""
    async with dispatching(database, rules(play("thanks", "promoter", "invite"))) as d:
        customer = uuid.uuid4()
        for number in range(1, 5):
            await d.tell(
                decision(
                    customer,
                    version=number,
                    segment="promoter",
                    response=f"r{number}",
                    budgets=(rolling(1, 16),),
                )
            )
        d.now = later(hours=48)
        await d.run()
        states = Counter(row.state for row in await d.rows())
        assert states == {"accepted": 1, "waiting": 1, "suppressed": 2}
        d.now = later(hours=64)
        await d.run()
        assert len(d.carriers["sandbox"].actions) == 2
