"""Lanes on a real PostgreSQL: leases, doubts, dead targets, replicas."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from services.dispatcher.brakes.rates import AtOnce
from services.dispatcher.calls.calls import ActionCall, Idempotency, ProfilePush, Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.operate.settle import settle
from shared.errors import BusAway
from shared.events.outcomes import DeliverySettled
from tests.builders.auditing import pen
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, later, rolling
from tests.builders.dispatching import dispatching, play, rules
from tests.builders.waiting import eventually

INVITE = play("thanks", "promoter", "invite")
RETRY = Verdict("retry", "503")
DOUBT = Verdict("in_doubt", "no answer")
UNKEYED = Idempotency("none")


def _first(count: int, verdict: Verdict) -> Callable[[int], Verdict]:
    """Answer the first calls with a verdict, then `OK`."""
    return lambda number: verdict if number <= count else OK


async def test_a_target_that_was_away_gets_everything_once_and_delays_no_other(
    database: str,
) -> None:
    """While one target answers 503, the other works; then the first gets push and message, once."""
    away = {"on": True}
    carrier = ScriptedCarrier(
        on_push=lambda _: RETRY if away["on"] else OK, on_act=lambda _: RETRY if away["on"] else OK
    )
    async with dispatching(database, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision() for _ in range(20)))
        await d.run()
        assert len(d.carriers["alerts"].actions) == 20
        await d.run_until(later(minutes=8), every=timedelta(minutes=1))
        away["on"] = False
        carrier.pushes.clear()
        carrier.actions.clear()
        await d.run_until(later(hours=2), every=timedelta(minutes=10))
        assert len({p.customer_id for p in carrier.pushes}) == len(carrier.pushes) == 20
        assert len({a.delivery_id for a in carrier.actions}) == len(carrier.actions) == 20
        assert {row.state for row in await d.rows()} == {"accepted"}


@pytest.mark.parametrize(
    ("idempotency", "state", "calls"),
    [
        pytest.param(Idempotency("key"), "accepted", 2, id="keyed-is-repeated"),
        pytest.param(
            Idempotency("key", timedelta(seconds=2)), "in_doubt", 1, id="key-forgotten-is-in-doubt"
        ),
        pytest.param(UNKEYED, "in_doubt", 1, id="unkeyed-is-in-doubt"),
    ],
)
async def test_a_worker_lost_during_a_call_is_an_unanswered_call(
    database: str, idempotency: Idempotency, state: str, calls: int
) -> None:
    """Killed between send and record: repeated under a known key, in doubt without one."""
    carrier = ScriptedCarrier(action_idempotency=idempotency)
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        lost = d.lane("sandbox")
        await d.fresh()
        await lost.step()
        await lost.settle()  # the profile
        carrier.gate = asyncio.Event()
        await lost.step()

        async def called() -> bool:
            return bool(carrier.actions)

        await eventually(called)
        for flight in list(lost.flights.tasks):
            flight.cancel()
        await asyncio.gather(*lost.flights.tasks, return_exceptions=True)
        carrier.gate = None
        await d.lapse()
        d.now = later(minutes=1)
        await d.run()
        d.now = later(minutes=2)
        await d.run()
        assert (await d.row()).state == state
        assert len(carrier.actions) == calls
        assert len({call.delivery_id for call in carrier.actions}) == 1


async def test_a_worker_that_lost_its_lease_writes_nothing(database: str) -> None:
    """The answer that comes after the lease ended changes no row."""
    carrier = ScriptedCarrier(action_idempotency=UNKEYED)
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        slow = d.lane("sandbox")
        await d.fresh()
        await slow.step()
        await slow.settle()
        carrier.gate = asyncio.Event()
        await slow.step()
        await d.lapse()
        await d.run()
        assert (await d.row()).state == "in_doubt"
        carrier.gate.set()
        await slow.settle()
        row = await d.row()
        assert (row.state, row.attempts) == ("in_doubt", 1)


class SlowPushes(ScriptedCarrier):
    """A platform whose profiles hang while its messages go."""

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: datetime) -> Verdict:
        """Wait for the gate, as `act` does not."""
        del budget, now
        self.pushes.append(push)
        if self.gate is not None:
            await self.gate.wait()
        return OK

    async def act(self, call: ActionCall, *, budget: timedelta, now: datetime) -> Verdict:
        """Answer at once."""
        del budget, now
        self.actions.append(call)
        return OK


@pytest.mark.parametrize(
    ("at_once", "pushing", "sent"),
    [
        pytest.param(AtOnce(push=3), 3, 6, id="pushes-leave-a-call-to-actions"),
        pytest.param(AtOnce(push=1, act=1), 1, 6, id="both-have-their-own"),
        pytest.param(AtOnce(), 4, 0, id="without-bounds-they-take-all"),
    ],
)
async def test_a_slow_endpoint_leaves_calls_to_the_other_kind(
    database: str, at_once: AtOnce, pushing: int, sent: int
) -> None:
    """Of four calls: while profiles hang, messages of those whose profile is there go."""
    carrier = SlowPushes()
    target = TargetRules("sandbox", 4, ("nps_segment",), (), None, True, at_once=at_once)
    book = rules(INVITE, targets=[target])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        known = [uuid.uuid4() for _ in range(6)]
        await d.tell(*(decision(one, segment="promoter", triggers=()) for one in known))
        await d.run()
        assert len(carrier.pushes) == 6
        carrier.pushes.clear()
        carrier.gate = asyncio.Event()
        await d.tell(*(decision(segment="promoter", triggers=()) for _ in range(10)))
        await d.fresh()
        lane = d.lanes["sandbox"]
        for _ in range(3):
            await lane.step()
        await d.tell(*(decision(one, version=2, segment="promoter") for one in known))
        for _ in range(30):
            await lane.step()
            for _ in range(5):
                await asyncio.sleep(0)
        assert (len(carrier.pushes), len(carrier.actions)) == (pushing, sent)
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert (len(carrier.pushes), len(carrier.actions)) == (10, 6)
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_a_doubt_keeps_its_slot_and_blocks_no_profile(database: str) -> None:
    """In doubt, the contact still counts; what we know of her still reaches the platform."""
    carrier = ScriptedCarrier(action_idempotency=UNKEYED, on_act=_first(1, DOUBT))
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        customer = uuid.uuid4()
        budgets = (rolling(1, 24 * 7),)
        await d.tell(decision(customer, segment="promoter", budgets=budgets))
        await d.run()
        await d.tell(
            decision(customer, version=2, segment="promoter", response="r2", budgets=budgets)
        )
        await d.tell(decision(customer, version=3, segment="passive", response="r3"))
        await d.run()
        assert sorted(row.state for row in await d.rows()) == ["in_doubt", "suppressed"]
        assert carrier.pushes[-1].attributes == {"nps_segment": "passive"}


async def test_an_unanswered_alert_is_repeated(database: str) -> None:
    """An alert told twice is a nuisance, one lost a silence: it is tried again."""
    carrier = ScriptedCarrier("alerts", action_idempotency=UNKEYED, on_act=_first(1, DOUBT))
    async with dispatching(database, carriers={"alerts": carrier}) as d:
        await d.tell(decision())
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        assert (await d.row(play="alert")).state == "accepted"
        assert len(carrier.actions) == 2


async def test_two_replicas_share_the_work_one_call_per_customer_at_a_time(database: str) -> None:
    """Two workers on one target: every action once, never two calls in flight for one customer."""
    plays = [play(f"p{n}", "promoter", f"action{n}") for n in range(5)]
    carrier = ScriptedCarrier()
    async with dispatching(database, rules(*plays), carriers={"sandbox": carrier}) as d:
        await d.fresh()
        await d.tell(*(decision(segment="promoter") for _ in range(30)))
        stopping = asyncio.Event()
        workers = asyncio.gather(*(d.lane("sandbox").run(stopping) for _ in range(2)))

        async def done() -> bool:
            return {row.state for row in await d.rows()} == {"accepted"}

        try:
            await eventually(done)
        finally:
            stopping.set()
            await workers
        assert carrier.overlaps == 0
        assert len({c.delivery_id for c in carrier.actions}) == len(carrier.actions) == 150
        assert len(carrier.pushes) == 30


async def test_no_more_calls_are_in_flight_than_a_target_has_slots(database: str) -> None:
    """A slot is free once its call has ended, and not before; writing the answer takes none."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    two = TargetRules("sandbox", 2, ("nps_segment",), (), None, True)
    book = rules(INVITE, targets=[two])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(20)))
        await d.fresh()
        lane = d.lanes["sandbox"]
        assert [await lane.step() for _ in range(3)] == [True, False, False]
        assert carrier.gate is not None
        carrier.gate.set()
        stopping = asyncio.Event()
        working = asyncio.create_task(lane.run(stopping))

        async def done() -> bool:
            return {row.state for row in await d.rows()} == {"accepted"}

        try:
            await eventually(done)
        finally:
            stopping.set()
            await working
        assert carrier.most == 2
        assert carrier.overlaps == 0
        assert len(carrier.pushes) == len(carrier.actions) == 20


