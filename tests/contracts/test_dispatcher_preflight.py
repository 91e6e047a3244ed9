"""Preflight on a real PostgreSQL: what is wrong is kept, measured, shown; credentials pause."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.dispatcher.api.preflight import build_preflight_router
from services.dispatcher.api.targets import build_target_router
from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.cli.target import target
from services.dispatcher.delivery import TargetRules
from services.dispatcher.targets.preflight import Preflights
from services.dispatcher.targets.targets import open_targets
from shared.hosting import Part, make_app
from shared.settings import Secrets
from tests.builders.auditing import kept, told
from tests.builders.dispatcher_api import ACCESS, ENVIRON, OPS, TRAIL, VIEWER
from tests.builders.dispatching import Dispatching, dispatching, rules
from tests.builders.operating import answering, run

CONFIG = """
targets:
  brevo:
    preset: brevo
    vars: {api_key: "env:NPS_SECRET_BREVO"}
    attributes: {nps_score: NPS_SCORE, nps_theme: NPS_THEME}
    templates: {THANKS: "12"}
  webhook:
    preset: webhook
    vars: {url: "https://hooks.example.com/", secret: "env:NPS_SECRET_WEBHOOK"}
"""
SECRETS = Secrets(
    {
        "NPS_SECRET_BREVO": "made-up-key",
        "NPS_SECRET_WEBHOOK": "whsec_bWFkZS11cCBzZWNyZXQgbnVtYmVyIG9uZSwgMzJiLg==",
    }
)
NAMES = ("brevo", "webhook")
BOOK = replace(rules(), targets={name: TargetRules(name, 4, (), (), None, True) for name in NAMES})


class FakeAccount:
    """A Brevo account whose fields and templates can be taken away."""

    def __init__(self) -> None:
        self.attributes = [
            {"name": "NPS_SCORE", "category": "normal", "type": "float"},
            {"name": "NPS_THEME", "category": "normal", "type": "text"},
        ]
        self.templates = [12]
        self.status = 200
        self.calls: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one look."""
        self.calls.append(request)
        if self.status != 200:
            return httpx.Response(self.status, json={"code": "no"})
        if request.url.path == "/v3/contacts/attributes":
            return httpx.Response(200, json={"attributes": self.attributes})
        return httpx.Response(200, json={"templates": [{"id": one} for one in self.templates]})


@asynccontextmanager
async def looking(
    database: str, folder: Path, account: FakeAccount
) -> AsyncIterator[tuple[Dispatching, Preflights]]:
    """A dispatcher whose targets are looked at."""
    file = folder / "targets.yaml"
    file.write_text(CONFIG)
    async with dispatching(database, BOOK) as d:
        targets = await open_targets(
            file,
            SECRETS,
            clock=lambda: d.now,
            transport_factory=lambda _name, _settings: httpx.MockTransport(account.handle),
        )
        try:
            await add_targets(d.engine, list(NAMES))
            yield d, Preflights(d.engine, targets, d.metrics, lambda: d.now)
        finally:
            await targets.close()


def app_of(d: Dispatching, preflights: Preflights) -> FastAPI:
    """The routes of targets."""
    routers = [
        build_target_router(d.engine, ACCESS, BOOK.targets, d.bell, lambda: d.now, trail=TRAIL),
        build_preflight_router(preflights, ACCESS, frozenset(NAMES), lambda: d.now, trail=TRAIL),
    ]
    return make_app([Part("dispatcher", routers=routers)], d.registry)


def measured(d: Dispatching, reason: str) -> float | None:
    """Read the metric."""
    labels = {"target": "brevo", "reason": reason}
    return d.registry.get_sample_value("nps_dispatcher_target_preflight", labels)


async def found(preflights: Preflights) -> list[str]:
    """Look at Brevo, and name what is wrong."""
    return [one.reason for one in (await preflights.check("brevo")).findings]


async def test_what_is_missing_is_measured_until_it_is_there(database: str, tmp_path: Path) -> None:
    """A field, then a template; then nothing is wrong any more."""
    account = FakeAccount()
    gone = account.attributes.pop()
    async with looking(database, tmp_path, account) as (d, preflights):
        account.templates = []
        assert await found(preflights) == ["field_missing", "template_missing"]
        assert (measured(d, "field_missing"), measured(d, "template_missing")) == (1, 1)
        account.attributes.append(gone)
        account.templates = [12]
        assert await found(preflights) == []
        assert (measured(d, "field_missing"), measured(d, "drift")) == (0, 0)
        assert {call.method for call in account.calls} == {"GET"}


