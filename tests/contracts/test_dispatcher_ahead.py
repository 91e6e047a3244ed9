"""What a lane claims ahead of its slots, on real PostgreSQL: called in its turn, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.dispatcher.brakes import brakes
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes import flights
from services.dispatcher.lanes.lane import Lane
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

SLOTS = 4
BOOK = rules(
    play("thanks", "promoter", "invite"),
    targets=[TargetRules("sandbox", SLOTS, (), (), None, True)],
)
THROTTLE = Verdict("throttle", "429", wait=timedelta(seconds=90))


@asynccontextmanager
async def two_wait(
    database: str, carrier: ScriptedCarrier
) -> AsyncIterator[tuple[Dispatching, Lane]]:
    """Four calls are under way, and two more were claimed that wait for a slot."""
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(8)))
        await d.fresh()
        lane = d.lanes["sandbox"]
        # As after a while with calls as long as claims.
        lane.flights.pace.claimed(0.1)
        lane.flights.pace.called(0.1)
        await lane.step()

        async def full() -> bool:
            return len(carrier.actions) == SLOTS

        await eventually(full)
        assert len(lane.flights.tasks) == SLOTS + 2
        yield d, lane


async def test_what_is_claimed_ahead_waits_for_a_slot(database: str) -> None:
    """Never more calls at once than the target bears; in the end all are made, once."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with two_wait(database, carrier) as (d, lane):
        assert await lane.step() is False  # two wait still: no further claim
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert len(carrier.actions) == 8
        assert (carrier.most, carrier.overlaps) == (SLOTS, 0)
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_what_waits_for_a_slot_is_not_called_after_slow_down(database: str) -> None:
    """It was claimed before; it is due again, and nothing was sent."""
    answers = {"slow": True}
    carrier = ScriptedCarrier(
        gate=asyncio.Event(), on_act=lambda _number: THROTTLE if answers["slow"] else OK
    )
    async with two_wait(database, carrier) as (d, lane):
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        assert len(carrier.actions) == SLOTS
        reasons = [row.reason for row in await d.rows()]
        assert sum("braked meanwhile: nothing was sent" in reason for reason in reasons) == 2
        answers["slow"] = False
        d.now = later(minutes=3)
        await d.run()
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_what_waited_too_long_for_a_slot_is_asked_about_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gates were asked too long ago."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with two_wait(database, carrier) as (d, lane):
        monkeypatch.setattr(flights, "LONGEST_WAIT_S", 0.0)
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        assert len(carrier.actions) == SLOTS
        reasons = [row.reason for row in await d.rows()]
        assert sum("no slot was free in time" in reason for reason in reasons) == 2


async def test_of_several_answers_the_longest_wait_counts(database: str) -> None:
    """Calls in flight together are told different times; a later, shorter one shortens nothing."""
    async with dispatching(database, BOOK) as d:
        desk = d.desk("sandbox")
        for seconds in (90, 2):
            await brakes.slow(desk, "429", later(seconds=seconds))
            await brakes.pause(desk, "401", later(seconds=10 * seconds))
        hold = (await brakes.read(desk, d.now)).hold
        assert (hold.slow_until, hold.paused_until) == (later(seconds=90), later(seconds=900))
