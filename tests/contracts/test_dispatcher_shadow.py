"""Shadow mode on a real PostgreSQL: all is planned and asked, nothing is sent, nothing is meant."""

import uuid
from collections import Counter

import pytest

from services.dispatcher import pushes
from services.dispatcher.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan import Rulebook
from shared.events.outcomes import DeliverySettled
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import decision, later, open_permits, rolling
from tests.builders.dispatching import Dispatching, dispatching, play, rules

SHADOW = Verdict("shadow", "shadow: would have been sent")
WEEK = 7 * 24


def book(*plays: dict[str, object], shadow: bool = True) -> Rulebook:
    """The target `sandbox` in shadow or not, and `alerts`, which is always live."""
    target = TargetRules(
        "sandbox", 8, ("nps_segment",), skip_delay_and_quiet_hours=True, shadow=shadow
    )
    return rules(*(plays or (play("thanks", "promoter", "invite"),)), targets=[target])


def rehearsed() -> dict[str, ScriptedCarrier]:
    return {"sandbox": ScriptedCarrier(on_push=lambda _: SHADOW, on_act=lambda _: SHADOW)}


async def states(d: Dispatching, **filters: object) -> Counter[str]:
    return Counter(row.state for row in await d.rows(**filters))


async def test_a_delivery_in_shadow_ends_as_what_it_is(database: str) -> None:
    """`shadowed`, told so, with no meaning of sent; the profile push neither reached nor due."""
    async with dispatching(database, book(), carriers=rehearsed()) as d:
        one = decision(segment="promoter")
        await d.tell(one)
        await d.run()
        row = await d.row()
        assert (row.state, row.reason) == ("shadowed", "shadow: would have been sent")
        assert (await d.push(one.customer_id)).state == "shadowed"
        assert (await d.push(one.customer_id)).reached_hash is None
        await d.teller.step()
        (told,) = (e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled))
        assert told.state == "shadowed"


async def test_gates_are_asked_in_shadow_as_ever(database: str) -> None:
    """Who permits nothing would have been sent nothing."""
    async with dispatching(database, book(), carriers=rehearsed()) as d:
        await d.tell(decision(segment="promoter", permits=open_permits(refused=["marketing"])))
        await d.run()
        assert await states(d) == {"suppressed": 1}
        assert d.carriers["sandbox"].actions == []


async def test_budgets_are_as_if_it_had_been_sent(database: str) -> None:
    """A limit of one: the second is refused in shadow, as it would be."""
    async with dispatching(database, book(), carriers=rehearsed()) as d:
        who = uuid.uuid4()
        for number in (1, 2):
            await d.tell(
                decision(
                    who,
                    version=number,
                    segment="promoter",
                    response=f"r{number}",
                    budgets=(rolling(1, WEEK),),
                )
            )
            await d.run()
        assert await states(d) == {"shadowed": 1, "suppressed": 1}


@pytest.mark.parametrize("sent", [False, True], ids=["while it waits", "after it"])
async def test_a_real_message_is_held_back_by_nothing_in_shadow(database: str, sent: bool) -> None:
    """Beside a target in shadow, a live one sends as if the other were not there."""
    live = play("real", "promoter", "offer", target="alerts")
    both = book(play("thanks", "promoter", "invite"), live)
    async with dispatching(database, both, carriers=rehearsed()) as d:
        await d.tell(decision(segment="promoter", budgets=(rolling(1, WEEK),)))
        if sent:
            await d.run("sandbox")
        await d.run("alerts")
        assert await states(d, target="alerts") == {"accepted": 1}


async def test_a_real_message_holds_back_what_is_in_shadow(database: str) -> None:
    """What she really got counts for everybody."""
    live = play("a-real", "promoter", "offer", target="alerts")
    both = book(live, play("thanks", "promoter", "invite"))
    async with dispatching(database, both, carriers=rehearsed()) as d:
        await d.tell(decision(segment="promoter", budgets=(rolling(1, WEEK),)))
        await d.run()
        assert await states(d, target="alerts") == {"accepted": 1}
        assert await states(d, target="sandbox") == {"suppressed": 1}


async def test_once_live_nothing_of_the_shadow_remains(database: str) -> None:
    """Nobody counts as invited who never was; profiles go out; nothing of the past is sent."""
    who = uuid.uuid4()
    once = play("thanks", "promoter", "invite", once_per="customer")
    async with dispatching(database, book(once), carriers=rehearsed()) as d:
        await d.tell(decision(who, segment="promoter"))
        await d.run()
        assert await states(d) == {"shadowed": 1}
    async with dispatching(database, book(once, shadow=False)) as d:
        d.now = later(hours=1)
        await pushes.leave_shadow(d.engine, ["sandbox", "alerts"], d.now)
        await d.run()
        assert (await d.push(who)).state == "reached"
        assert d.carriers["sandbox"].actions == []
        await d.tell(decision(who, version=2, segment="promoter", response="r2", at=d.now))
        await d.run()
        assert await states(d) == {"shadowed": 1, "accepted": 1}


async def test_an_attempt_from_before_the_shadow_stays_in_doubt(database: str) -> None:
    """What may have reached her is not said to be a rehearsal."""
    lost = {
        "sandbox": ScriptedCarrier(
            on_act=lambda number: Verdict("in_doubt", "no answer") if number == 1 else SHADOW
        )
    }
    async with dispatching(database, book(shadow=False), carriers=lost) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        assert (await d.row()).unanswered_since is not None
        d.now = later(hours=1)
        await d.run()
        assert (await d.row()).state == "in_doubt"
