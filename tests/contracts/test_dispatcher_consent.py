"""What platforms show of consent by the way is told once, on a real PostgreSQL."""

import uuid
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Shown, Verdict
from services.dispatcher.consent.telling import tell_shown
from shared.errors import DependencyAway
from shared.events.envelope import OUTCOMES, Event
from shared.events.outcomes import MessageUnsubscribed
from shared.events.vocabulary import Identifier
from tests.builders import platforms
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, erased, later, merged
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe

SHE, OLD = uuid.UUID(int=81), uuid.UUID(int=80)
JANE = "jane@example.com"
BOOK = rules(play("thanks", "promoter", "invite"))
_VERSIONS = count(1)


class ByAdobe(ScriptedCarrier):
    """The product's own carrier of Campaign Standard, talking to a fake instance."""

    def __init__(self, fake: FakeAdobe) -> None:
        super().__init__("sandbox")
        self.real = platforms.carrier("adobe", fake)

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: Any) -> Verdict:
        """Push by the real exchange."""
        self.pushes.append(push)
        return await self.real.push_profile(push, budget=budget, now=now)

    async def act(self, call: ActionCall, *, budget: timedelta, now: Any) -> Verdict:
        """Act by the real exchange, by the one event that the target names."""
        self.actions.append(call)
        return await self.real.act(platforms.action(), budget=budget, now=now)


class ErasingMeanwhile(ScriptedCarrier):
    """Somebody's erasure comes while the platform is being called about her."""

    erase_in: Dispatching | None = None

    async def push_profile(self, push: ProfilePush, *, budget: timedelta, now: Any) -> Verdict:
        """Answer when she is gone."""
        del budget, now
        self.pushes.append(push)
        if self.erase_in is not None:
            await self.erase_in.tell(erased(push.customer_id, at=later(minutes=1)))
        return saw(email="f")


def saw(**refused: str | None) -> Verdict:
    """A push that succeeded and saw this."""
    by = Identifier(kind="email", value=JANE)
    return Verdict("ok", "taken", shown=Shown(by, dict(refused)))  # type: ignore[arg-type]


def in_turn(*verdicts: Verdict) -> ScriptedCarrier:
    """Answer each push in its turn."""
    return ScriptedCarrier(on_push=lambda number: verdicts[number - 1])


async def changed(d: Dispatching, customer: uuid.UUID = SHE, email: str = JANE) -> None:
    """Another segment each time, so that her profile is pushed anew."""
    number = next(_VERSIONS)
    segment = "promoter" if number % 2 else "detractor"
    await d.tell(
        decision(customer, version=number, segment=segment, address=email, triggers=())  # type: ignore[arg-type]
    )
    await d.run("sandbox")


async def told(d: Dispatching) -> list[Event]:
    """Tell what is untold as the service does; list all refusals that were told."""
    await tell_shown(d.engine, d.bag, d.metrics)
    return [event for event in d.bag.events() if isinstance(event.data, MessageUnsubscribed)]


async def test_a_platforms_opt_out_is_told_once_however_often_she_is_pushed(database: str) -> None:
    """Campaign Standard shows `blackListEmail` with every find; the bus hears of it once."""
    fake = FakeAdobe()
    jane = fake.add({"email": JANE, "blackListEmail": True})
    carrier = ByAdobe(fake)
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        for _ in range(3):
            await changed(d)
            events = await told(d)
            d.now += timedelta(hours=1)
        assert len(carrier.pushes) == 3
        (event,) = events
        assert event.data == MessageUnsubscribed(
            identifiers=(Identifier(kind="email", value=JANE),),
            channel="email",
            target="sandbox",
            occurred_at=NOW,
            proof="blackListEmail",
        )
        assert (event.source, event.time) == ("sandbox", NOW)
        (message,) = [m for m in d.bag.messages if m.key == str(SHE)]
        assert message.topic == OUTCOMES
        shown = d.registry.get_sample_value(
            "nps_dispatcher_refusals_shown_total", {"target": "sandbox"}
        )
        assert shown == 1
        # The push itself wrote her attributes, and nothing of her consent.
        assert (jane["blackListEmail"], jane["blackList"]) == (True, False)


