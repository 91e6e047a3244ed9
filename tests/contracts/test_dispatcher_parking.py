"""Brakes at planning on a real PostgreSQL: surges and first trials wait for a person, once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.ledger import ledger
from services.dispatcher.plan.plan import Rulebook
from shared.errors import DependencyAway
from shared.events.decisions import CustomerDecided
from tests.builders.decisions import decision, later, told
from tests.builders.dispatching import Dispatching, dispatching, play, rules

INVITE = play("thanks", "promoter", "invite")


def promoters(number: int, **told: Any) -> list[CustomerDecided]:
    return [decision(segment="promoter", **told) for _ in range(number)]


def braked(most: int, **changes: Any) -> Rulebook:
    return rules({**INVITE, **changes}, surge={"most": most})


async def states(d: Dispatching) -> Counter[str]:
    return Counter(row.state for row in await d.rows())


async def release(d: Dispatching) -> None:
    """Make everything parked due again, as a person's release does."""
    async with d.engine.begin() as connection:
        found = await ledger.read(connection, [row.id for row in await d.rows(state="parked")])
        again = [one.to("planned", "released by anna", due=d.now) for one in found]
        await ledger.move(connection, again, by="anna", now=d.now)


async def test_past_its_rate_a_play_is_parked_until_a_person_releases_it(database: str) -> None:
    """Three go, two wait with the reason; released they go, and no brake asks again."""
    async with dispatching(database, braked(3)) as d:
        with capture_logs() as lines:
            await d.tell(*promoters(5))
        await d.run()
        assert await states(d) == {"accepted": 3, "parked": 2}
        waiting = (await d.rows(state="parked"))[0]
        assert waiting.reason == "surge brake: more than 3 in 60 s of this play to this target"
        labels = {"play": "thanks", "target": "sandbox", "brake": "surge"}
        assert d.registry.get_sample_value("nps_dispatcher_braked_total", labels) == 2
        (alert,) = (line for line in lines if line["event"] == "dispatcher.parked_at_planning")
        assert (alert["log_level"], alert["count"]) == ("warning", 2)
        await release(d)
        await d.run()
        assert await states(d) == {"accepted": 5}


async def test_a_rate_glides_and_the_next_minute_lets_go_again(database: str) -> None:
    """Just after a full minute nearly nothing is free; a minute later all of it."""
    async with dispatching(database, braked(4)) as d:
        d.now += timedelta(seconds=59)
        await d.tell(*promoters(4, at=d.now))
        d.now += timedelta(seconds=2)
        await d.tell(*promoters(4, at=d.now))
        assert await states(d) == {"planned": 4, "parked": 4}
        d.now += timedelta(minutes=2)
        await d.tell(*promoters(4, at=d.now))
        assert await states(d) == {"planned": 8, "parked": 4}


async def test_replicas_together_let_go_no_more_than_the_rate(database: str) -> None:
    """Five handlers, forty customers, seven places: not one more by a race."""
    async with dispatching(database, braked(7)) as d:
        everyone = promoters(40)

        async def replica(start: int) -> None:
            for one in everyone[start::5]:
                while True:
                    try:
                        await d.handler.apply([told(one)])
                        break
                    except DependencyAway:
                        continue

        await asyncio.gather(*(replica(start) for start in range(5)))
        assert await states(d) == {"planned": 7, "parked": 33}


async def test_each_play_and_target_has_its_own_rate(database: str) -> None:
    """One play gone wild parks no other, and alerts go."""
    book = rules(
        {**INVITE, "surge": {"most": 1}},
        play("also", "promoter", "offer"),
        play(
            "alert",
            "promoter",
            "tell",
            target="alerts",
            channels=["chat"],
            **{"class": "internal"},
        ),
        surge={"most": 9},
    )
    async with dispatching(database, book) as d:
        await d.tell(*promoters(3))
        assert Counter(row.play for row in await d.rows(state="parked")) == {"thanks": 2}


async def test_a_sandbox_has_no_brake(database: str) -> None:
    """It reaches nobody: a demonstration of a thousand answers is no accident."""
    quiet = TargetRules("sandbox", 8, skip_delay_and_quiet_hours=True, sandbox=True)
    book = rules({**INVITE, "approve_first": 9}, targets=[quiet], surge={"most": 1})
    async with dispatching(database, book) as d:
        await d.tell(*promoters(3))
        assert await states(d) == {"planned": 3}


async def test_what_nobody_released_expires_and_frees_its_slot(database: str) -> None:
    """A reaction parked for three days is no reaction: no queue of old apologies remains."""
    async with dispatching(database, braked(1)) as d:
        await d.tell(*promoters(2))
        await d.run()
        d.now = later(hours=72)
        changed = await sweep(d.engine, ["sandbox", "alerts"], d.now)
        assert [(one.state, "the deadline was" in one.reason) for one in changed] == [
            ("expired", True)
        ]


async def test_a_release_asks_every_gate_anew(database: str) -> None:
    """Released after its deadline, or after consent went, it is not sent."""
    async with dispatching(database, braked(1)) as d:
        one, other = promoters(2)
        await d.tell(one, other)
        await d.run()
        d.now = later(hours=72)
        await release(d)
        await d.run()
        assert await states(d) == {"accepted": 1, "expired": 1}
        assert len(d.carriers["sandbox"].actions) == 1


async def test_the_first_of_a_new_play_wait_for_a_look(database: str) -> None:
    """Two wait, across batches and replicas; the third and all after it go."""
    async with dispatching(database, rules({**INVITE, "approve_first": 2})) as d:
        for one in promoters(4):
            await d.tell(one)
        assert await states(d) == {"parked": 2, "planned": 2}
        reasons = {row.reason for row in await d.rows(state="parked")}
        assert reasons == {"new or changed play: the first 2 wait; release after a look"}
        await release(d)
        await d.run()
        assert await states(d) == {"accepted": 4}
        labels = {"play": "thanks", "target": "sandbox", "brake": "trial"}
        assert d.registry.get_sample_value("nps_dispatcher_braked_total", labels) == 2


async def test_a_changed_play_is_a_new_one_and_one_changed_back_is_not(database: str) -> None:
    """Another template waits for a look; a mere restart, or going back, does not."""
    first = {**INVITE, "approve_first": 1}
    changed = {**first, "do": {**INVITE["do"], "variants": {"default": "NEW_T"}}}
    waiting = 0
    for playing, more in ((first, 1), (first, 0), (changed, 1), (first, 0)):
        async with dispatching(database, rules(playing)) as d:
            await d.tell(*promoters(2))
            waiting += more
            assert (await states(d))["parked"] == waiting
