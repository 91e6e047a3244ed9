"""Profiles that a platform refused are pushed again at a person's word, as they are wanted now."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.cli.target import target
from services.dispatcher.delivery import TargetRules
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, erased, later
from tests.builders.dispatcher_api import ENVIRON, OPS, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.operating import answering, run, told

INVITE = play("thanks", "promoter", "invite", profile_late="park")
SANDBOX = TargetRules("sandbox", 8, ("nps_segment",), (), None, True)
BOOK = rules(INVITE, targets=[SANDBOX])
REFUSED = Verdict("reject", "400: no such field")
TWICE = Verdict("park", "two profiles have this address")
ONE, TWO, THREE = (uuid.UUID(int=number) for number in (1, 2, 3))
WHY = "the field is there now"


@dataclass
class Refusing:
    """A dispatcher whose platform refuses profiles until somebody mends it."""

    d: Dispatching
    caller: httpx.AsyncClient
    carrier: ScriptedCarrier

    async def redrive(self, **wish: Any) -> dict[str, Any]:
        answer = await self.caller.post(
            "/v1/targets/sandbox/redrive-profiles", json={"reason": WHY, **wish}, headers=OPS
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def states(self) -> list[str]:
        return await self.d.scalars("SELECT state FROM pushes ORDER BY customer_id")

    def mend(self) -> None:
        self.carrier.on_push = lambda _: OK


@asynccontextmanager
async def refusing(database: str, **changes: Any) -> AsyncIterator[Refusing]:
    """Two profiles are rejected, a third is left to a person."""
    carrier = ScriptedCarrier(on_push=lambda n: TWICE if n == 3 else REFUSED)
    book = rules(INVITE, targets=[replace(SANDBOX, **changes)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        for one in (ONE, TWO, THREE):
            await d.tell(decision(one, segment="promoter"))
            await d.run("sandbox")
        made = Refusing(d, caller, carrier)
        assert await made.states() == ["rejected", "rejected", "parked"]
        yield made


async def test_a_dry_run_counts_by_what_refused_them_and_changes_nothing(database: str) -> None:
    """And leaves no row behind: nothing was done."""
    async with refusing(database) as r:
        assert await r.redrive(dry_run=True) == {
            "dry_run": True,
            "changed": {"rejected": 2, "parked": 1},
            "reasons": {
                "rejected": {"400: no such field": 2},
                "parked": {"two profiles have this address": 1},
            },
            "left": {},
            "more": False,
        }
        assert await r.states() == ["rejected", "rejected", "parked"]
        assert await r.d.scalars("SELECT what FROM target_changes") == []


async def test_refused_profiles_are_pushed_again_and_who_did_it_is_kept(database: str) -> None:
    """What waited for them can be sent on then; the target shows who pushed how many, and why."""
    async with refusing(database) as r:
        shown = (await r.caller.get("/v1/targets/sandbox", headers=VIEWER)).json()
        assert shown["target"]["profiles_refused"] == 3
        r.mend()
        r.d.now = later(minutes=20)
        done = await r.redrive()
        assert done["changed"] == {"rejected": 2, "parked": 1}
        assert await r.d.scalars("SELECT DISTINCT reason FROM pushes") == ["sent on by ops"]
        await r.d.run("sandbox")
        assert await r.states() == ["reached"] * 3
        shown = (await r.caller.get("/v1/targets/sandbox", headers=VIEWER)).json()
        assert shown["target"]["profiles_refused"] == 0
        (change,) = shown["changes"]
        seen = {name: change[name] for name in ("what", "profiles", "reason", "by")}
        assert seen == {"what": "redrive_profiles", "profiles": 3, "reason": WHY, "by": "ops"}
        assert {row.state for row in await r.d.rows()} == {"parked"}
        sent_on = {"target": "sandbox", "reason_contains": "her profile did not arrive"}
        await r.caller.post("/v1/deliveries/release", json=sent_on, headers=OPS)
        await r.d.run("sandbox")
        assert {row.state for row in await r.d.rows()} == {"accepted"}


@pytest.mark.parametrize(
    ("wish", "states"),
    [
        pytest.param({"state": ["parked"]}, ["rejected", "rejected", "due"], id="state"),
        pytest.param(
            {"reason_contains": "no such field"}, ["due", "due", "parked"], id="what-refused-them"
        ),
        pytest.param({"limit": 1}, ["due", "rejected", "parked"], id="at-most-so-many"),
        pytest.param({"reason_contains": "%"}, ["rejected", "rejected", "parked"], id="no-pattern"),
    ],
)
async def test_only_what_is_chosen_is_pushed_again(
    database: str, wish: dict[str, Any], states: list[str]
) -> None:
    """By state and by the words of the refusal; whether there are more is told."""
    async with refusing(database) as r:
        assert (await r.redrive(**wish))["more"] is ("limit" in wish)
        assert await r.states() == states


async def test_what_is_pushed_is_what_is_so_now(database: str) -> None:
    """Her newest state, by the attributes that the target takes by now; never an erased one's."""
    async with refusing(database) as r:
        # What she is told of to the target is the same: nothing of it was pushed meanwhile.
        await r.d.tell(decision(ONE, version=2, segment="promoter", attributes={"tier": "gold"}))
        await r.d.tell(erased(TWO))
        await r.d.tell(decision(THREE, version=2, segment="promoter", test=True))
        r.mend()
        pushed = len(r.carrier.pushes)
        wider = replace(SANDBOX, attributes=("nps_segment", "attributes.tier"))
        book = rules(INVITE, targets=[wider])
        later_on = Dispatching(r.d.engine, book, {"sandbox": r.carrier})
        async with client(later_on) as caller:
            again = Refusing(later_on, caller, r.carrier)
            assert (await again.redrive())["changed"] == {"rejected": 1}
        await later_on.run("sandbox")
        (push,) = r.carrier.pushes[pushed:]
        assert (push.customer_id, push.attributes) == (
            ONE,
            {"nps_segment": "promoter", "attributes.tier": "gold"},
        )


