"""Staff and test respondents take the full path to the sandbox; nobody else hears of them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.plan import Rulebook
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision, later, merged
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

SHE = uuid.UUID(int=21)
SHOP = TargetRules("shop", 8, ("nps_segment",), ("nps_score",), None, True)
SANDBOX = TargetRules("sandbox", 8, ("nps_segment",), ("nps_score",), None, True, sandbox=True)
PLAYS = (
    play("thanks", "promoter", "invite", target="shop"),
    play(
        "alert",
        "promoter",
        "internal_alert",
        trigger="received",
        target="alerts",
        channels=["chat"],
        **{"class": "internal"},
    ),
)


def book(*targets: TargetRules) -> Rulebook:
    return rules(*PLAYS, targets=targets or (SHOP, SANDBOX))


def kinds(d: Dispatching) -> dict[str, list[str]]:
    return {name: [kind for kind, _ in carrier.kinds] for name, carrier in d.carriers.items()}


async def withheld(d: Dispatching) -> tuple[str, object, str]:
    row = await d.push(SHE, "shop")
    return row.state, row.wanted, row.reason


async def test_a_test_respondent_takes_the_full_path_to_the_sandbox(database: str) -> None:
    """Profile, message and alert arrive there; every other target gets nothing, with its reason."""
    async with dispatching(database, book()) as d:
        await d.tell(decision(SHE, segment="promoter", test=True))
        planned = {row.play: row.reason for row in await d.rows()}
        await d.run()
        assert kinds(d) == {"shop": [], "sandbox": ["push", "act", "act"], "alerts": []}
        assert {(row.target, row.state) for row in await d.rows()} == {("sandbox", "accepted")}
        assert planned == {
            "thanks": "test respondent: instead of shop",
            "alert": "test respondent: instead of alerts",
        }
        state, wanted, reason = await withheld(d)
        assert (state, wanted) == ("withheld", {})
        assert "test respondent" in reason
        assert await d.scalars("SELECT test FROM recipients") == [True]


async def test_without_a_sandbox_nothing_of_hers_leaves(database: str) -> None:
    """The plays that matched say why they did not act."""
    async with dispatching(database, book(SHOP)) as d:
        await d.tell(decision(SHE, segment="promoter", test=True))
        await d.run()
        assert kinds(d) == {"shop": [], "alerts": []}
        rows = await d.rows()
        assert {row.state for row in rows} == {"suppressed"}
        assert all("`sandbox: true`" in row.reason for row in rows)


async def test_who_turns_out_to_be_a_test_ends_what_waits(database: str) -> None:
    """Known as a customer first, she is tagged before anything was sent: nothing is."""
    async with dispatching(database, book()) as d:
        await d.tell(decision(SHE, segment="promoter"))
        await d.tell(
            decision(SHE, version=2, segment="promoter", response="u", triggers=(), test=True)
        )
        await d.run()
        assert kinds(d) == {"shop": [], "sandbox": ["push"], "alerts": []}
        assert {row.state for row in await d.rows()} == {"suppressed"}
        assert (await withheld(d))[0] == "withheld"


async def test_an_older_decision_opens_no_way_out(database: str) -> None:
    """The newest state counts, whatever an overtaken decision says of her."""
    async with dispatching(database, book()) as d:
        await d.tell(decision(SHE, version=2, response="u", triggers=(), test=True))
        await d.tell(decision(SHE, version=1, segment="promoter"))
        await d.run()
        assert kinds(d)["shop"] == kinds(d)["alerts"] == []


async def test_who_is_a_customer_after_all_is_told_everywhere(database: str) -> None:
    """The tag taken away, her profile goes where it would always have gone."""
    async with dispatching(database, book()) as d:
        await d.tell(decision(SHE, segment="promoter", test=True))
        await d.run()
        await d.tell(decision(SHE, version=2, segment="promoter", response="u", triggers=()))
        await d.run()
        assert kinds(d)["shop"] == ["push"]
        assert (await withheld(d))[0] == "reached"


@asynccontextmanager
async def in_flight(database: str) -> AsyncIterator[tuple[Dispatching, asyncio.Event]]:
    """A push of a customer to the shop, whose answer is held back, when she becomes a test."""
    held = asyncio.Event()
    carrier = ScriptedCarrier("shop", gate=held)
    async with dispatching(database, book(), carriers={"shop": carrier}) as d:
        await d.tell(decision(SHE, segment="promoter", triggers=()))
        await d.fresh()
        await d.lanes["shop"].step()

        async def called() -> bool:
            return bool(carrier.pushes)

        await eventually(called)
        await d.tell(decision(SHE, version=2, segment="passive", response="u", test=True))
        yield d, held


async def test_a_push_that_was_out_is_the_last_one(database: str) -> None:
    """Its answer comes, or its worker is lost: nothing more is wanted at that target."""
    async with in_flight(database) as (d, held):
        held.set()
        await d.lanes["shop"].settle()
        assert (await withheld(d))[:2] == ("withheld", {})
        await d.run()
        assert kinds(d)["shop"] == ["push"]


async def test_a_lost_push_of_a_test_is_not_repeated(database: str) -> None:
    """Its lease lapses; the row says why it rests."""
    async with in_flight(database) as (d, held):
        await d.lapse()
        other = d.lane("shop")
        await other.step()
        assert (await withheld(d))[0] == "withheld"
        held.set()
        await d.lanes["shop"].settle()
        await d.run()
        assert kinds(d)["shop"] == ["push"]


@pytest.mark.parametrize("test_first", [True, False])
async def test_a_merge_with_a_test_respondent_tells_no_other_target(
    database: str, test_first: bool
) -> None:
    """Whoever survives, what is wanted of the two is told nowhere once she counts as a test."""
    other = uuid.UUID(int=22)
    first, second = (True, False) if test_first else (False, True)
    async with dispatching(database, book()) as d:
        await d.tell(decision(SHE, triggers=(), test=first))
        await d.tell(decision(other, triggers=(), test=second))
        await d.tell(
            merged(other, SHE), decision(SHE, version=5, response="m", triggers=(), test=True)
        )
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        assert kinds(d)["shop"] == []
        assert (await withheld(d))[0] == "withheld"
