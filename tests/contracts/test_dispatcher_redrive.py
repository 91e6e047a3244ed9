"""Sending on, releasing and cancelling many deliveries, on a real PostgreSQL."""

import asyncio
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.cli.delivery import delivery
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.experiments import arm_of
from services.dispatcher.playbook.offers import Experiment
from shared.events.outcomes import DeliverySettled
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later, merged, open_permits, rolling
from tests.builders.dispatcher_api import ENVIRON, OPS, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.operating import answering, run, told

INVITE = play("thanks", "promoter", "invite")
SANDBOX = TargetRules("sandbox", 8, (), (), None, True)
BOOK = rules(INVITE, targets=[SANDBOX])
REJECTED = {"target": "sandbox", "state": ["rejected"]}


def _wrong(outcome: Any = "reject") -> tuple[dict[str, bool], ScriptedCarrier]:
    """A platform that refuses everything while `wrong["on"]`."""
    wrong = {"on": True}
    refusal = Verdict(outcome, "no such template")
    return wrong, ScriptedCarrier(on_act=lambda _: refusal if wrong["on"] else OK)


async def _ask(caller: httpx.AsyncClient, what: str, **body: Any) -> dict[str, Any]:
    answer = await caller.post(f"/v1/deliveries/{what}", json=body, headers=OPS)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _states(d: Dispatching) -> dict[str, int]:
    return dict(Counter(row.state for row in await d.rows()))


async def test_what_was_rejected_goes_once_after_the_mistake_is_mended(database: str) -> None:
    """The dry run tells the same count and changes nothing; who sent them on is kept."""
    wrong, carrier = _wrong()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(*(decision(segment="promoter") for _ in range(20)))
        await d.run("sandbox")
        wrong["on"] = False
        d.now = later(hours=1)
        tried = await _ask(caller, "redrive", **REJECTED, dry_run=True)
        assert tried == {
            "dry_run": True,
            "changed": {"planned": 20},
            "reasons": {"planned": {"sent on by ops": 20}},
            "left": {},
            "more": False,
        }
        assert await _states(d) == {"rejected": 20}
        done = await _ask(caller, "redrive", **REJECTED, reason_contains="template")
        assert done["changed"] == {"planned": 20}
        assert await _ask(caller, "redrive", **REJECTED) == {
            "dry_run": False,
            "changed": {},
            "reasons": {},
            "left": {},
            "more": False,
        }
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 20}
        assert set(Counter(call.delivery_id for call in carrier.actions).values()) == {2}
        by = await d.scalars("SELECT DISTINCT by FROM delivery_changes WHERE state = 'planned'")
        assert sorted(by) == ["ops", "plan"]


async def test_an_outage_that_is_over_sends_no_old_apology(database: str) -> None:
    """What is past its deadline expires, whatever is asked for."""
    wrong, carrier = _wrong()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(*(decision(segment="promoter") for _ in range(5)))
        await d.run("sandbox")
        wrong["on"] = False
        before = len(carrier.actions)
        d.now = later(days=30)
        assert (await _ask(caller, "redrive", **REJECTED))["changed"] == {"expired": 5}
        again = await _ask(caller, "redrive", target="sandbox", state=["expired"])
        assert (again["changed"], again["left"]) == ({}, {"still expired": 5})
        await d.run("sandbox")
        assert len(carrier.actions) == before


async def test_slots_are_taken_anew(database: str) -> None:
    """Two rejected ones of one person, one contact in a week: one goes, the other does not."""
    wrong, carrier = _wrong()
    book = rules(INVITE, play("gift", "promoter", "gift"), targets=[SANDBOX])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        customer = uuid.uuid4()
        await d.tell(decision(customer, segment="promoter"))
        await d.run("sandbox")
        budget = (rolling(1, 24 * 7),)
        await d.tell(decision(customer, version=2, segment="promoter", triggers=(), budgets=budget))
        wrong["on"] = False
        tried = await _ask(caller, "redrive", **REJECTED, dry_run=True)
        done = await _ask(caller, "redrive", **REJECTED)
        assert tried["changed"] == done["changed"] == {"planned": 1, "suppressed": 1}
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 1, "suppressed": 1}


