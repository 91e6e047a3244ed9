"""Asking what became of messages, on a real PostgreSQL, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher import watch
from services.dispatcher.brakes.brakes import pause_target
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.calls.calls import Heard, Verdict
from services.dispatcher.cli.delivery import delivery
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.ledger.pruning import prune
from services.dispatcher.status.inquiry import OVER, StatusRule
from services.dispatcher.status.reporting import report_found
from shared.errors import DependencyAway
from shared.events.envelope import OUTCOMES, Event
from shared.events.ids import name_id
from shared.events.outcomes import (
    DeliverySettled,
    MessageBounced,
    MessageDelivered,
    MessageOpened,
    MessageState,
)
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, erased, later
from tests.builders.dispatcher_api import ENVIRON, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.operating import answering, run
from tests.builders.waiting import eventually

INVITE = play("thanks", "promoter", "invite")
ASKED = TargetRules("sandbox", 8, (), ("nps_score",), None, True, status=StatusRule())


def heard(message: MessageState | None = None, *, last: bool = False) -> Heard:
    """Make an answer."""
    return Heard(OK, message, last=last)


def in_turn(*answers: Heard) -> Callable[[int], Heard]:
    """Answer each question in its turn, the last one for ever."""
    return lambda number: answers[min(number, len(answers)) - 1]


@asynccontextmanager
async def asking(
    database: str, answer: Callable[[int], Heard], target: TargetRules = ASKED, people: int = 1
) -> AsyncIterator[tuple[Dispatching, ScriptedCarrier]]:
    """A dispatcher whose target has taken a message to each of some people."""
    made = Verdict("accepted", "taken", reference="m-1")
    carrier = ScriptedCarrier(on_act=lambda _: made, on_inquire=answer)
    book = rules(INVITE, targets=[target])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(*(decision(segment="promoter") for _ in range(people)))
        await d.run()
        assert len(carrier.actions) == people
        yield d, carrier


async def question(d: Dispatching) -> Any:
    """Return the only question there is."""
    async with d.engine.connect() as connection:
        return (await connection.exec_driver_sql("SELECT * FROM inquiries")).one()


async def told(d: Dispatching) -> list[Event]:
    """Tell what is untold, as the service does; return all that was told."""
    await d.teller.step()
    await report_found(d.engine, d.bag)
    return d.bag.events()


async def test_a_message_is_asked_about_from_its_sending_until_the_last_word(
    database: str,
) -> None:
    """Pauses widen, `message` moves, and after the last word nobody asks any more."""
    answers = in_turn(heard(), heard("sent"), heard("delivered"), heard("bounced", last=True))
    async with asking(database, answers) as (d, carrier):
        (action,) = carrier.actions
        await d.run()
        assert carrier.inquiries == []
        seen: list[tuple[str, timedelta]] = []
        for _ in range(48 * 60):
            d.now += timedelta(minutes=1)
            before = len(carrier.inquiries)
            await d.run("sandbox")
            if len(carrier.inquiries) > before:
                seen.append(((await d.row()).message, d.now - NOW))
            if len(seen) == 4:
                break
        assert [message for message, _ in seen] == ["none", "sent", "delivered", "bounced"]
        ages = [at.total_seconds() / 60 for _, at in seen]
        assert ages[0] <= 3
        assert all(2 * (b - a) < c - b for a, b, c in zip(ages, ages[1:], ages[2:], strict=False))
        assert {i.delivery_id for i in carrier.inquiries} == {action.delivery_id}
        assert {i.reference for i in carrier.inquiries} == {"m-1"}
        ended = await question(d)
        assert (ended.due, ended.asked) == (None, 4)
        await d.run_until(later(days=5), every=timedelta(hours=12))
        assert len(carrier.inquiries) == 4


async def test_what_is_found_is_told_like_a_web_hook(database: str) -> None:
    """A bounce is on the bus with our delivery's id, after the delivery itself; told once."""
    async with asking(database, in_turn(heard("bounced", last=True))) as (d, carrier):
        d.now = later(minutes=2)
        await d.run("sandbox")
        # As long as the sending itself is not told, nothing is told of what became of it.
        await report_found(d.engine, d.bag)
        assert d.bag.events() == []
        settled, bounced = await told(d)
        assert isinstance(settled.data, DeliverySettled)
        assert isinstance(bounced.data, MessageBounced)
        assert bounced.data.delivery_id == carrier.actions[0].delivery_id
        assert bounced.data.occurred_at == d.now
        assert (bounced.data.channel, bounced.data.target) == ("email", "sandbox")
        assert d.bag.messages[-1].key == str(carrier.actions[0].customer_id)
        assert {message.topic for message in d.bag.messages} == {OUTCOMES}
        assert len(await told(d)) == 2
        # It comes back to us over the bus, and changes nothing.
        await d.tell(bounced)
        assert (await d.row()).message == "bounced"