async def test_a_drift_is_told_by_whichever_replica_looks_next(
    database: str, tmp_path: Path
) -> None:
    """The look before is a row, not a memory."""
    account = FakeAccount()
    async with looking(database, tmp_path, account) as (_, one):
        assert await found(one) == []
    account.attributes[0]["type"] = "text"
    async with looking(database, tmp_path, account) as (d, another):
        assert await found(another) == ["field_type", "drift"]
        assert measured(d, "drift") == 1


async def test_a_drift_holds_until_a_look_sees_it_right_or_somebody_takes_it_for_right(
    database: str, tmp_path: Path
) -> None:
    """Seen again it is told again; unseen, or beside another mended one, it is told still."""
    account = FakeAccount()
    score, theme = account.attributes
    async with looking(database, tmp_path, account) as (d, preflights):
        assert await found(preflights) == []
        score["type"], theme["type"] = "text", "date"
        for _ in range(2):
            assert (await found(preflights)).count("drift") == 2
            assert measured(d, "drift") == 2
        account.status = 503
        assert (await found(preflights)).count("drift") == 2
        account.status = 200
        theme["type"] = "text"
        assert await found(preflights) == ["field_type", "drift"]
        score["type"] = "float"
        assert await found(preflights) == []
        assert measured(d, "drift") == 0

        theme["category"], theme["type"] = "category", "id"
        assert (await found(preflights)).count("drift") == 1
        async with answering(app_of(d, preflights)) as url:
            every = await run(target, "check", "--accept", url=url, environ=ENVIRON)
            accepted = await run(target, "check", "brevo", "--accept", url=url, environ=ENVIRON)
        assert every.exit_code == 2
        assert "drift" not in accepted.output
        assert "drift" not in await found(preflights)
        assert measured(d, "drift") == 0
        ((actor, action, subject, _),) = told(await kept(d.engine, "dispatcher"))
        assert (actor, action, subject) == ("ops", "target.fields_accepted", "brevo")


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [(401, "credentials", "account"), (503, "unreachable", "open"), (404, "unreadable", "open")],
)
async def test_only_a_refused_account_pauses_its_target(
    database: str, tmp_path: Path, status: int, reason: str, state: str
) -> None:
    """As a refused call does; what is away or odd is told and stops nothing."""
    account = FakeAccount()
    account.status = status
    async with looking(database, tmp_path, account) as (d, preflights):
        assert set(await found(preflights)) == {reason}
        transport = httpx.ASGITransport(app_of(d, preflights))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as caller:
            shown = (await caller.get("/v1/targets", headers=VIEWER)).json()["targets"]
        (brevo,) = [each for each in shown if each["name"] == "brevo"]
        assert (brevo["state"] == "account") is (state == "account"), brevo
        assert {one["reason"] for one in brevo["preflight"]["findings"]} == {reason}


async def test_all_targets_are_looked_at_and_shown(database: str, tmp_path: Path) -> None:
    """At the start, in the background; a preset that knows no look is not asked."""
    account = FakeAccount()
    async with looking(database, tmp_path, account) as (d, preflights):
        await preflights.check_all()
        transport = httpx.ASGITransport(app_of(d, preflights))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as caller:
            refused = await caller.post("/v1/targets/brevo/check", headers=VIEWER)
            unknown = await caller.post("/v1/targets/nowhere/check", headers=OPS)
            asked = await caller.post("/v1/targets/webhook/check", headers=OPS)
        assert (refused.status_code, unknown.status_code) == (403, 404)
        assert asked.json() | {"at": None} == {
            "target": "webhook",
            "at": None,
            "looked": False,
            "findings": [],
        }
        assert all("brevo" in str(call.url) for call in account.calls)


async def test_the_command_says_what_is_wrong(database: str, tmp_path: Path) -> None:
    """One line for each thing, exit code 1; nothing wrong is 0."""
    account = FakeAccount()
    account.templates = []
    async with (
        looking(database, tmp_path, account) as (d, preflights),
        answering(app_of(d, preflights)) as url,
    ):
        wrong = await run(target, "check", "brevo", url=url, environ=ENVIRON)
        account.templates = [12]
        right = await run(target, "check", url=url, environ=ENVIRON)
    assert (wrong.exit_code, right.exit_code) == (1, 0), (wrong.output, right.output)
    assert "brevo: template missing: template 12 is not there" in wrong.output
    assert "brevo: all is there" in right.output
    assert "webhook: not looked at: its preset knows no look, or it is in shadow" in right.output