async def test_consent_withdrawn_meanwhile_is_heeded(database: str) -> None:
    """The platform was mended, she changed her mind: no contact."""
    wrong, carrier = _wrong()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        customer = uuid.uuid4()
        await d.tell(decision(customer, segment="promoter"))
        await d.run("sandbox")
        refused = open_permits(refused=["marketing"])
        await d.tell(
            decision(customer, version=2, segment="promoter", triggers=(), permits=refused)
        )
        wrong["on"] = False
        assert (await _ask(caller, "redrive", **REJECTED))["changed"] == {"suppressed": 1}
        assert (await d.row()).reason.startswith("no permit for marketing")


async def test_what_was_sent_or_may_have_been_is_never_sent_on(database: str) -> None:
    """Named by its id it is not chosen, and its state is no choice."""
    _, carrier = _wrong("ok")
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(decision(segment="promoter"))
        await d.run("sandbox")
        identity = str((await d.row()).id)
        done = await _ask(caller, "redrive", ids=[identity], state=["rejected", "expired"])
        assert (done["changed"], done["left"]) == ({}, {})
        for state in ("accepted", "in_doubt", "sending"):
            body = {"ids": [identity], "state": [state]}
            answer = await caller.post("/v1/deliveries/redrive", json=body, headers=OPS)
            assert answer.status_code == 422


async def test_parked_ones_are_released(database: str) -> None:
    """A person looked: they go, each once."""
    wrong, carrier = _wrong("park")
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(*(decision(segment="promoter") for _ in range(3)))
        await d.run("sandbox")
        assert await _states(d) == {"parked": 3}
        wrong["on"] = False
        first = str((await d.rows())[0].id)
        assert (await _ask(caller, "release", ids=[first]))["changed"] == {"planned": 1}
        assert (await _ask(caller, "release", play="thanks"))["changed"] == {"planned": 2}
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 3}