async def test_a_word_that_the_bus_did_not_take_is_told_again_as_the_same_event(
    database: str,
) -> None:
    """Killed between the publishing and the mark: one event, twice."""
    async with asking(database, in_turn(heard("opened", last=True))) as (d, _):
        d.now = later(minutes=2)
        await d.run("sandbox")
        await d.teller.step()
        d.bag.messages.clear()
        d.bag.away = True
        with pytest.raises(DependencyAway):
            await report_found(d.engine, d.bag)
        d.bag.away = False
        await report_found(d.engine, d.bag)
        first, again = d.bag.events()
        assert first == again
        assert isinstance(first.data, MessageOpened)


async def test_what_failed_is_shown_and_nobody_is_told(database: str) -> None:
    """It says nothing against her address: no channel is closed for it."""
    async with asking(database, in_turn(heard("failed", last=True))) as (d, _):
        d.now = later(minutes=2)
        await d.run("sandbox")
        assert (await d.row()).message == "failed"
        assert [type(event.data) for event in await told(d)] == [DeliverySettled]


@pytest.mark.parametrize(
    ("first", "then", "stays"),
    [
        pytest.param("opened", "delivered", "opened", id="opened-is-not-undone"),
        pytest.param("bounced", "sent", "bounced", id="bounced-is-not-undone"),
        pytest.param("failed", "delivered", "delivered", id="tried-again-by-the-platform"),
        pytest.param("delivered", "failed", "delivered", id="arrived-is-arrived"),
        pytest.param("delivered", "bounced", "bounced", id="a-late-bounce"),
    ],
)
async def test_a_message_never_moves_backwards(
    database: str, first: MessageState, then: MessageState, stays: MessageState
) -> None:
    """Whatever is said later, and told only where it moved."""
    async with asking(database, in_turn(heard(first), heard(then))) as (d, carrier):
        await d.run_until(later(minutes=12), every=timedelta(minutes=2))
        assert len(carrier.inquiries) == 2
        assert (await d.row()).message == stays


async def test_nobody_is_asked_for_longer_than_the_target_says(database: str) -> None:
    """Three days by default: few questions, the last of them at the end."""
    async with asking(database, in_turn(heard("sent"))) as (d, carrier):
        await d.run_until(NOW + OVER + timedelta(days=2), every=timedelta(hours=3))
        row = await question(d)
        assert row.due is None
        assert row.reason.startswith("asked for long enough")
        assert row.asked_at >= NOW + OVER
        assert 5 <= len(carrier.inquiries) <= 10


async def test_what_the_platform_reports_by_itself_is_asked_once_more_at_the_end(
    database: str,
) -> None:
    """A web-hook that moved the message spares the questions; ours come back and spare none."""
    answers = in_turn(heard("sent"), heard("opened"))
    async with asking(database, answers) as (d, carrier):
        d.now = later(minutes=2)
        await d.run("sandbox")
        ours = (await told(d))[-1]
        await d.tell(ours)
        assert (await question(d)).due < later(hours=1)
        await d.tell(_reported(MessageDelivered, carrier, d))
        row = await question(d)
        assert row.due == row.until
        await d.run_until(NOW + OVER - timedelta(hours=13), every=timedelta(hours=12))
        assert len(carrier.inquiries) == 1
        await d.run_until(NOW + OVER + timedelta(hours=6), every=timedelta(hours=1))
        assert len(carrier.inquiries) == 2
        # What the web-hook did not tell.
        assert (await d.row()).message == "opened"


