"""Every endpoint of every service, as OpenAPI describes it: no 5xx, no answer it does not name."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from services.dispatcher.__main__ import build as build_dispatcher
from services.ingest.__main__ import build as build_ingest
from services.sandbox.__main__ import build as build_sandbox
from services.segmenter.__main__ import build as build_segmenter
from shared.hosting import Part, make_app, with_fronts
from shared.http.problems import MEDIA_TYPE
from shared.process import open_context, read_settings
from tests.builders.postgres import bare_database
from tests.builders.responses import SECRETS
from tests.builders.waiting import eventually

CONFIG = Path(__file__).resolve().parent.parent.parent / "deploy" / "config"
ENVIRON: Mapping[str, str] = {
    **SECRETS,
    "NPS_ROUTE_SECRET": "route key of the tests",
    "NPS_TOKEN_OPERATOR": "operator-token",
    "NPS_SANDBOX_URL": "http://127.0.0.1:9/sandbox",
    "NPS_SECRET_WEBHOOK": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
#: Per endpoint, once as described and once against the description: enough to find a missing
#: status, few enough for every run of the suite.
EXAMPLES = 3
#: A stream of events, which ends with its listener.
ENDLESS = {"GET /sandbox/events"}


@dataclass(frozen=True)
class Product:
    """All services in one process, and what they say of themselves."""

    client: httpx.AsyncClient
    described: dict[str, Any]


@pytest.fixture(scope="module")
async def product(server: str, template: str) -> AsyncIterator[Product]:
    """Ingest, segmenter, dispatcher and sandbox as `make run` hosts them; no loop runs."""
    async with bare_database(server, template) as url:
        given_settings = read_settings(database_url=url, config=CONFIG)
        async with open_context(given_settings, ENVIRON) as context:
            parts: list[Part] = []
            for build in (build_ingest, build_segmenter, build_dispatcher, build_sandbox):
                parts.append(await build(context))
            app = make_app(parts, context.registry)
            transport = httpx.ASGITransport(with_fronts(app, parts), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://nps") as client:
                await _counted(parts[1], client)
                yield Product(client, app.openapi())
            for part in reversed(parts):
                await part.close()


async def _counted(segmenter: Part, client: httpx.AsyncClient) -> None:
    """Let figures and data quality be counted once: before that they are 503."""
    stopping = asyncio.Event()
    sweep = asyncio.ensure_future(segmenter.tasks["sweep"](stopping))

    async def there() -> bool:
        token = {"Authorization": "Bearer operator-token"}
        return (await client.get("/v1/data-quality", headers=token)).status_code == 200

    await eventually(there)
    stopping.set()
    await sweep


def operations_of(product: Product) -> list[APIOperation[Any, Any, Any, Any]]:
    """List the endpoints; /healthz first, for no loop runs here, and after a while it says so."""
    found = []
    for result in schemathesis.openapi.from_dict(product.described).get_all_operations():
        assert isinstance(result, Ok)
        found.append(result.ok())
    return sorted(found, key=lambda operation: operation.label != "GET /healthz")


def requests_of(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> list[Any]:
    """Make a handful of requests; the same ones each time, so that a failure stays one."""
    found: list[Any] = []

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def collect(case: Any) -> None:
        found.append(case)

    try:
        collect()
    except Unsatisfiable:  # nothing about this endpoint can be wrong
        assert mode is GenerationMode.NEGATIVE
    return found


def sendable(case: Any) -> httpx.Request:
    """Write a request as httpx has it."""
    said = case.as_transport_kwargs(base_url="http://nps")
    body = {"content": said["data"]} if isinstance(said.get("data"), bytes | str) else {}
    if "data" in said and not body:
        body = {"data": said["data"]}
    if "json" in said:
        body = {"json": said["json"]}
    headers = {**dict(said["headers"]), "Authorization": "Bearer operator-token"}
    return httpx.Request(
        said["method"], said["url"], params=said["params"] or None, headers=headers, **body
    )


def wrong_with(answer: httpx.Response, described: Mapping[str, Any]) -> str | None:
    """Tell what an answer does that its endpoint's description does not say."""
    status = answer.status_code
    if str(status) not in described:
        return f"{status} is not described"
    if status < 400:
        return None
    told_as = answer.headers["content-type"].partition(";")[0]
    if status < 500 and told_as == "text/html" and told_as in described[str(status)]["content"]:
        return None  # a page, where people and no programs ask
    if status >= 500 or answer.headers["content-type"] != MEDIA_TYPE:
        return f"{status} as {answer.headers['content-type']}"
    if MEDIA_TYPE not in described[str(status)].get("content", {}):
        return f"{status} is not described as a problem document"
    document = answer.json()
    told = document.get("status"), str(document.get("type")).startswith("urn:nps:problem:")
    return None if told == (status, True) else f"{status}: a problem document that is none"


async def test_every_endpoint_answers_as_it_is_described(product: Product) -> None:
    """Requests as described and against it; every refusal is a problem document."""
    wrong: set[str] = set()
    sent = 0
    for operation in operations_of(product):
        if operation.label in ENDLESS:
            continue
        described = operation.definition.raw["responses"]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for case in requests_of(operation, mode):
                answer = await product.client.send(sendable(case))
                fault = wrong_with(answer, described)
                wrong |= {f"{operation.label}: {fault}"} if fault else set()
                sent += 1
    assert not wrong, "\n".join(sorted(wrong))
    assert sent > 60


async def test_every_endpoint_behind_a_token_says_so(product: Product) -> None:
    """Without one 401, with one of too little 403: both are described, as problem documents."""
    wrong: set[str] = set()
    for path, methods in product.described["paths"].items():
        for method, operation in methods.items():
            if not path.startswith("/v1/") or path.startswith("/v1/webhooks/"):
                continue
            where = path.replace("{source}", "shop").replace("{", "").replace("}", "")
            answer = await product.client.request(method, where, json={})
            if answer.status_code != 401 or answer.headers["content-type"] != MEDIA_TYPE:
                wrong.add(f"{method} {path}: open to everybody ({answer.status_code})")
            if not {"401", "403"} <= set(operation["responses"]):
                wrong.add(f"{method} {path}: 401 and 403 are not described")
    assert not wrong, "\n".join(sorted(wrong))
