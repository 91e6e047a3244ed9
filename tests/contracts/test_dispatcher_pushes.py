"""A profile push is a state to be reached: the newest one, whatever happens during a call."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.dispatcher.calls.calls import Verdict
from shared.events.vocabulary import Segment
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

NOBODY = rules(play("never", "passive", "never", trigger="merged"))
SHE = uuid.uuid4()


async def _told(d: Dispatching, version: int, segment: Segment) -> None:
    await d.tell(decision(SHE, version=version, segment=segment, response=f"r{version}"))


@asynccontextmanager
async def in_flight(
    database: str, answer: Verdict = OK
) -> AsyncIterator[tuple[Dispatching, ScriptedCarrier, asyncio.Event]]:
    """A push of her first state (promoter) whose answer comes when the event is set."""
    held = asyncio.Event()
    carrier = ScriptedCarrier(gate=held, on_push=lambda number: answer if number == 1 else OK)
    async with dispatching(database, NOBODY, carriers={"sandbox": carrier}) as d:
        await _told(d, 1, "promoter")
        await d.fresh()
        await d.lanes["sandbox"].step()

        async def called() -> bool:
            return bool(carrier.pushes)

        await eventually(called)
        carrier.gate = None
        yield d, carrier, held


def _segments(carrier: ScriptedCarrier) -> list[object]:
    return [push.attributes["nps_segment"] for push in carrier.pushes]


@pytest.mark.parametrize(
    ("told", "pushed"),
    [
        pytest.param([], ["promoter"], id="nothing"),
        pytest.param(["passive"], ["promoter", "passive"], id="a-newer-state"),
        pytest.param(["passive", "detractor"], ["promoter", "detractor"], id="only-the-newest"),
        pytest.param(["passive", "promoter"], ["promoter"], id="and-back-again"),
    ],
)
async def test_what_is_wanted_during_a_push_decides_what_follows(
    database: str, told: list[Segment], pushed: list[str]
) -> None:
    """Whatever differs from what was sent is sent next; whatever equals it was reached."""
    async with in_flight(database) as (d, carrier, held):
        for version, segment in enumerate(told, start=2):
            await _told(d, version, segment)
        held.set()
        await d.lanes["sandbox"].settle()
        await d.run()
        assert _segments(carrier) == pushed
        row = await d.push(SHE)
        assert (row.state, row.wanted_version) == ("reached", 1 + len(told))
        assert row.reached_hash == row.wanted_hash


async def test_an_answer_after_the_lease_marks_nothing_as_reached(database: str) -> None:
    """The newer state is on its way with another worker: the late answer is about the old one."""
    async with in_flight(database) as (d, carrier, held):
        await _told(d, 2, "passive")
        await d.lapse()
        carrier.gate = again = asyncio.Event()
        other = d.lane("sandbox")
        await other.step()
        await other.step()

        async def repeated() -> bool:
            return len(carrier.pushes) == 2

        await eventually(repeated)
        held.set()
        await d.lanes["sandbox"].settle()
        row = await d.push(SHE)
        assert (row.state, row.reached_hash, row.reached_version) == ("sending", None, None)
        again.set()
        await other.settle()
        row = await d.push(SHE)
        assert (row.state, row.reached_version) == ("reached", 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Verdict("in_doubt", "no answer"), id="unanswered"),
        pytest.param(Verdict("reject", "bad field"), id="refused"),
    ],
)
async def test_a_state_that_was_reached_before_is_pushed_again_after_a_doubt(
    database: str, answer: Verdict
) -> None:
    """Nobody knows what the platform has now, so an equal state is not taken for reached."""
    async with in_flight(database) as (d, carrier, held):
        held.set()
        await d.lanes["sandbox"].settle()
        carrier.on_push = lambda _number: answer
        await _told(d, 2, "passive")
        await d.run()
        carrier.on_push = lambda _number: OK
        await _told(d, 3, "promoter")
        d.now = later(minutes=1)
        await d.run()
        assert _segments(carrier) == ["promoter", "passive", "promoter"]
        assert (await d.push(SHE)).state == "reached"