async def test_after_a_bounce_by_web_hook_nothing_is_asked(database: str) -> None:
    """There is nothing more to know."""
    async with asking(database, in_turn(heard())) as (d, carrier):
        await d.tell(_reported(MessageBounced, carrier, d))
        assert (await question(d)).due is None
        await d.run_until(later(days=4), every=timedelta(hours=12))
        assert carrier.inquiries == []


def _reported(
    report: type[MessageDelivered | MessageBounced], carrier: ScriptedCarrier, d: Dispatching
) -> Event:
    """What the platform tells of the only message by its web-hook."""
    data = report(delivery_id=carrier.actions[0].delivery_id, channel="email", occurred_at=d.now)
    return Event(name_id("theirs"), "nps/ingest", d.now, data)


async def test_a_kill_between_the_answer_and_its_record_costs_one_question(database: str) -> None:
    """The lease lapses and the platform is asked again: nothing is sent, nothing is in doubt."""
    async with asking(database, in_turn(heard("delivered", last=True))) as (d, carrier):
        d.now = later(minutes=2)
        carrier.gate = asyncio.Event()
        lost = d.lane("sandbox")
        await lost.step()

        async def asked() -> bool:
            return bool(carrier.inquiries)

        await eventually(asked)
        for flight in list(lost.flights.tasks):
            flight.cancel()
        await asyncio.gather(*lost.flights.tasks, return_exceptions=True)
        carrier.gate = None
        await d.run("sandbox")
        assert len(carrier.inquiries) == 1  # the lease is not over
        await d.execute("UPDATE inquiries SET lease_until = now() - interval '1 s'")
        await d.run("sandbox")
        row = await d.row()
        assert (row.state, row.message, row.attempts) == ("accepted", "delivered", 1)
        assert (len(carrier.inquiries), len(carrier.actions)) == (2, 1)


async def test_a_late_answer_of_a_lost_worker_is_heeded_and_moves_no_date(database: str) -> None:
    """What it heard is true; when to ask next is for who holds the question now."""
    async with asking(database, in_turn(heard("opened"), heard("delivered"))) as (d, carrier):
        d.now = later(minutes=2)
        carrier.gate = asyncio.Event()
        slow = d.lane("sandbox")
        await slow.step()

        async def asked() -> bool:
            return bool(carrier.inquiries)

        await eventually(asked)
        await d.execute("UPDATE inquiries SET lease_until = now() - interval '1 s'")
        other = d.lane("sandbox")
        await other.step()
        await d.execute("UPDATE inquiries SET token = gen_random_uuid(), due = NULL")
        carrier.gate.set()
        await slow.settle()
        await other.settle()
        assert (await d.row()).message == "opened"
        assert (await question(d)).due is None


async def test_two_workers_ask_once(database: str) -> None:
    """Each question is one worker's."""
    async with asking(database, in_turn(heard()), people=6) as (d, carrier):
        d.now = later(minutes=2)
        workers = [d.lane("sandbox"), d.lane("sandbox")]
        for _ in range(4):
            await asyncio.gather(*(worker.step() for worker in workers))
            await asyncio.gather(*(worker.settle() for worker in workers))
        assert len(carrier.inquiries) == len({i.delivery_id for i in carrier.inquiries}) == 6


async def test_messages_go_before_questions_and_never_wait_for_them(database: str) -> None:
    """Questions hang: a quarter of the slots at most is theirs, the rest sends on."""
    async with asking(database, in_turn(heard()), people=12) as (d, carrier):
        d.now = later(minutes=2)
        await d.tell(*(decision(segment="promoter", at=d.now) for _ in range(3)))
        await d.fresh()
        carrier.gate = asyncio.Event()
        lane = d.lanes["sandbox"]
        for _ in range(3):
            await lane.step()
            await asyncio.sleep(0)
        assert len(carrier.actions) == 12 + 3
        assert len(carrier.inquiries) == 2
        carrier.gate.set()
        await lane.settle()
        await d.run("sandbox")
        assert len(carrier.inquiries) == 12