async def test_state_that_is_stale_holds_customers_back_but_no_alert(database: str) -> None:
    """With the segmenter silent, messages to customers wait and alerts go."""
    async with dispatching(database) as d:
        await d.tell(decision())
        await d.fresh(later(seconds=-61))
        await d.run(fresh=False)
        waiting = await d.row(play="sorry")
        assert waiting.state == "waiting"
        assert waiting.reason.startswith("state is stale")
        assert (await d.row(play="alert")).state == "accepted"
        for seconds in (5, 10, 15):
            d.now = later(seconds=seconds)
            await d.run(fresh=False)
        assert (await d.row(play="sorry")).change == 2, "waiting on is no change"
        d.now = later(seconds=20)
        await d.run()
        assert (await d.row(play="sorry")).state == "accepted"


@pytest.mark.parametrize(
    ("answer", "profile_late", "minutes", "state"),
    [
        pytest.param(RETRY, "send", 5, "waiting", id="waits-for-the-profile"),
        pytest.param(RETRY, "send", 11, "accepted", id="goes-without-it-after-a-while"),
        pytest.param(RETRY, "park", 11, "parked", id="is-parked-after-a-while"),
        pytest.param(Verdict("reject", "bad"), "send", 0, "accepted", id="rejected-goes-at-once"),
        pytest.param(Verdict("reject", "bad"), "park", 0, "parked", id="rejected-is-parked"),
    ],
)
async def test_an_action_waits_for_its_profile(
    database: str, answer: Verdict, profile_late: str, minutes: int, state: str
) -> None:
    """Profile before action, for `profile_wait` at most; then the play decides."""
    carrier = ScriptedCarrier(on_push=lambda _: answer)
    book = rules(play("thanks", "promoter", "invite", profile_late=profile_late))
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        await d.run_until(later(minutes=minutes), every=timedelta(seconds=30))
        assert (await d.row()).state == state


