"""The breakers of a target, over replicas, on a real PostgreSQL, in virtual time."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.dispatcher import watch
from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.delivery import TargetRules
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

INVITE = play("thanks", "promoter", "invite")
SANDBOX = TargetRules("sandbox", 8, (), (), None, True)


def _while_away(away: dict[str, bool], outcome: Outcome = "retry") -> Callable[[int], Verdict]:
    """Fail while `away["on"]`."""
    return lambda _: Verdict(outcome, "503") if away["on"] else OK


async def _gauge(d: Dispatching, name: str, **labels: str) -> float | None:
    await watch.measure(d.engine, d.metrics, d.rulebook.targets, lambda: d.now)
    return d.registry.get_sample_value(name, labels)


async def _state(d: Dispatching) -> str:
    await watch.measure(d.engine, d.metrics, d.rulebook.targets, lambda: d.now)
    (found,) = [
        sample.labels["state"]
        for metric in d.registry.collect()
        if metric.name == "nps_dispatcher_target_state"
        for sample in metric.samples
        if sample.labels["target"] == "sandbox" and sample.value == 1
    ]
    return found


@pytest.mark.parametrize("outcome", ["retry", "in_doubt", "disable_target"])
async def test_it_opens_probes_and_closes_by_itself(database: str, outcome: Outcome) -> None:
    """After ten failures only one probe at a time is called; the first that works ends it."""
    away = {"on": True}
    carrier = ScriptedCarrier(on_act=_while_away(away, outcome))
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=10)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(30)))
        await d.run("sandbox")
        before = len(carrier.actions)
        assert before == 10
        assert await _gauge(d, "nps_dispatcher_target_failing", target="sandbox") == 100
        assert await d.scalars("SELECT reason FROM breakers WHERE probe_at IS NOT NULL") == [
            "10 of the last 10 actions failed"
        ]
        d.now = later(seconds=29)
        await d.run("sandbox")
        assert len(carrier.actions) == before
        d.now = later(minutes=6)
        await d.run("sandbox")
        assert len(carrier.actions) == before + 1, "one probe, which fails"
        away["on"] = False
        await d.run_until(later(minutes=14), every=timedelta(seconds=30))
        assert {row.state for row in await d.rows()} == {"accepted"}
        assert await _state(d) == "working"


async def test_failures_of_all_replicas_count_and_all_stop(database: str) -> None:
    """Five failures at each of two workers open it for both; a third is not asked any more."""
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("retry", "503"))
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=5)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(30)))
        await d.fresh()
        workers = [d.lane("sandbox") for _ in range(3)]
        for worker in workers[:2]:
            assert await worker.step()
            await worker.settle()
        assert await _state(d) == "broken"
        assert await workers[2].step() is False
        assert len(carrier.actions) == 10


async def test_only_one_replica_probes_and_nothing_else_is_out_meanwhile(database: str) -> None:
    """While the probe is in flight no other call is, whoever asks."""
    away = {"on": True}
    carrier = ScriptedCarrier(on_act=_while_away(away))
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=10)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(20)))
        await d.run("sandbox")
        away["on"] = False
        carrier.gate = asyncio.Event()
        d.now = later(seconds=31)
        await d.fresh()
        first, second = d.lane("sandbox"), d.lane("sandbox")
        assert await first.step()
        assert [await second.step(), await first.step()] == [False, False]
        assert await _state(d) == "probing"
        carrier.gate.set()
        await first.settle()
        await d.run("sandbox")
        assert await _state(d) == "working"


async def test_a_failing_third_opens_nothing(database: str) -> None:
    """One call in three fails for its own reasons: the target goes on being called."""
    carrier = ScriptedCarrier(on_act=lambda n: Verdict("retry", "503") if n % 3 == 0 else OK)
    async with dispatching(
        database, rules(INVITE, targets=[SANDBOX]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(60)))
        await d.run("sandbox")
        assert len(carrier.actions) == 60
        assert await _state(d) == "working"
        assert await _gauge(d, "nps_dispatcher_target_failed_share", target="sandbox") == 1 / 3


async def test_old_failures_are_forgotten(database: str) -> None:
    """Nine failures, and six minutes later one more: nothing opens."""
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("retry", "503"))
    async with dispatching(
        database, rules(INVITE, targets=[SANDBOX]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(9)))
        await d.run("sandbox")
        await d.execute("UPDATE deliveries SET due = :due", due=later(hours=1))
        d.now = later(minutes=6)
        await d.tell(decision(segment="promoter", at=d.now))
        await d.run("sandbox")
        assert len(carrier.actions) == 10
        assert await _state(d) == "working"


async def test_a_start_leaves_the_breaker_open(database: str) -> None:
    """The probe closes it, within half a minute."""
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("retry", "503"))
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=10)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(10)))
        await d.run("sandbox")
        await add_targets(d.engine, ["sandbox"])
        assert await _state(d) == "broken"


#: Platforms serve profiles and messages by APIs of their own.
BOTH = TargetRules("sandbox", 10, ("nps_segment",), (), None, True)


async def _open(d: Dispatching) -> list[str]:
    return await d.scalars("SELECT reason FROM breakers WHERE probe_at IS NOT NULL")


async def test_profiles_that_fail_stop_no_message(database: str) -> None:
    """Who has her profile there is written to at once, the others after `profile_wait`."""
    away = {"on": False}
    carrier = ScriptedCarrier(on_push=_while_away(away))
    there = [uuid.uuid4() for _ in range(15)]
    async with dispatching(
        database, rules(INVITE, targets=[BOTH]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(
            *(
                decision(one, segment="promoter", triggers=("updated",), response="r0")
                for one in there
            )
        )
        await d.run("sandbox")
        away["on"], d.now = True, later(minutes=6)
        await d.tell(*(decision(segment="promoter", at=d.now) for _ in range(20)))
        await d.run("sandbox")
        tried = len(carrier.pushes)
        assert tried <= 15 + 10 + 5, "ten slots, and what was claimed ahead of them"
        assert carrier.actions == []
        (why,) = await _open(d)
        assert why.endswith("pushes failed")
        assert await _state(d) == "broken"
        await d.tell(*(decision(one, segment="promoter", version=2, at=d.now) for one in there))
        await d.run("sandbox")
        assert {call.customer_id for call in carrier.actions} == set(there)
        await d.run_until(later(minutes=15), every=timedelta(minutes=1))
        assert len(carrier.actions) == 15, "the others' profiles may come yet"
        await d.run_until(later(minutes=17), every=timedelta(minutes=1))
        assert len(carrier.actions) == 35
        assert len(carrier.pushes) == tried + 11, "one probe a minute, which fails"
        away["on"] = False
        await d.run_until(later(hours=2), every=timedelta(minutes=5))
        assert (await _state(d), await _open(d)) == ("working", [])
        assert set(await d.scalars("SELECT state FROM pushes")) == {"reached"}


async def test_messages_that_fail_stop_no_profile(database: str) -> None:
    """Profiles go on arriving while only a probe of the messages is sent."""
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("retry", "503"))
    async with dispatching(
        database, rules(INVITE, targets=[BOTH]), carriers={"sandbox": carrier}
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(30)))
        await d.run("sandbox")
        assert (len(carrier.pushes), len(carrier.actions)) == (30, 10)
        assert await _open(d) == ["10 of the last 10 actions failed"]
        d.now = later(seconds=31)
        await d.tell(*(decision(segment="passive", at=d.now) for _ in range(30)))
        await d.run("sandbox")
        assert (len(carrier.pushes), len(carrier.actions)) == (60, 11), "one probe, which fails"


async def test_a_target_that_hangs_holds_up_no_other(database: str) -> None:
    """All slots of one target wait for answers; the other gets everything meanwhile."""
    hanging = ScriptedCarrier(gate=asyncio.Event())
    good = ScriptedCarrier("good")
    book = rules(
        INVITE,
        play("gift", "promoter", "gift", target="good"),
        targets=[SANDBOX, replace(SANDBOX, name="good")],
    )
    async with dispatching(
        database, book, carriers={"sandbox": hanging, "good": good}, connections=4
    ) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(100)))
        await d.fresh()
        stopping = asyncio.Event()
        working = [asyncio.create_task(lane.run(stopping)) for lane in d.lanes.values()]

        async def done() -> bool:
            return {row.state for row in await d.rows(target="good")} == {"accepted"}

        try:
            await eventually(done)
            assert (len(good.actions), len(hanging.actions)) == (100, 8)
        finally:
            stopping.set()
            assert hanging.gate is not None
            hanging.gate.set()
            await asyncio.gather(*working)