async def test_who_became_a_test_is_left_and_counted(database: str) -> None:
    """Her push was refused before anybody said so."""
    async with refusing(database) as r:
        await r.d.execute("UPDATE recipients SET test = true WHERE customer_id = :c", c=ONE)
        await r.d.execute("UPDATE recipients SET state = NULL WHERE customer_id = :c", c=TWO)
        done = await r.redrive()
        assert done["left"] == {
            "test respondent: only targets with `sandbox: true` hear of her": 1,
            "her state is not known yet: it is pushed when it is": 1,
        }
        assert await r.states() == ["rejected", "rejected", "due"]


async def test_a_word_on_the_target_is_not_hidden_by_it(database: str) -> None:
    """Paused, it still says who paused it and why."""
    async with refusing(database) as r:
        await r.caller.post("/v1/targets/sandbox/pause", json={"reason": "closed"}, headers=OPS)
        await r.redrive()
        shown = (await r.caller.get("/v1/targets/sandbox", headers=VIEWER)).json()
        assert (shown["target"]["state"], shown["target"]["reason"]) == ("paused", "closed")
        assert [one["what"] for one in shown["changes"]] == ["redrive_profiles", "pause"]


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        pytest.param("nowhere", {"reason": WHY}, OPS, 404, id="no-such-target"),
        pytest.param("sandbox", {}, OPS, 422, id="no-reason"),
        pytest.param("sandbox", {"reason": WHY, "state": ["due"]}, OPS, 422, id="not-refused"),
        pytest.param("sandbox", {"reason": WHY}, VIEWER, 403, id="who-may-only-look"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    database: str, name: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    """And pushes nothing."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        url = f"/v1/targets/{name}/redrive-profiles"
        assert (await caller.post(url, json=body, headers=headers)).status_code == status
        assert await d.scalars("SELECT what FROM target_changes") == []


async def test_profiles_are_sent_on_by_command(database: str) -> None:
    """First counted, then pushed; in words or as one JSON object."""
    async with refusing(database) as r, answering(app_of(r.d)) as url:

        async def nps(*more: str) -> tuple[int, str]:
            arguments = ("redrive-profiles", "sandbox", *more)
            result = await run(target, *arguments, url=url, environ=ENVIRON)
            return result.exit_code, " ".join((result.stdout + result.stderr).split())

        assert await nps("--dry-run", "--state", "parked") == (
            0,
            "1 would be pushed again; parked: two profiles have this address",
        )
        code, said = await nps("--reason-contains", "field", "--limit", "1", "--reason", WHY)
        assert (code, said[:49]) == (0, "1 are pushed again; rejected: 400: no such field ")
        assert said[49:] == "there are more: ask again, or raise --limit"
        options = ("redrive-profiles", "sandbox", "--json")
        answer = told(await run(target, *options, url=url, environ=ENVIRON))
        assert answer["changed"] == {"rejected": 1, "parked": 1}
        assert await nps() == (0, "no refused profile is chosen")
        assert (await nps("--state", "due"))[0] == 1
