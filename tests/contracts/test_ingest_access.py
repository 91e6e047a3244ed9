"""Every route of every service: who may call it, and what its address may hold."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.dispatcher.__main__ import build as dispatcher
from services.ingest.__main__ import build as ingest
from services.segmenter.__main__ import build as segmenter
from shared.hosting import Part, make_app, with_fronts
from shared.process import open_context
from shared.settings import Settings
from tests.builders.ingest import CONFIG, ENVIRON

OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
#: Opened by the signed token of a letter, which stands in its address.
LETTERS = "/u/{token}"
WEBHOOKS = "/v1/webhooks"
#: What a path or query may be called; each is ours, or the operator's name of something.
HARMLESS = {
    "customer_id", "delivery_id", "source", "limit", "after", "state",
    "target", "play", "cause", "quarantine_id", "import_id", "rule", "since", "cursor",
    "survey", "erasure_id", "from", "to", "by", "compare", "show", "kind", "least",
    "days", "pool", "action", "actor", "preview", "topic", "reason",
}  # fmt: skip
SCOPES = ("events", "read", "operate", "erase")
TOKENS = {f"NPS_ONLY_{scope.upper()}": f"token for {scope}" for scope in SCOPES}


@dataclass(frozen=True)
class Route:
    """One operation as the API describes it."""

    method: str
    path: str
    said: dict[str, Any]

    @property
    def address(self) -> str:
        """An address of this route that names nobody."""
        return re.sub(r"\{[^}]*\}", "0b0c5c0e-6f7e-5f0c-9a54-5f3b7f8f1f10", self.path)


@dataclass(frozen=True)
class Everything:
    """All services in one app."""

    app: FastAPI
    client: httpx.AsyncClient
    parts: list[Part]

    def routes(self) -> Iterator[Route]:
        """Name every operation that needs a token."""
        for path, operations in self.app.openapi()["paths"].items():
            for method, said in operations.items():
                if path not in OPEN | {LETTERS} and not path.startswith(WEBHOOKS):
                    yield Route(method.upper(), path, said)


@pytest.fixture
async def everything(
    database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Everything]:
    """The three services as one process composes them, with one token for each scope."""
    config = tmp_path_factory.mktemp("config")
    for name in ("sources", "policy", "playbook", "targets"):
        (config / f"{name}.yaml").write_text((CONFIG / f"{name}.yaml").read_text())
    (config / "access.yaml").write_text(
        "tokens:\n"
        + "".join(
            f"  - {{name: {scope}, scopes: [{scope}], token: env:NPS_ONLY_{scope.upper()}}}\n"
            for scope in SCOPES
        )
    )
    made_up = dict.fromkeys(
        re.findall(r"env:(NPS_[A-Z0-9_]+)", (CONFIG / "targets.yaml").read_text()),
        "whsec_dGFyZ2V0LXRhcmdldC10YXJnZXQtdGFyZ2V0LTMyISE=",
    )
    environ = {
        **made_up, **ENVIRON, **TOKENS, "NPS_SANDBOX_URL": "http://127.0.0.1:1/sandbox"
    }  # fmt: skip
    async with open_context(Settings(database_url=database, config=config), environ) as context:
        parts = [await build(context) for build in (ingest, segmenter, dispatcher)]
        app = make_app(parts, context.registry)
        transport = httpx.ASGITransport(with_fronts(app, parts), raise_app_exceptions=False)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://nps") as client:
                yield Everything(app, client, parts)
        finally:
            for part in reversed(parts):
                await part.close()


async def test_every_route_but_webhooks_and_health_needs_a_token(everything: Everything) -> None:
    """None, a wrong one, another scheme or a source's secret: 401, before anything is read."""
    routes = list(everything.routes())
    assert {"/v1/events", "/v1/quarantine", "/v1/customers/search", "/v1/deliveries"} <= {
        route.path for route in routes
    }
    secret = ENVIRON["NPS_SECRET_SHOP"]
    for route in routes:
        for header in (None, "Bearer ", "Bearer wrong", "Basic token for read", f"Bearer {secret}"):
            headers = {"Authorization": header} if header else {}
            answer = await everything.client.request(route.method, route.address, headers=headers)
            assert answer.status_code == 401, (route.method, route.path, header)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"


async def test_each_route_opens_for_exactly_one_scope(everything: Everything) -> None:
    """A token for telling events looks at nobody, one for looking changes nothing."""
    opened: dict[str, set[str]] = {}
    for route in everything.routes():
        for scope in SCOPES:
            answer = await everything.client.request(
                route.method,
                route.address,
                headers={"Authorization": f"Bearer token for {scope}"},
            )
            assert answer.status_code not in {401, 500}, (route.method, route.path, scope)
            if answer.status_code != 403:
                opened.setdefault(f"{route.method} {route.path}", set()).add(scope)
    assert all(len(scopes) == 1 for scopes in opened.values()), opened
    assert len(opened) == len(list(everything.routes()))
    assert opened["POST /v1/events"] == {"events"}
    assert opened["GET /v1/quarantine"] == {"read"}
    assert opened["GET /v1/quarantine/{quarantine_id}"] == {"operate"}
    assert opened["POST /v1/quarantine/remap"] == {"operate"}
    assert opened["POST /v1/bodies/erase"] == {"erase"}
    assert opened["POST /v1/imports/{import_id}/rows"] == {"operate"}
    assert opened["POST /v1/sources/{source}/remap"] == {"operate"}
    assert opened["POST /v1/customers/search"] == {"read"}
    assert opened["POST /v1/deliveries/{delivery_id}/settle"] == {"operate"}


async def test_no_route_hides_from_the_description(everything: Everything) -> None:
    """What is not described is not tested here; what stands before the framework are webhooks."""
    described = set(everything.app.openapi()["paths"])
    mounted = {
        getattr(route, "path", "?")
        for part in everything.parts
        for router in part.routers
        for route in router.routes
    }
    assert mounted <= described
    assert {prefix for part in everything.parts for prefix in part.fronts} == {WEBHOOKS}


async def test_no_address_has_room_for_a_person(everything: Everything) -> None:
    """E-mail, phone and external id travel in bodies only: addresses end up in logs."""
    for route in everything.routes():
        for parameter in route.said.get("parameters", []):
            assert parameter["in"] in {"path", "query"}
            assert parameter["name"] in HARMLESS, (route.path, parameter["name"])


async def test_health_and_metrics_are_open(everything: Everything) -> None:
    """An orchestrator and a scraper have no token; webhooks are asked for a signature instead."""
    for path in OPEN:
        assert (await everything.client.get(path)).status_code in {200, 503}, path
    assert (await everything.client.post(f"{WEBHOOKS}/shop")).status_code == 401
    assert (await everything.client.post(LETTERS)).status_code == 404
