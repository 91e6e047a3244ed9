"""Shadow mode on a real PostgreSQL: all is planned and asked, nothing is sent, nothing is meant."""

import uuid
from collections import Counter
from dataclasses import replace

import pytest

from services.cli import app
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.ledger import pushes
from services.dispatcher.plan.plan import Rulebook
from shared.events.decisions import CustomerErased
from shared.events.envelope import Event
from shared.events.ids import name_id
from shared.events.outcomes import DeliverySettled, MessageSent
from shared.events.vocabulary import Identifier
from shared.times import iso
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, decision, erased, later, open_permits, rolling
from tests.builders.dispatcher_api import ENVIRON, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, person, play, rules
from tests.builders.operating import answering, run, told

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
        (settled,) = (e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled))
        assert settled.state == "shadowed"


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


def sent(who: str, *, number: int = 1, hours: float = 0) -> Event:
    """The present tool's platform reports a mail to somebody."""
    report = MessageSent(
        identifiers=(Identifier(kind="email", value=who),),
        channel="email",
        target="old_tool",
        occurred_at=later(hours=hours),
    )
    return Event(name_id("test sent", who, number), "nps/ingest", later(hours=hours), report)


async def test_the_report_compares_with_what_the_present_tool_sent(database: str) -> None:
    """Both, only ours, only theirs; told twice it counts once; nobody is named."""
    async with dispatching(database, book(), carriers=rehearsed()) as d, client(d) as caller:
        await d.tell(
            decision(segment="promoter", address="anna@example.com"),
            decision(segment="promoter", address="ben@example.com"),
        )
        await d.run()
        for _ in range(2):
            await d.tell(
                sent("anna@example.com", hours=2),
                sent("carla@example.com"),
                sent("anna@example.com", number=2, hours=-40),
            )
        answer = await caller.get("/v1/shadow", headers=VIEWER)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["both"], found["only_ours"], found["only_theirs"]) == (1, 1, 2)
        assert found["shadows"] == ["sandbox"]
        assert found["ours"] == [
            {
                "play": "thanks",
                "template": "INVITE_T",
                "target": "sandbox",
                "channel": "email",
                "both": 1,
                "only_ours": 1,
            }
        ]
        assert found["theirs"][0]["target"] == "old_tool"
        assert "example.com" not in answer.text
        later_on = await caller.get("/v1/shadow", params={"since": iso(NOW)}, headers=VIEWER)
        assert later_on.json()["only_theirs"] == 1
        ever = await caller.get("/v1/shadow?since=0001-01-01T00:00:00Z", headers=VIEWER)
        assert ever.json()["only_theirs"] == 2
        assert (await caller.get("/v1/shadow")).status_code == 401


async def test_the_command_tells_the_report(database: str) -> None:
    """In a line and two tables, or as it is."""
    async with dispatching(database, book(), carriers=rehearsed()) as d:
        await d.tell(decision(segment="promoter", address="anna@example.com"))
        await d.run()
        await d.tell(sent("anna@example.com"))
        async with answering(app_of(d)) as url:
            start = iso(later(days=-1))
            as_json = await run(app, "shadow", "report", "--json", url=url, environ=ENVIRON)
            plain = await run(app, "shadow", "report", "--since", start, url=url, environ=ENVIRON)
        assert plain.exit_code == 0, plain.output
        assert "1 sent by both, 0 only by us, 0 only by them" in plain.output
        assert "INVITE_T" in plain.output
        assert told(as_json)["both"] == 1


async def test_without_a_shadow_nobody_s_sends_are_kept(database: str) -> None:
    """What is not compared is not stored."""
    async with dispatching(database, book(shadow=False)) as d:
        await d.tell(sent("anna@example.com"))
        assert await d.scalars("SELECT count(*) FROM foreign_sends") == [0]


async def test_who_is_erased_goes_from_the_comparison_and_old_sends_go_by_themselves(
    database: str,
) -> None:
    """No name of hers is left there, not even as a hash; after five weeks nobody's."""
    async with dispatching(database, book(), carriers=rehearsed()) as d:
        await d.tell(sent("anna@example.com"), sent("ben@example.com"))
        gone = erased(uuid.uuid4())
        anna = person(Identifier(kind="email", value="anna@example.com"))
        assert isinstance(gone.data, CustomerErased)
        named = gone.data.model_copy(update={"people": (anna,)})
        await d.tell(replace(gone, data=named))
        assert await d.scalars("SELECT count(*) FROM foreign_sends") == [1]
        await sweep(d.engine, ["sandbox", "alerts"], later(days=36))
        assert await d.scalars("SELECT count(*) FROM foreign_sends") == [0]