async def test_what_is_planned_wakes_its_lane(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No poll is waited for: the lane of an idle target sleeps for an hour here."""
    monkeypatch.setattr("services.dispatcher.lanes.lane.POLL_S", 3600.0)
    async with dispatching(database, rules(INVITE)) as d:
        await d.fresh()
        stopping = asyncio.Event()
        working = asyncio.create_task(d.lanes["sandbox"].run(stopping))
        try:
            await asyncio.sleep(0)
            await d.tell(decision(segment="promoter"))

            async def sent() -> bool:
                return [row.state for row in await d.rows()] == ["accepted"]

            await eventually(sent)
        finally:
            stopping.set()
            d.bell.ring("sandbox")
            await working


async def test_a_wrong_account_pauses_the_target_and_one_call_tries_again(database: str) -> None:
    """Credentials refused: nothing is lost or sent, and after a while a single call probes."""
    wrong = {"on": True}
    carrier = ScriptedCarrier(
        on_push=lambda _: Verdict("disable_target", "401") if wrong["on"] else OK
    )
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(10)))
        await d.run()
        before = len(carrier.pushes)
        d.now = later(minutes=4)
        await d.run()
        assert len(carrier.pushes) == before
        d.now = later(minutes=6)
        await d.run()
        assert len(carrier.pushes) == before + 1
        wrong["on"] = False
        d.now = later(minutes=12)
        await d.run()
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_one_call_at_a_time_finds_out_whether_a_pause_may_end(database: str) -> None:
    """While the probe is out nothing else is, whichever replica asks; it ends the pause for all."""
    carrier = ScriptedCarrier(on_push=_first(1, Verdict("disable_target", "401")))
    one = TargetRules("sandbox", 1, ("nps_segment",), (), None, True)
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(10)))
        d.rulebook = rules(INVITE, targets=[one])
        first = d.lane("sandbox")
        await first.step()
        await first.settle()
        d.now = later(minutes=6)
        await d.fresh()
        carrier.gate = asyncio.Event()
        lanes = (d.lanes["sandbox"], d.lane("sandbox"))
        assert await lanes[0].step()
        for lane in lanes:
            assert await lane.step() is False
        carrier.gate.set()
        await lanes[0].settle()
        await d.run()
        assert {row.state for row in await d.rows()} == {"accepted"}
        assert len(carrier.pushes) == 11


async def test_a_repeat_that_waits_keeps_its_place_in_the_budget(database: str) -> None:
    """What may have reached her counts from then on, though it waits to be sent again."""
    carrier = ScriptedCarrier(on_act=_first(1, DOUBT))
    book = rules(INVITE, play("gift", "promoter", "gift"))
    budgets = (rolling(1, 16),)
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        customer = uuid.uuid4()
        await d.tell(decision(customer, segment="promoter", budgets=budgets))
        d.now = later(hours=1)
        await d.execute("UPDATE deliveries SET due = :now WHERE state = 'planned'", now=d.now)
        await d.run()
        unsure = next(row for row in await d.rows() if row.attempts)
        assert (unsure.state, unsure.moment) == ("waiting", later(hours=1))
        await d.execute(
            "UPDATE deliveries SET due = :due WHERE id = :id", due=later(hours=18), id=unsure.id
        )
        d.now = later(hours=16)
        await d.run()
        assert len(carrier.actions) == 1, "only fifteen hours after what may have reached her"
        d.now = later(hours=17)
        await d.run()
        assert len(carrier.actions) == 2
        d.now = later(hours=18)
        await d.run()
        row = await d.row(id=unsure.id)
        assert (row.state, row.until) == ("waiting", later(hours=33))


@pytest.mark.parametrize(
    ("budget", "clock", "state", "reason"),
    [
        pytest.param(
            timedelta(seconds=10),
            [NOW, NOW, later(hours=72)],
            "expired",
            "the deadline passed before the call",
            id="the-deadline-passed",
        ),
        pytest.param(
            timedelta(hours=1), [NOW], "waiting", "as long as the lease", id="the-lease-is-used-up"
        ),
    ],
)
async def test_a_claim_that_took_too_long_calls_nobody(
    database: str, budget: timedelta, clock: list[datetime], state: str, reason: str
) -> None:
    """Deadline and lease are looked at right before the call, not only when claiming."""
    told = list(clock)
    target = TargetRules("sandbox", 8, (), (), None, True)
    book = rules(INVITE, targets=[target])
    async with dispatching(database, book) as d:
        await d.tell(decision(segment="promoter"))
        await d.fresh()
        lane = d.lane("sandbox", clock=lambda: told.pop(0) if told[1:] else told[0], budget=budget)
        assert await lane.step()
        await lane.settle()
        row = await d.row()
        assert row.state == state
        assert reason in row.reason
        assert d.carriers["sandbox"].actions == []


async def test_a_target_that_says_slow_down_is_left_alone(database: str) -> None:
    """`Retry-After` holds for the whole target, not for one delivery."""
    wait = Verdict("throttle", "429", wait=timedelta(seconds=90))
    carrier = ScriptedCarrier(on_act=_first(1, wait))
    target = TargetRules("sandbox", 1, (), (), None, True)
    book = rules(INVITE, targets=[target])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(5)))
        await d.run()
        d.now = later(seconds=89)
        await d.run()
        assert len(carrier.actions) == 1
        d.now = later(seconds=90)
        await d.run()
        assert {row.state for row in await d.rows()} == {"accepted"}


async def test_no_call_slips_out_after_slow_down(database: str) -> None:
    """The slot of the call that was told so is free only once all lanes know."""
    wait = Verdict("throttle", "429", wait=timedelta(seconds=90))
    carrier = ScriptedCarrier(on_act=_first(1, wait))
    book = rules(INVITE, targets=[TargetRules("sandbox", 1, (), (), None, True)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(5)))
        await d.fresh()
        stopping = asyncio.Event()
        working = asyncio.create_task(d.lanes["sandbox"].run(stopping))

        async def noted() -> bool:
            return "waiting" in {row.state for row in await d.rows()}

        try:
            await eventually(noted)
        finally:
            stopping.set()
            await working
        assert len(carrier.actions) == 1


async def test_changes_of_a_delivery_are_told_in_order(database: str) -> None:
    """The next change waits for the one before, also when another replica is telling that."""
    carrier = ScriptedCarrier(action_idempotency=UNKEYED, on_act=_first(1, DOUBT))
    async with dispatching(database, rules(INVITE), carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        row = await d.row()
        async with d.engine.begin() as telling:
            await telling.execute(text("SELECT * FROM delivery_changes WHERE untold FOR UPDATE"))
            await settle(d.engine, row.id, "sent", pen("dispatcher", d.now))
            assert await d.teller.step() == 0
        assert [await d.teller.step() for _ in range(3)] == [1, 1, 0]
        told = [e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled)]
        assert [(t.state, t.change) for t in told] == [("in_doubt", 3), ("accepted", 4)]


async def test_an_outcome_that_was_not_acknowledged_is_told_again(database: str) -> None:
    """Killed or refused between publish and mark, the same event is told once more."""
    async with dispatching(database, rules(INVITE)) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        d.bag.away = True
        with pytest.raises(BusAway):
            await d.teller.step()
        d.bag.away = False
        assert await d.teller.step() == 1
        assert await d.teller.step() == 0
        first, again = d.bag.events()
        assert first == again
        assert isinstance(first.data, DeliverySettled)
        assert first.data.state == "accepted"