async def test_an_action_that_it_ends_tells_it_too(database: str) -> None:
    """Suppressed there at once; everywhere else as soon as the segmenter has heard of it."""
    fake = FakeAdobe({"email": JANE, "blackList": True})
    carrier = ByAdobe(fake)
    book = rules(play("thanks", "promoter", "reassurance"))
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(SHE, segment="promoter", address=JANE))
        await d.run("sandbox")
        assert (await d.row()).state == "suppressed"
        assert fake.effects == 0
        (event,) = await told(d)
        assert isinstance(event.data, MessageUnsubscribed)
        assert event.data.proof == "blackList"


@pytest.mark.parametrize(
    ("looks", "times"),
    [
        pytest.param([saw(email=None)], 0, id="a yes"),
        pytest.param([OK], 0, id="nothing shown"),
        pytest.param([saw(email="f"), saw(email=None), OK], 1, id="taken back there"),
        pytest.param([saw(email="f"), saw(email=None), saw(email="f")], 2, id="refused again"),
        pytest.param([saw(email="f"), saw(email="f", sms="g")], 2, id="one channel more"),
        pytest.param([saw(email="f"), saw(sms=None), saw(email="f")], 1, id="not always shown"),
    ],
)
async def test_only_what_is_new_is_told(database: str, looks: list[Verdict], times: int) -> None:
    """A refusal that goes on is no news, so what she says later stands; a yes is none at all."""
    async with dispatching(database, BOOK, carriers={"sandbox": in_turn(*looks)}) as d:
        for _ in looks:
            await changed(d)
            events = await told(d)
            d.now += timedelta(hours=1)
        assert len(events) == times
        assert len({event.id for event in events}) == times


async def test_a_word_that_the_bus_did_not_take_is_told_again_as_the_same_event(
    database: str,
) -> None:
    """Also when the platform was looked at again in between."""
    carrier = in_turn(saw(email="f"), saw(email="f", sms="g"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await changed(d)
        d.bag.away = True
        with pytest.raises(DependencyAway):
            await told(d)
        d.bag.away, d.now = False, later(hours=1)
        await changed(d)
        first, again = await told(d)
        assert first == again
        assert len(await told(d)) == 2


async def test_a_merge_makes_no_news_of_what_is_known(database: str) -> None:
    """The address is the same one, whoever has it now."""
    carrier = in_turn(saw(email="f"), saw(email="f"), saw(email="f"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await changed(d, OLD)
        assert len(await told(d)) == 1
        await d.tell(merged(OLD, SHE))
        await changed(d, SHE)
        assert len(carrier.pushes) == 2
        assert len(await told(d)) == 1
        assert await d.scalars("SELECT customer_id FROM consent_shown") == [SHE]


async def test_who_is_forgotten_leaves_nothing(database: str) -> None:
    """What was untold stays untold."""
    carrier = in_turn(saw(email="f"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await changed(d)
        assert await d.scalars("SELECT value FROM consent_shown") == [JANE]
        await d.tell(erased(SHE, at=later(minutes=1)))
        assert await d.scalars("SELECT value FROM consent_shown") == []
        assert await told(d) == []


async def test_who_is_forgotten_during_a_call_is_not_noted_by_its_answer(database: str) -> None:
    """The call had left before: what it saw is nobody's any more."""
    carrier = ErasingMeanwhile()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(SHE, segment="promoter", address=JANE, triggers=()))
        carrier.erase_in = d
        await d.run("sandbox")
        assert len(carrier.pushes) == 1
        assert await d.scalars("SELECT value FROM consent_shown") == []
        assert await told(d) == []