async def test_what_waits_is_cancelled_told_and_may_be_sent_on_again(database: str) -> None:
    """Its slot is free at once; nothing of it goes until a person says so."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        customer, budget = uuid.uuid4(), (rolling(1, 24 * 7),)
        await d.tell(decision(customer, segment="promoter", budgets=budget))
        done = await _ask(caller, "cancel", play="thanks", reason="wrong template")
        assert done["changed"] == {"superseded": 1}
        row = await d.row()
        assert row.reason == "cancelled by ops: wrong template"
        await d.run("sandbox")
        assert d.carriers["sandbox"].actions == []
        assert await d.teller.step() == 1
        (event,) = d.bag.events()
        assert isinstance(event.data, DeliverySettled)
        assert (event.data.state, event.data.reason) == ("superseded", row.reason)
        await d.tell(
            decision(customer, version=2, segment="promoter", response="r2", budgets=budget)
        )
        assert await _states(d) == {"superseded": 1, "planned": 1}
        done = await _ask(caller, "redrive", ids=[str(row.id)], state=["superseded"])
        assert done["changed"] == {"suppressed": 1}, "another has the slot now"


async def test_since_and_until_are_when_they_came_to_their_state(database: str) -> None:
    """Not when they were planned."""
    _, carrier = _wrong()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        for hours in range(3):
            await d.tell(decision(segment="promoter"))
            d.now = later(hours=hours)
            await d.run("sandbox")
        window = {"since": later(minutes=30).isoformat(), "until": later(hours=2).isoformat()}
        tried = await _ask(caller, "redrive", state=["rejected"], **window, dry_run=True)
        assert tried["changed"] == {"planned": 1}
        tried = await _ask(caller, "redrive", **REJECTED, limit=2, dry_run=True)
        assert (tried["changed"], tried["more"]) == ({"planned": 2}, True)


async def test_asked_thrice_at_once_beside_working_lanes_everything_goes_once(
    database: str,
) -> None:
    """Operators and replicas on the same rows: nobody waits for long, nothing goes twice."""
    wrong, carrier = _wrong()
    async with (
        dispatching(database, BOOK, carriers={"sandbox": carrier}, connections=20) as d,
        client(d) as caller,
    ):
        await d.tell(*(decision(segment="promoter") for _ in range(60)))
        await d.run("sandbox")
        wrong["on"] = False
        carrier.actions.clear()
        d.now += timedelta(minutes=1)
        await d.fresh()

        async def work() -> None:
            lane = d.lane("sandbox")
            for _ in range(30):
                await lane.step()
                await lane.settle()

        asked = [_ask(caller, "redrive", **REJECTED) for _ in range(3)]
        await asyncio.gather(*asked, work(), work())
        await _ask(caller, "redrive", **REJECTED)
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 60}
        assert len({call.delivery_id for call in carrier.actions}) == len(carrier.actions) == 60
        assert carrier.overlaps == 0


async def _rejected(d: Dispatching, wrong: dict[str, bool], number: int) -> None:
    """Have so many promoters whose invitation was rejected by mistake, an hour ago."""
    await d.tell(*(decision(segment="promoter") for _ in range(number)))
    await d.run("sandbox")
    assert await _states(d) == {"rejected": number}
    wrong["on"] = False
    d.now = later(hours=1)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_what_is_sent_on_goes_through_the_surge_brake(database: str, dry_run: bool) -> None:
    """Over all batches: 30 a minute go, the others wait for a person; a minute later 30 more."""
    wrong, carrier = _wrong()
    book = rules({**INVITE, "surge": {"most": 30}}, targets=[SANDBOX])
    parked = "surge brake: more than 30 in 60 s of this play to this target"
    async with dispatching(
        database, rules(INVITE, targets=[SANDBOX]), carriers={"sandbox": carrier}
    ) as d:
        await _rejected(d, wrong, 450)
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        d.now = later(hours=1)
        done = await _ask(caller, "redrive", **REJECTED, dry_run=dry_run)
        assert (done["changed"], done["left"]) == ({"planned": 30, "parked": 420}, {})
        assert done["reasons"] == {"planned": {"sent on by ops": 30}, "parked": {parked: 420}}
        if dry_run:
            assert await _states(d) == {"rejected": 450}
            assert await d.scalars("SELECT used FROM surges") == []
            return
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 30, "parked": 420}
        again = {"target": "sandbox", "state": ["parked"]}
        d.now += timedelta(minutes=2)
        for each in ({"dry_run": True}, {}):
            done = await _ask(caller, "redrive", **again, **each)
            assert (done["changed"], done["left"]) == (
                {"planned": 30},
                {f"still parked: {parked}": 390},
            )
        # Who releases them has looked.
        assert (await _ask(caller, "release", play="thanks"))["changed"] == {"planned": 390}
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 450}
        labels = {"play": "thanks", "target": "sandbox", "brake": "surge"}
        assert d.registry.get_sample_value("nps_dispatcher_braked_total", labels) == 420


async def test_the_first_of_a_play_that_was_changed_since_wait_for_a_look(database: str) -> None:
    """Two of them, whatever the filter; the dry run says so; what waits goes by a release alone."""
    wrong, carrier = _wrong()
    changed = rules({**INVITE, "approve_first": 2}, targets=[SANDBOX])
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await _rejected(d, wrong, 5)
    async with (
        dispatching(database, changed, carriers={"sandbox": carrier}) as d,
        client(d) as caller,
    ):
        d.now = later(hours=1)
        for each in ({"dry_run": True}, {}):
            done = await _ask(caller, "redrive", **REJECTED, **each)
            assert done["changed"] == {"planned": 3, "parked": 2}
        (why,) = done["reasons"]["parked"]
        assert why.startswith("new or changed play: the first 2 wait")
        again = await _ask(caller, "redrive", target="sandbox", state=["parked"])
        assert (again["changed"], list(again["left"].values())) == ({}, [2])
        assert (await _ask(caller, "release", play="thanks"))["changed"] == {"planned": 2}
        await d.run("sandbox")
        assert await _states(d) == {"accepted": 5}


async def test_who_was_drawn_for_the_hold_out_stays_held_out(database: str) -> None:
    """Also by the customer she turned out to be: the oldest draw counts."""
    wrong, carrier = _wrong()
    measured = {**INVITE, "experiment": {"hold_out": 0.5}}
    book = rules(measured, targets=[SANDBOX])
    known = Experiment.model_validate(measured["experiment"])
    people = [uuid.UUID(int=number) for number in range(1, 200)]
    held, own = (
        next(one for one in people if arm_of(known, "thanks", one) == arm)
        for arm in ("hold-out", "own")
    )
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.tell(decision(held, segment="promoter"))
        d.now = later(minutes=1)
        await d.tell(decision(own, segment="promoter"))
        await d.run("sandbox")
        assert await _states(d) == {"suppressed": 1, "rejected": 1}
        wrong["on"] = False
        both = {"target": "sandbox", "state": ["rejected", "suppressed"]}
        tried = await _ask(caller, "redrive", **both, dry_run=True)
        assert (tried["changed"], tried["left"]) == ({"planned": 1}, {"refused for good": 1})
        await d.tell(merged(own, held))
        done = await _ask(caller, "redrive", **both)
        assert done["changed"] == {"suppressed": 1}
        (why,) = done["reasons"]["suppressed"]
        assert why.startswith("hold-out: ")
        await d.run("sandbox")
        assert len(carrier.actions) == 1, "the one that was rejected"


async def test_a_dry_run_counts_the_slots_of_a_group_as_the_redrive_takes_them(
    database: str,
) -> None:
    """Two of one household, one contact a week for both: one would go, and one goes."""
    wrong, carrier = _wrong()
    budget = (rolling(1, 24 * 7).model_copy(update={"scope": "group"}),)
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        pair = [uuid.UUID(int=1), uuid.UUID(int=2**127)]
        crowd = [uuid.UUID(int=number) for number in range(2, 260)]
        await d.tell(*(decision(one, segment="promoter") for one in (*pair, *crowd)))
        await d.run("sandbox")
        household: dict[str, Any] = {
            "segment": "promoter",
            "triggers": (),
            "budgets": budget,
            "group": "home",
        }
        await d.tell(*(decision(one, version=2, **household) for one in pair))
        wrong["on"] = False
        tried = await _ask(caller, "redrive", **REJECTED, dry_run=True)
        done = await _ask(caller, "redrive", **REJECTED)
        assert tried["changed"] == done["changed"] == {"planned": 259, "suppressed": 1}
        assert tried["reasons"] == done["reasons"]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        pytest.param("redrive", {"state": ["rejected"]}, id="everything-there-is"),
        pytest.param("redrive", {"target": "sandbox"}, id="no-state"),
        pytest.param("release", {}, id="all-that-is-parked"),
        pytest.param("cancel", {"target": "sandbox"}, id="no-reason"),
        pytest.param("cancel", {"reason": "x"}, id="all-that-waits"),
        pytest.param("redrive", {**REJECTED, "email": "x"}, id="no-such-filter"),
        pytest.param("redrive", {**REJECTED, "limit": 0}, id="none-of-them"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    database: str, what: str, body: dict[str, Any]
) -> None:
    """A filter must be given; who may only look changes nothing."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        url = f"/v1/deliveries/{what}"
        assert (await caller.post(url, json=body, headers=OPS)).status_code == 422
        assert (await caller.post(url, json=body, headers=VIEWER)).status_code == 403


