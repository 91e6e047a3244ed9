"""A hundred customers, a hundred actions each, real HTTP answers by scripts, and workers lost.

Real PostgreSQL, the product's own carriers and connector, sockets. Time is virtual: retries are
rows that come due as the clock is moved to them, and a hang ends as the loop's clock skips its
time-out. Two workers for each target.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

import pytest
import structlog
from sqlalchemy import text

from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.lane import Lane
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.scripts import ACTIONS as SCRIPTS
from tests.builders.scripts import DOUBTFUL, PUSHES, ScriptedPlatform, Skips, script_of

CUSTOMERS: Final = 100
ACTIONS: Final = 100
NAMES: Final = ("keyed", "unkeyed")
#: Longer than the connector of these targets waits for an answer.
HANG_S: Final = 12.5
#: In which rounds one platform refuses connections, and in which a worker is lost.
AWAY, LOST = 20, 15
_SPREAD: Final = """
    UPDATE deliveries SET due = due + make_interval(secs => abs(hashtext(id::text)) % 60)
"""
_NEXT = text("""
    SELECT min(due) FROM (
        SELECT due FROM deliveries WHERE state IN ('planned', 'waiting')
        UNION ALL SELECT due FROM pushes WHERE state = 'due'
    ) AS open
""")


@pytest.fixture
def quiet() -> Iterator[None]:
    """Write no line for each of some ten thousand calls."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


async def _lose(d: Dispatching, lane: Lane, turns: int) -> set[UUID]:
    """End a worker as a kill would, somewhere between its claim, its calls and their records.

    Return the deliveries whose calls it had open then.
    """
    await lane.step()
    for _ in range(turns):
        await asyncio.sleep(0)
    for flight in list(lane.flights.tasks):
        flight.cancel()
    await asyncio.gather(*lane.flights.tasks, return_exceptions=True)
    held = await d.scalars("SELECT delivery_id FROM calls WHERE delivery_id IS NOT NULL")
    await d.lapse()
    return set(held)


async def _work(lanes: list[Lane], platforms: list[ScriptedPlatform], time: Skips) -> bool:
    """Let all workers claim side by side, and wait for their calls; True if any found work."""
    worked = await asyncio.gather(*(lane.step() for lane in lanes))
    settling = asyncio.gather(*(lane.settle() for lane in lanes))
    while not settling.done():
        await asyncio.wait({settling}, timeout=0.01)
        hanging = sum(platform.hanging for platform in platforms)
        if hanging and hanging == sum(not t.done() for lane in lanes for t in lane.flights.tasks):
            # All that is left would wait for ever.
            time.skip(HANG_S)
            await asyncio.sleep(0.01)
    return any(worked)


async def _pass(d: Dispatching, *, worked: bool) -> bool:
    """Let time pass until there is something to do; False if there never will be."""
    async with d.engine.connect() as connection:
        due = await connection.scalar(_NEXT)
    if due is None:
        return False
    # What is due already is held back for a while: a target that asked for less, a call in flight.
    d.now = max(due, d.now + timedelta(seconds=2 if worked else 10))
    return True


# In a loop of its own: what others leave in theirs (a server's next look around) would be put off
# by all the time that is skipped here, and the end of the run would wait for it.
@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.usefixtures("quiet")
async def test_profile_before_action_one_call_at_a_time_and_no_double_send(database: str) -> None:
    """10 000 deliveries: with keys each takes effect once; without, once at most, doubts told."""
    platforms = [ScriptedPlatform(name, keyed=name == "keyed") for name in NAMES]
    keyed_platform, unkeyed_platform = platforms
    targets = [
        TargetRules(name, CUSTOMERS, ("nps_segment",), (), None, True, batch=batch)
        for name, batch in zip(NAMES, (20, 1), strict=True)
    ]
    plays = [
        play(f"play{n}", "promoter", f"action{n}", target=NAMES[n % 2]) for n in range(ACTIONS)
    ]
    book = rules(*plays, targets=targets, profile_wait="48 h")
    lost: set[UUID] = set()
    async with AsyncExitStack() as stack:
        for platform in platforms:
            await stack.enter_async_context(platform.serving())
        d = await stack.enter_async_context(dispatching(database, book, connections=20))
        for platform in platforms:
            carrier = platform.carrier(lambda: d.now, CUSTOMERS)
            stack.push_async_callback(carrier.close)
            d.carriers[platform.name] = cast("ScriptedCarrier", carrier)
        customers = [uuid.uuid4() for _ in range(CUSTOMERS)]
        await d.tell(*(decision(customer, segment="promoter") for customer in customers))
        # As people's delays would spread them: else a claim sees one person's fifty in a row.
        await d.execute(_SPREAD)
        time = await stack.enter_async_context(Skips().running())
        rounds, open_ = 0, True
        while open_:
            rounds += 1
            assert rounds < 1_500, "it does not come to an end"
            away = platforms[rounds // AWAY % 2] if rounds % AWAY == 0 else None
            if away:
                await away.shut()
            await d.fresh()
            if rounds % LOST == 0:
                lost |= await _lose(d, d.lane(NAMES[rounds // LOST % 2]), rounds // LOST % 40)
            worked = await _work([d.lane(n) for n in NAMES for _ in range(2)], platforms, time)
            if away:
                await away.open()
            open_ = await _pass(d, worked=worked)
        for platform in platforms:
            assert platform.early == []
            assert platform.overlaps == []
            assert max(platform.effects.values()) == 1
            # Every kind of answer was given.
            assert set(platform.answers) == {w for s in (*SCRIPTS, *PUSHES) for w in s.split()}
        keyed, unkeyed = await d.rows(target="keyed"), await d.rows(target="unkeyed")
        assert len(keyed) + len(unkeyed) == CUSTOMERS * ACTIONS
        assert {row.state for row in keyed} == {"accepted"}
        assert len(keyed_platform.effects) == len(keyed)
        states = Counter(row.state for row in unkeyed)
        assert set(states) == {"accepted", "in_doubt"}
        happened = unkeyed_platform.effects
        assert all(happened[row.id] == 1 for row in unkeyed if row.state == "accepted")
        doubts = {row.id for row in unkeyed if row.state == "in_doubt"}
        scripted = {r.id for r in unkeyed if not DOUBTFUL.isdisjoint(script_of(r.id, SCRIPTS))}
        # Each doubt of a script is one, and nobody is bothered with another but a lost worker's.
        assert scripted <= doubts <= scripted | lost
        told = await d.scalars("SELECT count(*) FROM delivery_changes WHERE state = 'in_doubt'")
        assert told == [states["in_doubt"]]
