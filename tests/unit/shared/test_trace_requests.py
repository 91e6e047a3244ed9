"""What is told of requests that come in."""

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from shared.hosting import Part, make_app, with_fronts
from shared.traces.current import ARRIVAL
from shared.traces.places import Place
from shared.traces.requests import TracedRequests
from tests.builders.traced import Memory, Seen

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def application(*told: Place, status: int = 200) -> FastAPI:
    """Two routes; each tells these places as publishing would."""
    app = FastAPI()

    async def answer() -> Response:
        arrival = ARRIVAL.get()
        if arrival is None:
            return Response()
        if len(told) == 1:
            arrival.place = Place(told[0].trace, arrival.number, told[0].sampled)
            arrival.event_id = "e-1"
        arrival.told.extend(told)
        return Response(status_code=status)

    app.add_api_route("/v1/customers/{name}", answer, methods=["POST"])
    app.add_api_route("/healthz", answer, methods=["GET"])
    return app


async def ask(memory: Memory, app: FastAPI, path: str, **headers: str) -> list[Seen]:
    """Send one request and return what was told of it."""
    traced = TracedRequests(app, memory.traces, ["/v1/webhooks"])
    transport = httpx.ASGITransport(traced, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://nps") as client:
        await client.request("GET" if path == "/healthz" else "POST", path, headers=headers)
    return memory.spans()


async def test_a_request_is_in_the_trace_of_the_event_that_it_brought() -> None:
    """One webhook, one trace, from its first byte."""
    memory = Memory()
    place = memory.traces.alone()

    (span,) = await ask(memory, application(place), "/v1/customers/anna")

    assert (span.trace, span.parent, span.links) == (f"{place.trace:032x}", "", ())
    assert (span.kind, span.event_id, span.failed) == ("server", "e-1", False)
    assert span.attributes["http.response.status_code"] == 200


async def test_a_request_that_brought_several_links_to_each() -> None:
    """None of them is more the request's than another."""
    memory = Memory()
    one, other = memory.traces.alone(), memory.traces.alone()

    (span,) = await ask(memory, application(one, other), "/v1/customers/anna")

    assert span.trace not in (f"{one.trace:032x}", f"{other.trace:032x}")
    assert [trace for trace, _ in span.links] == [f"{one.trace:032x}", f"{other.trace:032x}"]


async def test_what_stands_in_a_path_is_never_told() -> None:
    """A path may hold an address; the route does not."""
    memory = Memory()

    (span,) = await ask(memory, application(), "/v1/customers/anna@example.com?q=ben")

    assert span.name == "POST /v1/customers/{name}"
    assert "anna" not in str(span)
    assert "ben" not in str(span)


async def test_a_caller_is_linked_to_and_decides_nothing() -> None:
    """Whoever calls from outside may say anything: our ids and what is sampled are ours."""
    memory = Memory()

    (span,) = await ask(memory, application(), "/v1/customers/a", traceparent=CALLER)

    assert span.trace != CALLER[3:35]
    assert span.links == ((CALLER[3:35], CALLER[36:52]),)


@pytest.mark.parametrize(("status", "failed"), [(202, False), (401, False), (503, True)])
async def test_a_request_fails_by_our_fault_only(status: int, failed: bool) -> None:
    """As HTTP's conventions have it for servers."""
    (span,) = await ask(Memory(), application(status=status), "/v1/customers/a")

    assert span.failed == failed


async def test_those_who_watch_are_not_told_of() -> None:
    """Probes come every few seconds and would be most of it."""
    assert await ask(Memory(), application(), "/healthz") == []


async def test_below_a_front_the_route_is_known_too() -> None:
    """Web-hooks are served below the framework, which would name their route."""
    memory = Memory()

    async def front(_scope: object, _receive: object, send: object) -> None:
        await Response(status_code=202)({"type": "http"}, None, send)  # type: ignore[arg-type]

    part = Part("ingest", fronts={"/v1/webhooks": front})
    app = with_fronts(make_app([part], CollectorRegistry()), [part])

    (span,) = await ask(memory, app, "/v1/webhooks/shop/token-of-the-path")  # type: ignore[arg-type]

    assert span.name == "POST /v1/webhooks/{source}"
    assert "token" not in str(span)