async def test_the_ledger_is_operated_by_command(database: str) -> None:
    """List, show, redrive with a dry run, cancel and settle, in words or as one JSON object."""
    _, carrier = _wrong()
    async with (
        dispatching(database, BOOK, carriers={"sandbox": carrier}) as d,
        answering(app_of(d)) as url,
    ):
        await d.tell(*(decision(segment="promoter") for _ in range(2)))
        await d.run("sandbox")
        identity = str((await d.rows())[0].id)

        async def nps(*arguments: str) -> tuple[int, str]:
            result = await run(delivery, *arguments, url=url, environ=ENVIRON)
            return result.exit_code, " ".join((result.stdout + result.stderr).split())

        code, listed = await nps("list", "--state", "rejected")
        assert (code, listed.count("no such template")) == (0, 2)
        code, shown = await nps("show", identity)
        assert (code, "rejected: no such template (by lane)" in shown) == (0, True)
        counted = "2 would be planned Nothing was changed: leave --dry-run out to do it."
        redrive = ("redrive", "--state", "rejected", "--target", "sandbox")
        assert await nps(*redrive, "--since", "2026-01-01", "--dry-run") == (0, counted)
        assert await nps(*redrive) == (0, "2 planned")
        cancelled = "1 superseded 1: cancelled by ops: not now"
        assert await nps("cancel", identity, "--reason", "not now") == (0, cancelled)
        assert await nps("release", "--play", "thanks") == (0, "no delivery is chosen")
        assert (await nps("settle", identity, "--sent"))[0] == 1
        assert (await nps("settle", identity))[0] == 2
        assert (await nps("redrive", "--state", "rejected"))[0] == 1
        await d.execute("UPDATE deliveries SET state = 'in_doubt' WHERE id = :id", id=identity)
        answer = told(await run(delivery, "settle", identity, "--again", "--json", url=url,
                                environ=ENVIRON))  # fmt: skip
        assert answer["changes"][-1]["by"] == "ops"
        listed = told(await run(delivery, "list", "--json", url=url, environ=ENVIRON))
        assert len(listed["deliveries"]) == 2
