"""The host of parts: a failing loop ends the process, a signal stops everything in order."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter

from shared.errors import ConfigError
from shared.hosting import Part, host, listen, make_app


async def until_stopped(stopping: asyncio.Event) -> None:
    """Be the simplest correct task."""
    await stopping.wait()


async def run(*parts: Part, ask_to_stop: bool = False) -> None:
    """Host on a free port; where asked, a SIGTERM comes as soon as requests are answered."""

    def started(_port: int) -> None:
        if ask_to_stop:
            os.kill(os.getpid(), signal.SIGTERM)

    await host(parts, address="127.0.0.1", port=0, registry=CollectorRegistry(), on_started=started)


async def test_a_task_that_fails_ends_the_host_with_its_error() -> None:
    """Nothing limps on: an orchestrator restarts the process."""

    async def failing(_stopping: asyncio.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run(Part(name="a", tasks={"loop": until_stopped, "bad": failing}))


async def test_a_task_that_ends_by_itself_is_a_failure() -> None:
    """A consumer that returned early would look like an idle one."""

    async def ending(_stopping: asyncio.Event) -> None:
        return

    with pytest.raises(RuntimeError, match=r"task a\.early ended by itself"):
        await run(Part(name="a", tasks={"early": ending}))


async def test_a_signal_stops_tasks_and_then_closes_parts_in_reverse_order() -> None:
    """What was built on something is closed before it."""
    told: list[str] = []

    def part(name: str) -> Part:
        async def task(stopping: asyncio.Event) -> None:
            await stopping.wait()
            told.append(f"{name} finished")

        async def close() -> None:
            told.append(f"{name} closed")

        return Part(name=name, tasks={"loop": task}, close=close)

    await run(part("first"), part("second"), ask_to_stop=True)

    assert sorted(told[:2]) == ["first finished", "second finished"]
    assert told[2:] == ["second closed", "first closed"]


async def test_parts_are_closed_when_a_task_fails() -> None:
    """Leases are given back even then."""
    closed: list[str] = []

    async def failing(_stopping: asyncio.Event) -> None:
        raise ZeroDivisionError

    async def close() -> None:
        closed.append("a")

    with pytest.raises(ZeroDivisionError):
        await run(Part(name="a", tasks={"bad": failing}, close=close))

    assert closed == ["a"]


async def test_a_port_in_use_is_refused_with_the_fix() -> None:
    """The most frequent first mistake gets one clear line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*NPS_PORT"):
            await host([], address="127.0.0.1", port=port, registry=CollectorRegistry())


async def test_an_answer_is_not_held_back_for_an_acknowledgement() -> None:
    """Head and body of an answer leave at once, on connections that are kept, too."""
    accepted: list[int] = []

    class Watched(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken = transport.get_extra_info("socket")
            accepted.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    listener = listen("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(Watched, sock=listener)
    async with server:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert await reader.read() == b""
        writer.close()
    assert accepted == [1]


async def test_health_readiness_and_metrics_tell_what_is_missing() -> None:
    """Alive says nothing of dependencies; ready names them."""
    registry = CollectorRegistry()
    Counter("nps_example", "an example", registry=registry).inc()
    missing: list[str] = ["bus away"]
    stuck: list[str] = []

    async def ready() -> Sequence[str]:
        return missing

    part = Part(name="a", routers=[APIRouter()], ready=ready, alive=lambda: stuck)
    transport = httpx.ASGITransport(make_app([part], registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        before = await client.get("/readyz")
        health = await client.get("/healthz")
        missing.clear()
        stuck.append("loop has not moved for 70 s")
        after = await client.get("/readyz")
        unwell = await client.get("/healthz")
        metrics = await client.get("/metrics")

    assert (before.status_code, before.json()["missing"]) == (503, ["a: bus away"])
    assert (health.status_code, after.status_code, unwell.status_code) == (200, 200, 503)
    assert "nps_example_total 1.0" in metrics.text


async def asked(part: Part, *requests: bytes, trusted_proxies: str = "") -> list[bytes]:
    """Host one part, send each request on a connection of its own, and give what was answered."""
    heard: list[bytes] = []
    asking: list[asyncio.Task[None]] = []

    async def ask(port: int) -> None:
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            heard.append(await reader.read())
            writer.close()
        os.kill(os.getpid(), signal.SIGTERM)

    await host(
        [part],
        address="127.0.0.1",
        port=0,
        registry=CollectorRegistry(),
        trusted_proxies=trusted_proxies,
        on_started=lambda port: asking.append(asyncio.create_task(ask(port))),
    )
    await asking[0]
    return heard


async def test_the_host_serves_under_limits_and_counts_what_it_refuses() -> None:
    """A bad request never reaches a route, and shows in the metrics all the same."""
    metrics = b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n"

    refused, counted = await asked(Part(name="a"), b"nonsense\r\n\r\n", metrics)

    assert refused.startswith(b"HTTP/1.1 400 ")
    assert b'nps_http_refused_total{reason="malformed"} 1.0' in counted
    assert b"nps_http_connections 1.0" in counted
    assert b'nps_part_alive{part="a"} 1.0' in counted
    assert b'nps_build_info{version="' in counted


@pytest.mark.parametrize(
    ("trusted_proxies", "seen"),
    [
        pytest.param("", b"127.0.0.1 http", id="nobody is believed unless told"),
        pytest.param("10.0.0.0/8", b"127.0.0.1 http", id="another is believed"),
        pytest.param("10.0.0.0/8,127.0.0.0/8", b"203.0.113.9 https", id="this one is believed"),
    ],
)
async def test_a_client_is_who_connects_or_whom_a_trusted_proxy_names(
    trusted_proxies: str, seen: bytes
) -> None:
    """Else whoever sends a header could be any address that a source allows."""
    router = APIRouter()

    @router.get("/who")
    async def who(request: Request) -> PlainTextResponse:
        assert request.client is not None
        return PlainTextResponse(f"{request.client.host} {request.url.scheme}")

    said = (
        b"GET /who HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
        b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n"
    )

    (answer,) = await asked(Part(name="a", routers=[router]), said, trusted_proxies=trusted_proxies)

    assert answer.endswith(b"\r\n\r\n" + seen)
