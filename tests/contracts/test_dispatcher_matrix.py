"""A hundred customers, a hundred actions each, platforms that answer by scripts and workers lost.

Real PostgreSQL, virtual time, two workers for each target.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
import structlog
from sqlalchemy import text

from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.lane import Lane
from tests.builders.decisions import decision
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.scripts import ScriptedPlatform

CUSTOMERS: Final = 100
ACTIONS: Final = 100
NAMES: Final = ("keyed", "unkeyed")
_SPREAD: Final = """
    UPDATE deliveries SET due = due + make_interval(secs => abs(hashtext(id::text)) % 60)
"""
_OPEN = text("SELECT EXISTS (SELECT 1 FROM deliveries WHERE state IN ('planned', 'waiting'))")


@pytest.fixture
def quiet() -> Iterator[None]:
    """Write no line for each of some ten thousand calls."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


async def _lose(d: Dispatching, lane: Lane) -> None:
    """End a worker as a kill would, between its claim, its calls and their records."""
    await lane.step()
    await asyncio.sleep(0)
    for flight in list(lane.flights.tasks):
        flight.cancel()
    await asyncio.gather(*lane.flights.tasks, return_exceptions=True)
    await d.lapse()


async def _work(d: Dispatching, lanes: list[Lane]) -> bool:
    """Let all workers claim side by side, and wait for their calls; True if any found work."""
    worked = await asyncio.gather(*(lane.step() for lane in lanes))
    await asyncio.gather(*(lane.settle() for lane in lanes))
    return any(worked)


@pytest.mark.usefixtures("quiet")
async def test_profile_before_action_one_call_at_a_time_and_no_double_send(database: str) -> None:
    """10 000 deliveries: with keys each takes effect once; without, once at most, doubts told."""
    platforms = {name: ScriptedPlatform(name, keyed=name == "keyed") for name in NAMES}
    targets = [TargetRules(name, CUSTOMERS, ("nps_segment",), (), None, True) for name in NAMES]
    plays = [
        play(f"play{n}", "promoter", f"action{n}", target=NAMES[n % 2]) for n in range(ACTIONS)
    ]
    book = rules(*plays, targets=targets, profile_wait="48 h")
    carriers = {name: platform.carrier for name, platform in platforms.items()}
    async with dispatching(database, book, carriers=carriers, connections=20) as d:
        customers = [uuid.uuid4() for _ in range(CUSTOMERS)]
        await d.tell(*(decision(customer, segment="promoter") for customer in customers))
        # As people's delays would spread them: else a claim sees one person's fifty in a row.
        await d.execute(_SPREAD)
        rounds, waiting = 0, True
        while waiting:
            rounds += 1
            assert rounds < 3_000, "it does not come to an end"
            await d.fresh()
            lanes = [d.lane(name) for name in NAMES for _ in range(2)]
            if rounds % 25 == 0:
                await _lose(d, d.lane(NAMES[rounds // 25 % 2]))
            worked = await _work(d, lanes)
            d.now += timedelta(seconds=2 if worked else 30)
            async with d.engine.connect() as connection:
                waiting = bool(await connection.scalar(_OPEN))
        for platform in platforms.values():
            assert platform.early == []
            assert platform.carrier.overlaps == 0
            assert max(platform.effects.values()) == 1
        keyed, unkeyed = await d.rows(target="keyed"), await d.rows(target="unkeyed")
        assert len(keyed) + len(unkeyed) == CUSTOMERS * ACTIONS
        assert {row.state for row in keyed} == {"accepted"}
        assert len(platforms["keyed"].effects) == len(keyed)
        states = Counter(row.state for row in unkeyed)
        assert set(states) == {"accepted", "in_doubt"}
        happened = platforms["unkeyed"].effects
        assert all(happened[row.id] == 1 for row in unkeyed if row.state == "accepted")
        told = await d.scalars("SELECT count(*) FROM delivery_changes WHERE state = 'in_doubt'")
        assert told == [states["in_doubt"]]
