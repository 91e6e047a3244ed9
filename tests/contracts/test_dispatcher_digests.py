"""More alerts than readers bear, nights and heartbeats, on real rows: nothing lost, none twice."""

import uuid
from datetime import timedelta

from services.dispatcher.brakes.rates import Rate
from services.dispatcher.calls.calls import Verdict
from tests.builders.decisions import NOW, decision, erased
from tests.builders.digests import MOST, book, herald, states, unhappy
from tests.builders.dispatching import dispatching


async def test_what_is_past_the_hours_number_comes_in_one_digest(database: str) -> None:
    """Three by themselves, four together at the hour's end, each row saying into which digest."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(score) for score in (6, 5, 4, 3, 2, 1, 0)))
        await machine.run("alerts")
        assert await states(machine) == ["accepted"] * 3 + ["superseded"] * 4
        teller = herald(machine)
        assert await teller.step() == 0

        machine.now += timedelta(hours=1)
        assert await teller.step() == 1
        assert await teller.step() == 0

        *_, sent = machine.carriers["alerts"].actions
        assert len(machine.carriers["alerts"].actions) == MOST + 1
        assert sent.notice is not None
        assert sent.notice[0].startswith("4 more: internal alert")
        assert "detractor 4" in sent.notice[1]
        reasons = {row.reason for row in await machine.rows(state="superseded")}
        assert reasons == {f"gathered into digest {sent.delivery_id}: more than 3 an hour"}
        assert (
            machine.registry.get_sample_value(
                "nps_dispatcher_notice_last_success_timestamp_seconds",
                {"target": "alerts", "kind": "digest"},
            )
            == (NOW + timedelta(hours=1)).timestamp()
        )


async def test_escalations_are_sent_by_themselves_whatever_the_number(database: str) -> None:
    """The eleventh may be the one with the lawyer."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(5)))
        await machine.run("alerts")
        await machine.tell(*(unhappy(3, "legal") for _ in range(4)))
        await machine.run("alerts")

        assert await states(machine) == ["accepted"] * 7 + ["superseded"] * 2


async def test_the_next_hour_begins_anew(database: str) -> None:
    """The number is per hour, and what was gathered before stays where it is."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(4)))
        await machine.run("alerts")
        machine.now += timedelta(hours=1)
        await machine.tell(*(unhappy(3, at=machine.now) for _ in range(3)))
        await machine.run("alerts")

        assert await states(machine) == ["accepted"] * 6 + ["superseded"]


async def test_two_replicas_count_the_same_hour(database: str) -> None:
    """However many workers there are, the chat rings three times."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(8)))
        other = machine.lane("alerts")
        await machine.fresh()
        for lane in (other, machine.lanes["alerts"], other, machine.lanes["alerts"]):
            await lane.step()
            await lane.settle()

        assert await states(machine) == ["accepted"] * 3 + ["superseded"] * 5


async def test_a_digest_is_told_again_until_it_is_taken(database: str) -> None:
    """A chat that is away at the full hour hears of it later; nothing is lost."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(4)))
        await machine.run("alerts")
        machine.carriers["alerts"].on_act = lambda number: Verdict(
            *(("retry", "away") if number == MOST + 1 else ("ok", "posted"))
        )
        first, second = herald(machine), herald(machine)
        machine.now += timedelta(hours=1)
        assert (await first.step(), await second.step()) == (1, 0)
        machine.now += timedelta(minutes=1)
        assert (await second.step(), await first.step()) == (1, 0)

        assert await machine.scalars("SELECT state FROM notices") == ["accepted"]


async def test_a_worker_lost_in_the_middle_of_a_digest_leaves_it_to_another(database: str) -> None:
    """A lease that lapsed is told again: silence would be worse than twice."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(4)))
        await machine.run("alerts")
        machine.now += timedelta(hours=1)
        await machine.execute(
            "UPDATE notices SET state = 'sending', lease_until = now() - interval '1 s'"
        )

        assert await herald(machine).step() == 1


async def test_an_erased_customer_is_in_no_digest(database: str) -> None:
    """What was gathered of her goes with her."""
    async with dispatching(database, book()) as machine:
        told = [unhappy(3) for _ in range(5)]
        await machine.tell(*told)
        await machine.run("alerts")
        gone = [row.customer_id for row in await machine.rows(state="superseded")]
        await machine.tell(erased(gone[0]))
        machine.now += timedelta(hours=1)
        await herald(machine).step()

        *_, sent = machine.carriers["alerts"].actions
        assert sent.notice is not None
        assert str(gone[0]) not in sent.notice[1]
        assert str(gone[1]) in sent.notice[1]


