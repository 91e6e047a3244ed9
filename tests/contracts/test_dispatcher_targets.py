"""Pausing, resuming and draining targets: over HTTP, by command, on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.cli.target import target
from services.dispatcher.delivery import TargetRules
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, later
from tests.builders.dispatcher_api import ENVIRON, OPS, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.operating import answering, run, told

INVITE = play("thanks", "promoter", "invite")
SANDBOX = TargetRules("sandbox", 8, (), (), None, True)
BOOK = rules(INVITE, targets=[SANDBOX])
WHY = {"reason": "templates are being changed"}


async def _shown(caller: httpx.AsyncClient) -> dict[str, Any]:
    answer = await caller.get("/v1/targets", headers=VIEWER)
    assert answer.status_code == 200, answer.text
    (found,) = [each for each in answer.json()["targets"] if each["name"] == "sandbox"]
    return dict(found)


async def _say(caller: httpx.AsyncClient, what: str, **more: str) -> dict[str, Any]:
    url = f"/v1/targets/sandbox/{what}"
    answer = await caller.post(url, json={**WHY, **more}, headers=OPS)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _promoters(d: Dispatching, count: int) -> None:
    await d.tell(*(decision(segment="promoter") for _ in range(count)))


async def test_what_a_person_paused_waits_until_a_person_resumes_it(database: str) -> None:
    """Also over a start; who, when and why is kept, and shown to whoever looks."""
    carrier = ScriptedCarrier()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await _say(caller, "pause")
        await _promoters(d, 3)
        await d.run("sandbox")
        await add_targets(d.engine, ["sandbox"])
        d.now = later(minutes=10)
        await d.run("sandbox")
        assert carrier.actions == []
        shown = await _shown(caller)
        seen = {name: shown[name] for name in ("state", "reason", "by", "waiting", "until")}
        assert seen == {
            "state": "paused",
            "reason": WHY["reason"],
            "by": "ops",
            "waiting": 3,
            "until": None,
        }
        after = await _say(caller, "resume")
        assert [(c["what"], c["by"]) for c in after["changes"]] == [
            ("resume", "ops"),
            ("pause", "ops"),
        ]
        assert after["changes"][1]["at"] == NOW.isoformat().replace("+00:00", "Z")
        await d.run("sandbox")
        assert len(carrier.actions) == 3
        assert (await _shown(caller))["state"] == "working"


async def test_no_answer_ends_a_persons_pause(database: str) -> None:
    """The call that was out when it was paused works: it stays paused all the same."""
    carrier = ScriptedCarrier(gate=asyncio.Event())
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await d.execute("UPDATE targets SET paused_until = :at WHERE name = 'sandbox'", at=NOW)
        await _promoters(d, 3)
        await d.fresh()
        lane = d.lanes["sandbox"]
        assert await lane.step()
        await _say(caller, "pause")
        assert carrier.gate is not None
        carrier.gate.set()
        await lane.settle()
        await d.run("sandbox")
        assert len(carrier.actions) == 1
        assert (await _shown(caller))["state"] == "paused"


async def test_a_start_ends_a_pause_for_the_account(database: str) -> None:
    """Credentials may have been corrected."""
    carrier = ScriptedCarrier(on_act=lambda n: Verdict("disable_target", "401") if n == 1 else OK)
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await _promoters(d, 1)
        await d.run("sandbox")
        shown = await _shown(caller)
        assert (shown["state"], shown["reason"]) == ("account", "401")
        await add_targets(d.engine, ["sandbox"])
        assert (await _shown(caller))["state"] == "working"


async def test_what_gathered_is_drained_at_the_rate_over_all_replicas(database: str) -> None:
    """Five a second, whatever else is granted; once nothing is due it ends by itself."""
    carrier = ScriptedCarrier()
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=20, rates=(Rate(1, 50),))])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await _say(caller, "pause")
        await _promoters(d, 22)
        answer = await _say(caller, "drain", rate="5/s")
        assert (answer["target"]["state"], answer["target"]["rate"]) == ("draining", "5/s")
        workers = [d.lane("sandbox"), d.lane("sandbox")]
        before = 0
        while len(carrier.actions) < 22:
            await d.fresh()
            for worker in workers:
                await worker.step()
                await worker.settle()
            assert len(carrier.actions) - before <= 5
            before = len(carrier.actions)
            d.now += timedelta(seconds=1)
        await d.run("sandbox")
        shown = await _shown(caller)
        assert shown["state"] == "working"
        assert [window["most"] for window in shown["windows"]] == [50]
        one = (await caller.get("/v1/targets/sandbox", headers=VIEWER)).json()
        assert [(c["what"], c["by"], c["rate"]) for c in one["changes"]] == [
            ("drained", "lane", None),
            ("drain", "ops", "5/s"),
            ("pause", "ops", None),
        ]
        await _promoters(d, 18)
        await d.run("sandbox")
        assert len(carrier.actions) == 40, "at full speed again"


async def test_a_person_closes_the_breaker(database: str) -> None:
    """Shown with its counts while it is open; resumed, all goes at once."""
    away = {"on": True}
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("retry", "503") if away["on"] else OK)
    book = rules(INVITE, targets=[replace(SANDBOX, concurrency=10)])
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await _promoters(d, 20)
        await d.run("sandbox")
        shown = await _shown(caller)
        assert (shown["state"], shown["reason"]) == ("broken", "10 of the last 10 actions failed")
        acting = shown["breakers"]["act"]
        assert (acting["calls"], acting["share"], acting["reason"]) == (10, 1.0, shown["reason"])
        assert (shown["breakers"]["push"]["calls"], shown["breakers"]["push"]["reason"]) == (
            0,
            None,
        )
        away["on"] = False
        await _say(caller, "resume")
        await d.run("sandbox")
        assert len(carrier.actions) == 20
        assert (await _shown(caller))["state"] == "working"


async def test_numbers_of_what_waits_are_shown(database: str) -> None:
    """Waiting, pushes, in doubt, the oldest, and what is left of each rate."""
    carrier = ScriptedCarrier(on_push=lambda _: Verdict("retry", "503"))
    book = rules(
        INVITE, targets=[replace(SANDBOX, attributes=("nps_segment",), rates=(Rate(60, 9),))]
    )
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d, client(d) as caller:
        await _promoters(d, 2)
        await d.run("sandbox")
        shown = await _shown(caller)
        numbers = {name: shown[name] for name in ("waiting", "pushes", "in_doubt", "parked")}
        assert numbers == {"waiting": 2, "pushes": 2, "in_doubt": 0, "parked": 0}
        assert shown["oldest"] == NOW.isoformat().replace("+00:00", "Z")
        assert shown["windows"] == [{"of": "all", "per_s": 60, "most": 9, "left": 7}]


@pytest.mark.parametrize(
    ("name", "what", "body", "status"),
    [
        pytest.param("nowhere", "pause", WHY, 404, id="no-such-target"),
        pytest.param("sandbox", "pause", {}, 422, id="no-reason"),
        pytest.param("sandbox", "pause", {"reason": "a\nb"}, 422, id="a-reason-of-two-lines"),
        pytest.param("sandbox", "drain", WHY, 422, id="no-rate"),
        pytest.param("sandbox", "drain", {**WHY, "rate": "0/s"}, 422, id="a-rate-of-nothing"),
        pytest.param("sandbox", "drain", {**WHY, "rate": "5/day"}, 422, id="no-such-span"),
        pytest.param("sandbox", "resume", {**WHY, "until": "x"}, 422, id="unknown-field"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    database: str, name: str, what: str, body: dict[str, str], status: int
) -> None:
    """And changes nothing; who may only look may not say anything."""
    async with dispatching(database, BOOK) as d, client(d) as caller:
        url = f"/v1/targets/{name}/{what}"
        assert (await caller.post(url, json=body, headers=OPS)).status_code == status
        assert (await caller.post(url, json=body, headers=VIEWER)).status_code == 403
        assert await d.scalars("SELECT what FROM target_changes") == []


async def test_targets_are_operated_by_command(database: str) -> None:
    """List, pause, drain and resume, in words or as one JSON object."""
    async with dispatching(database, BOOK) as d, answering(app_of(d)) as url:
        await _promoters(d, 2)

        async def nps(*arguments: str) -> tuple[int, str]:
            result = await run(target, *arguments, url=url, environ=ENVIRON)
            return result.exit_code, " ".join((result.stdout + result.stderr).split())

        said = await nps("pause", "sandbox", "--reason", "maintenance")
        assert said == (0, "sandbox is paused: maintenance, by ops")
        code, listed = await nps("list")
        assert code == 0
        assert "sandbox paused 2 0 0 0 0 maintenance, by ops" in listed
        said = await nps("drain", "sandbox", "--rate", "30/min")
        assert said == (0, "sandbox is draining: said at the command line, at 30/min, by ops")
        assert await nps("resume", "sandbox") == (0, "sandbox is working")
        answer = told(await run(target, "list", "--json", url=url, environ=ENVIRON))
        assert [each["name"] for each in answer["targets"]] == ["alerts", "sandbox"]
        assert (await nps("pause", "nowhere"))[0] == 1
        assert (await nps("drain", "sandbox", "--rate", "fast"))[0] == 2
