"""What a platform grants is kept over all replicas, on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from services.dispatcher.brakes.rates import Rate
from services.dispatcher.delivery import TargetRules
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = play("thanks", "promoter", "invite")
SANDBOX = TargetRules("sandbox", 8, ("nps_segment",), ("nps_score",), None, True)


async def _rounds(d: Dispatching, seconds: int) -> None:
    """Let two workers of one target claim side by side, each second for some seconds."""
    workers = [d.lane("sandbox"), d.lane("sandbox")]
    for _ in range(seconds):
        for _ in range(4):
            await asyncio.gather(*(worker.step() for worker in workers))
            await asyncio.gather(*(worker.settle() for worker in workers))
        d.now += timedelta(seconds=1)
        await d.fresh()


async def test_two_replicas_together_stay_within_the_rate(database: str) -> None:
    """Five pushes and actions a second for both: never more, and none is left unused."""
    carrier = ScriptedCarrier()
    limited = replace(SANDBOX, rates=(Rate(1, 5),))
    async with dispatching(
        database, rules(INVITE, targets=[limited]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(40)))
        await d.fresh()
        for second in range(1, 9):
            await _rounds(d, 1)
            calls = len(carrier.pushes) + len(carrier.actions)
            assert calls <= 5 * second
        assert calls >= 5 * 4
        await _rounds(d, 24)
        assert (len(carrier.pushes), len(carrier.actions)) == (40, 40)


async def test_a_rate_of_pushes_does_not_hold_actions(database: str) -> None:
    """Each kind has its own window; what counts both comes on top."""
    carrier = ScriptedCarrier()
    limited = replace(SANDBOX, attributes=(), rates=(Rate(3600, 1, "push"), Rate(60, 7, "act")))
    async with dispatching(
        database, rules(INVITE, targets=[limited]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(9)))
        await d.run()
        assert len(carrier.actions) == 7
        d.now += timedelta(minutes=2)
        await d.run()
        assert len(carrier.actions) == 9


async def test_a_backlog_of_pushes_holds_no_action_for_longer_than_its_wait(database: str) -> None:
    """Two profiles an hour are granted: whose profile is not there in ten minutes is written to."""
    carrier = ScriptedCarrier()
    limited = replace(SANDBOX, rates=(Rate(3600, 2, "push"),))
    async with dispatching(
        database, rules(INVITE, targets=[limited]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(9)))
        await d.run_until(d.now + timedelta(minutes=9), every=timedelta(minutes=1))
        assert (len(carrier.pushes), len(carrier.actions)) == (2, 2)
        await d.run_until(d.now + timedelta(minutes=2), every=timedelta(minutes=1))
        assert (len(carrier.pushes), len(carrier.actions)) == (2, 9)


async def test_what_was_granted_and_not_claimed_stays(database: str) -> None:
    """Claims that find less than they may, or nothing, use up no more than they find."""
    carrier = ScriptedCarrier()
    limited = replace(SANDBOX, attributes=(), rates=(Rate(3600, 3),))
    async with dispatching(
        database, rules(INVITE, targets=[limited]), carriers={"sandbox": carrier}
    ) as d:
        for number in range(1, 4):
            await d.run()
            await d.tell(decision(segment="promoter"))
            await d.run()
            assert len(carrier.actions) == number
        await d.tell(decision(segment="promoter"))
        await d.run()
        assert len(carrier.actions) == 3
