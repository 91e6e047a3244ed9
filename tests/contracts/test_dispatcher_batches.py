"""Profile pushes that share a request, on a real PostgreSQL: each customer's state is her own."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.dispatcher.brakes.breaker import BreakerRule
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from shared.events.vocabulary import Segment
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.waiting import eventually

NEVER = play("never", "passive", "never", trigger="merged")
RETRY = Verdict("retry", "HTTP 503")


def sandbox(batch: int = 10, concurrency: int = 8, rates: tuple[Rate, ...] = ()) -> TargetRules:
    """A target that takes so many pushes in one request."""
    return TargetRules(
        "sandbox",
        concurrency,
        ("nps_segment",),
        ("nps_score",),
        None,
        True,
        batch=batch,
        rates=rates,
    )


@asynccontextmanager
async def batching(
    database: str, target: TargetRules | None = None, carrier: ScriptedCarrier | None = None
) -> AsyncIterator[tuple[Dispatching, ScriptedCarrier]]:
    """A dispatcher that pushes and does nothing else."""
    chosen = carrier or ScriptedCarrier()
    book = rules(NEVER, targets=[target or sandbox()])
    async with dispatching(database, book, carriers={"sandbox": chosen}) as d:
        await d.fresh()
        yield d, chosen


async def told(
    d: Dispatching, customers: list[uuid.UUID], version: int = 1, segment: Segment = "promoter"
) -> None:
    """Let something be decided for each."""
    await d.tell(
        *(
            decision(who, version=version, segment=segment, response=f"{who} {version}")
            for who in customers
        )
    )


def people(count: int) -> list[uuid.UUID]:
    """Invent customers."""
    return [uuid.uuid4() for _ in range(count)]


async def states(d: Dispatching) -> list[str]:
    """List how the pushes to the target stand."""
    return await d.scalars("SELECT state FROM pushes WHERE target = 'sandbox' ORDER BY state")


async def test_what_is_due_together_goes_together_and_one_goes_alone(database: str) -> None:
    """As many as one request takes; nobody waits for another."""
    async with batching(database) as (d, carrier):
        await told(d, people(25))
        await d.lanes["sandbox"].step()
        await d.lanes["sandbox"].settle()
        assert sorted(len(batch) for batch in carrier.batches) == [5, 10, 10]
        assert await states(d) == ["reached"] * 25
        await told(d, people(1))
        await d.run()
        assert (len(carrier.batches), len(carrier.pushes)) == (3, 26)
        value = d.registry.get_sample_value(
            "nps_dispatcher_batch_pushes_count", {"target": "sandbox"}
        )
        assert value == 3


async def test_a_target_without_batches_is_called_for_each(database: str) -> None:
    """The default."""
    async with batching(database, sandbox(batch=1)) as (d, carrier):
        await told(d, people(5))
        await d.run()
        assert (len(carrier.batches), len(carrier.pushes)) == (0, 5)


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [
        pytest.param(RETRY, "due", "HTTP 503", id="again"),
        pytest.param(Verdict("reject", "bad field"), "rejected", "bad field", id="never"),
        pytest.param(Verdict("park", "two match"), "parked", "two match", id="a-person"),
    ],
)
async def test_who_failed_is_by_herself_again_with_her_own_reason(
    database: str, verdict: Verdict, state: str, reason: str
) -> None:
    """The others are reached, and are not pushed again."""
    carrier = ScriptedCarrier(on_push=lambda number: verdict if number == 3 else OK)
    async with batching(database, carrier=carrier) as (d, _):
        await told(d, people(10))
        await d.run()
        failed = carrier.batches[0][2].customer_id
        row = await d.push(failed)
        assert (row.state, row.reason, row.attempts) == (state, reason, 1)
        assert sorted(await states(d)) == sorted(["reached"] * 9 + [state])
        d.now = later(minutes=1)
        await d.run()
        again = [push.customer_id for push in carrier.pushes[10:]]
        assert again == ([failed] if state == "due" else [])
        assert len(carrier.batches) == 1


async def test_an_unanswered_batch_is_tried_again_by_all(database: str) -> None:
    """Each at a moment of her own; the breaker counts one call."""
    carrier = ScriptedCarrier(on_push=lambda number: RETRY if number <= 10 else OK)
    async with batching(database, carrier=carrier) as (d, _):
        await told(d, people(10))
        await d.run()
        assert len(set(await d.scalars("SELECT due FROM pushes WHERE target = 'sandbox'"))) > 5
        assert await d.scalars("SELECT calls FROM kind_tallies WHERE target = 'sandbox'") == [1]
        broken = await d.scalars("SELECT target FROM breakers WHERE probe_at IS NOT NULL")
        assert broken == []
        d.now = later(minutes=1)
        await d.run()
        assert await states(d) == ["reached"] * 10


async def test_a_worker_lost_during_a_batch_leaves_all_of_it_to_another(database: str) -> None:
    """Every customer has a lease of her own, and they end together."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with batching(database, carrier=carrier) as (d, _):
        customers = people(10)
        await told(d, customers)
        lost = d.lane("sandbox")
        await lost.step()
        assert await d.scalars("SELECT count(*) FROM calls") == [10]
        for flight in list(lost.flights.tasks):
            flight.cancel()
        await asyncio.gather(*lost.flights.tasks, return_exceptions=True)
        carrier.gate = None
        await d.lapse()
        for minutes in (1, 2):  # what is taken back is found by the next round
            d.now = later(minutes=minutes)
            await d.run()
        assert await states(d) == ["reached"] * 10
        assert await d.scalars("SELECT count(*) FROM calls") == [0]