async def test_questions_keep_to_their_own_rate_and_to_that_of_all(database: str) -> None:
    """Platforms count a look at a report apart, or with everything."""
    limited = replace(ASKED, rates=(Rate(3600, 3, "status"), Rate(60, 100)))
    async with asking(database, in_turn(heard()), limited, people=8) as (d, carrier):
        d.now = later(minutes=2)
        await d.run("sandbox")
        assert len(carrier.inquiries) == 3
        await d.tell(decision(segment="promoter", at=d.now))
        await d.run("sandbox")
        assert len(carrier.actions) == 9


@pytest.mark.parametrize("stop", ["paused", "account"])
async def test_a_target_that_is_not_called_is_not_asked(database: str, stop: str) -> None:
    """A pause holds for questions, too."""
    async with asking(database, in_turn(heard())) as (d, carrier):
        d.now = later(minutes=2)
        if stop == "paused":
            await d.execute("UPDATE targets SET held = 'paused' WHERE name = 'sandbox'")
        else:
            await pause_target(d.engine, "sandbox", "401", later(hours=1))
        await d.run("sandbox")
        assert carrier.inquiries == []


@pytest.mark.parametrize(
    ("verdict", "quiet"),
    [
        pytest.param(Verdict("disable_target", "403"), timedelta(minutes=30), id="may-not-look"),
        pytest.param(
            Verdict("throttle", "429", timedelta(minutes=50)), timedelta(minutes=50), id="too-often"
        ),
    ],
)
async def test_a_refused_look_stops_looking_and_never_sending(
    database: str, verdict: Verdict, quiet: timedelta
) -> None:
    """A key that may send and not read reports must not stop what it may."""
    async with asking(database, lambda _: Heard(verdict), people=5) as (d, carrier):
        d.now = later(minutes=2)
        await d.lanes["sandbox"].step()
        await d.lanes["sandbox"].settle()
        asked = len(carrier.inquiries)
        await d.run("sandbox")
        assert len(carrier.inquiries) == asked <= 2
        await d.tell(decision(segment="promoter", at=d.now))
        await d.run("sandbox")
        assert len(carrier.actions) == 6
        d.now += quiet
        await d.run("sandbox")
        assert len(carrier.inquiries) > asked


async def test_failed_questions_do_not_open_the_breaker(database: str) -> None:
    """A report that is down says nothing of the sending beside it."""
    away = Verdict("retry", "503")
    async with asking(database, lambda _: Heard(away), people=12) as (d, carrier):
        d.now = later(minutes=2)
        await d.run("sandbox")
        assert len(carrier.inquiries) == 12
        broken = await d.scalars("SELECT target FROM breakers WHERE probe_at IS NOT NULL")
        assert broken == []


async def test_where_nobody_can_be_asked_nobody_is(database: str) -> None:
    """A preset without status, a target that does not want it: no question, no row."""
    async with asking(database, in_turn(heard()), replace(ASKED, status=None)) as (d, carrier):
        await d.run_until(later(hours=2), every=timedelta(minutes=30))
        assert carrier.inquiries == []
        assert await d.scalars("SELECT delivery_id FROM inquiries") == []


async def test_of_who_is_forgotten_nothing_is_asked_and_nothing_noted(database: str) -> None:
    """Also where the answer comes after the erasure."""
    async with asking(database, in_turn(heard("opened", last=True))) as (d, carrier):
        d.now = later(minutes=2)
        carrier.gate = asyncio.Event()
        await d.lanes["sandbox"].step()

        async def asked() -> bool:
            return bool(carrier.inquiries)

        await eventually(asked)
        customer = carrier.actions[0].customer_id
        await d.tell(erased(customer))
        carrier.gate.set()
        await d.lanes["sandbox"].settle()
        assert (await d.row()).message == "none"
        assert await d.scalars("SELECT delivery_id FROM inquiries") == []