async def test_at_night_alerts_wait_for_the_morning_and_a_danger_does_not(database: str) -> None:
    """Ten in the evening in Paris: one is sent, the other at eight."""
    async with dispatching(database, book(zone="Europe/Paris")) as machine:
        machine.now = NOW.replace(hour=21)
        await machine.tell(unhappy(3, at=machine.now), unhappy(3, "safety", at=machine.now))
        await machine.run("alerts")
        (waiting,) = await machine.rows(state="waiting")
        assert waiting.reason.startswith("its readers' night")

        machine.now = (NOW + timedelta(days=1)).replace(hour=7)
        await machine.run("alerts")
        assert await states(machine) == ["accepted", "accepted"]


async def test_a_heartbeat_comes_once_a_day_from_one_of_all_replicas(database: str) -> None:
    """How many answers there were, also when nobody was alarmed."""
    async with dispatching(database, book(heartbeat="24 h", heartbeat_at="12:00")) as machine:
        first, second = herald(machine), herald(machine)
        calm = decision(uuid.uuid4(), segment="promoter")
        await machine.tell(calm, decision(calm.customer_id, version=2, segment="promoter"))
        await machine.run("alerts")
        assert await first.step() == 0
        machine.now = NOW.replace(hour=12)
        await machine.fresh()
        assert (await first.step(), await second.step(), await first.step()) == (1, 0, 0)

        (sent,) = machine.carriers["alerts"].actions
        assert sent.notice == ("All running", "Last 24 h: alerts: none, answers: 1")
        machine.now += timedelta(days=1)
        assert await second.step() == 1
        assert sent.delivery_id != machine.carriers["alerts"].actions[1].delivery_id


async def test_a_heartbeat_says_when_something_stands_still(database: str) -> None:
    """An alarm must not live only in what has died."""
    async with dispatching(database, book(heartbeat="24 h", heartbeat_at="12:00")) as machine:
        await machine.fresh()
        machine.now = NOW.replace(hour=12)
        await herald(machine).step()

        (sent,) = machine.carriers["alerts"].actions
        assert sent.notice is not None
        assert sent.notice[0] == "Not running as it should"


async def test_notices_keep_to_the_targets_rate(database: str) -> None:
    """One call a minute is granted, and an alert has just had it."""
    async with dispatching(database, book(rates=[Rate(60, 1, "all")])) as machine:
        machine.now = NOW.replace(minute=59, second=50)
        await machine.execute(
            "INSERT INTO notices (id, kind, target, action, channel, begun, due, deadline, reason,"
            " at) VALUES (gen_random_uuid(), 'heartbeat', 'alerts', 'heartbeat', 'chat', :now,"
            " :now, :end, 'due', :now)",
            now=machine.now,
            end=machine.now + timedelta(hours=1),
        )
        await machine.tell(unhappy(3, at=machine.now))
        await machine.fresh()
        await machine.lanes["alerts"].step()
        await machine.lanes["alerts"].settle()
        teller = herald(machine)
        assert await teller.step() == 0
        machine.now += timedelta(minutes=2)
        assert await teller.step() == 1


async def test_a_notice_finds_out_that_a_target_is_back(database: str) -> None:
    """A wrong token pauses the chat; where only digests wait, one of them ends the pause."""
    async with dispatching(database, book()) as machine:
        await machine.tell(*(unhappy(3) for _ in range(4)))
        await machine.run("alerts")
        machine.carriers["alerts"].on_act = lambda number: Verdict(
            "disable_target" if number == MOST + 1 else "ok", "token"
        )
        teller = herald(machine)
        machine.now += timedelta(hours=1)
        assert await teller.step() == 1
        machine.now += timedelta(minutes=1)
        assert await teller.step() == 0
        machine.now += timedelta(minutes=5)
        assert await teller.step() == 1

        assert await machine.scalars("SELECT state FROM notices") == ["accepted"]
        assert await machine.scalars("SELECT paused_until FROM targets WHERE name = 'alerts'") == [
            None
        ]