async def test_what_is_wanted_during_a_batch_is_pushed_after_it(database: str) -> None:
    """Only hers whose state changed; the order of each customer's states is kept."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with batching(database, carrier=carrier) as (d, _):
        customers = people(10)
        await told(d, customers)
        lane, other = d.lanes["sandbox"], d.lane("sandbox")
        await lane.step()
        await _called(carrier)
        await told(d, customers[:3], version=2, segment="detractor")
        assert not await other.step()
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert carrier.overlaps == 0
        assert len(carrier.pushes) == 13
        for customer in customers[:3]:
            hers = [p.version for p in carrier.pushes if p.customer_id == customer]
            assert hers == [1, 2]
            assert (await d.push(customer)).reached_version == 2


async def _called(carrier: ScriptedCarrier) -> None:
    async def called() -> bool:
        return bool(carrier.pushes)

    await eventually(called)


async def test_two_workers_push_nobody_twice_at_once(database: str) -> None:
    """While states change all the time, each customer's newest is reached in the end."""
    carrier = ScriptedCarrier()
    async with batching(database, sandbox(batch=7, concurrency=3), carrier) as (d, _):
        customers = people(60)
        stopping = asyncio.Event()
        workers = asyncio.gather(*(d.lane("sandbox").run(stopping) for _ in range(2)))
        segments: list[Segment] = ["promoter", "passive", "detractor", "promoter"]

        async def reached() -> bool:
            # Not by version: a state equal to the one reached is pushed no second time.
            found = await d.scalars(
                "SELECT wanted_version FROM pushes WHERE state = 'reached'"
                " AND reached_hash = wanted_hash"
            )
            return found == [len(segments)] * 60

        try:
            for version, segment in enumerate(segments, start=1):
                await told(d, customers, version, segment)
            await eventually(reached)
        finally:
            stopping.set()
            await workers
        assert carrier.overlaps == 0
        assert carrier.most <= 6
        assert max(len(batch) for batch in carrier.batches) <= 7
        for customer in customers:
            hers = [p for p in carrier.pushes if p.customer_id == customer]
            versions = [p.version for p in hers]
            assert versions == sorted(set(versions))
            assert hers[-1].attributes == {"nps_segment": segments[-1]}


async def test_a_rate_counts_requests_and_not_what_is_in_them(database: str) -> None:
    """Platforms count requests: two a minute carry twenty people here."""
    two = (Rate(60, 2, "push"),)
    async with batching(database, sandbox(rates=two)) as (d, carrier):
        await told(d, people(30))
        await d.run()
        assert [len(batch) for batch in carrier.batches] == [10, 10]
        assert await d.scalars("SELECT used FROM rates WHERE target = 'sandbox'") == [2]
        d.now = later(minutes=2)
        await d.run()
        assert await states(d) == ["reached"] * 30


async def test_slots_are_counted_in_requests(database: str) -> None:
    """No more requests are in flight than the target has slots."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with batching(database, sandbox(concurrency=2), carrier) as (d, _):
        await told(d, people(35))
        lane = d.lanes["sandbox"]
        assert [await lane.step() for _ in range(2)] == [True, False]
        await _called(carrier)
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run()
        assert carrier.most == 2
        assert await states(d) == ["reached"] * 35


async def test_whether_a_target_works_again_is_asked_with_one_push(database: str) -> None:
    """A probe risks one customer's push, then all others go together."""
    wrong = Verdict("disable_target", "the key is not valid")
    carrier = ScriptedCarrier(on_push=lambda number: wrong if number <= 10 else OK)
    async with batching(database, carrier=carrier) as (d, _):
        await told(d, people(10))
        await d.run()
        assert await d.scalars("SELECT reason FROM targets WHERE name = 'sandbox'") == [
            wrong.reason
        ]
        d.now = later(minutes=6)
        await d.run()
        assert [len(batch) for batch in carrier.batches] == [10, 9]
        assert await states(d) == ["reached"] * 10


async def test_a_throttle_of_one_slows_the_target(database: str) -> None:
    """Those that were taken are reached; the longest wait holds for the lane."""
    slow = Verdict("throttle", "HTTP 429", timedelta(seconds=30))
    carrier = ScriptedCarrier(on_push=lambda number: slow if number == 1 else OK)
    async with batching(database, carrier=carrier) as (d, _):
        await told(d, people(10))
        await d.run()
        assert sorted(await states(d)) == ["due", *["reached"] * 9]
        assert await d.scalars("SELECT slow_until FROM targets WHERE name = 'sandbox'") == [
            later(seconds=30)
        ]


async def test_one_that_breaks_every_batch_is_alone_in_the_end(database: str) -> None:
    """A platform that answers 500 to all because of one: the groups shrink, the others arrive."""
    poison = uuid.uuid4()

    class Poisoned(ScriptedCarrier):
        """Fails as a whole with her, alone or not."""

        async def push_profiles(self, pushes, *, budget, now):  # type: ignore[no-untyped-def]
            found = await super().push_profiles(pushes, budget=budget, now=now)
            return [RETRY] * len(found) if poison in {p.customer_id for p in pushes} else found

        async def push_profile(self, push, *, budget, now):  # type: ignore[no-untyped-def]
            found = await super().push_profile(push, budget=budget, now=now)
            return RETRY if push.customer_id == poison else found

    carrier = Poisoned()
    target = TargetRules(
        "sandbox", 8, ("nps_segment",), (), None, True, batch=10, breaker=BreakerRule(share=1)
    )
    async with batching(database, target, carrier) as (d, _):
        await told(d, [poison, *people(19)])
        await d.run_until(later(hours=12), every=timedelta(minutes=20))
        assert await states(d) == ["due", *["reached"] * 19]
        assert (await d.push(poison)).state == "due"