async def test_a_delivery_shows_when_its_platform_was_asked_and_will_be(database: str) -> None:
    """By the API, with why; metrics count what was found and what is open."""
    async with asking(database, in_turn(heard("delivered"))) as (d, carrier):
        path = f"/v1/deliveries/{carrier.actions[0].delivery_id}"
        async with client(d) as caller:
            shown = (await caller.get(path, headers=VIEWER)).json()["delivery"]
            assert (shown["message"], shown["status_asked_at"]) == ("none", None)
            assert shown["status_reason"] == "not asked yet"
            d.now = later(minutes=2)
            await d.run("sandbox")
            known = (await caller.get(path, headers=VIEWER)).json()
            shown, last = known["delivery"], known["changes"][-1]
            listed = (await caller.get("/v1/deliveries", headers=VIEWER)).json()["deliveries"]
        assert listed == [shown]
        assert shown["message"] == "delivered"
        assert (last["state"], last["message"], last["by"]) == ("accepted", "delivered", "status")
        assert last["at"] == shown["status_asked_at"] == "2026-03-12T09:02:00Z"
        assert shown["status_due"] > "2026-03-12T09:05"
        await watch.measure(d.engine, d.metrics, d.rulebook.targets, lambda: d.now)
        value = d.registry.get_sample_value
        found = {"target": "sandbox", "message": "delivered"}
        assert value("nps_dispatcher_messages_found_total", found) == 1
        assert value("nps_dispatcher_messages_asked_about", {"target": "sandbox"}) == 1
        kind = {"target": "sandbox", "kind": "status", "outcome": "ok"}
        assert value("nps_dispatcher_attempts_total", kind) == 1


async def test_by_command_a_delivery_says_when_its_platform_is_asked(database: str) -> None:
    """In words: before the first question, and after it."""
    async with (
        asking(database, in_turn(heard("sent"))) as (d, carrier),
        answering(app_of(d)) as url,
    ):
        identity = str(carrier.actions[0].delivery_id)
        first = await run(delivery, "show", identity, url=url, environ=ENVIRON)
        assert "asked never, next 2026-03-12 09:0" in first.stdout
        d.now = later(minutes=2)
        await d.run("sandbox")
        then = await run(delivery, "show", identity, url=url, environ=ENVIRON)
        assert "asked 2026-03-12 09:02:00, next 2026-03-12 09:0" in then.stdout
        told = "2026-03-12 09:02:00  message sent 2026-03-12 09:02:00 (by status)"
        assert told in then.stdout


async def test_a_question_that_has_no_turn_in_its_time_ends(database: str) -> None:
    """What is asked too late is no news, and would take the turn of what is."""
    limited = replace(ASKED, rates=(Rate(3600, 2, "status"),))
    async with asking(database, in_turn(heard()), limited, people=5) as (d, carrier):
        d.now = later(minutes=2)
        await d.run("sandbox")
        d.now = NOW + OVER + timedelta(hours=2)
        await sweep(d.engine, list(d.rulebook.targets), d.now)
        await d.run("sandbox")
        assert len(carrier.inquiries) == 2
        reasons = await d.scalars("SELECT DISTINCT reason FROM inquiries WHERE due IS NULL")
        assert reasons == ["asked for long enough: its turn did not come"]
        assert await d.scalars("SELECT count(*) FROM inquiries WHERE due IS NOT NULL") == [0]


async def test_what_is_long_over_is_dropped(database: str) -> None:
    """The delivery keeps what was found; the question goes after a month."""
    async with asking(database, in_turn(heard("opened", last=True))) as (d, _):
        d.now = later(minutes=2)
        await d.run("sandbox")
        await told(d)
        await prune(d.engine, later(days=29))
        assert await d.scalars("SELECT count(*) FROM inquiries") == [1]
        await prune(d.engine, later(days=31))
        assert await d.scalars("SELECT count(*) FROM inquiries") == [0]
        assert (await d.row()).message == "opened"
