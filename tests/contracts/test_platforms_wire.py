"""The wire on real sockets: what happened is told by phase, and nobody is followed or overheard."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.dispatcher.wire import MAX_ANSWER, AddressRefused, Wire, failure_of, is_public
from tests.builders import platforms
from tests.builders.platforms import NOW, carrier
from tests.builders.processes import free_port

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMITS = {"connect": 5.0, "total": 20.0}


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """Serve raw TCP on this machine; yields the base URL."""
    open_writers: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for writer in open_writers:
            writer.close()
        await listening.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    return head + body


def answering(answer: bytes, seen: list[bytes] | None = None) -> Talk:
    """Answer every request on a connection with these bytes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
            await writer.drain()

    return talk


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and say nothing."""
    await read_request(reader)
    await reader.read()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a part of what was promised, then hang up."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request, then reset the connection."""
    await read_request(reader)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def local_wire(**changes: object) -> Wire:
    """Make a wire that may talk to this machine without TLS."""
    return Wire(connections=4, **{"allow_private": True, "allow_http": True, **changes})  # type: ignore[arg-type]


async def call(wire: Wire, url: str, **limits: float) -> httpx.Response:
    """POST something."""
    request = httpx.Request(
        "POST", url, content=b"{}", extensions={"timeout": {**LIMITS, **limits}, "effect": True}
    )
    try:
        return await wire.handle_async_request(request)
    finally:
        await wire.aclose()


async def test_an_answer_comes_back_whole() -> None:
    """Status, headers and body, and the request exactly as it was made."""
    seen: list[bytes] = []
    answer = b'HTTP/1.1 202 Accepted\r\nX-One: 1\r\nContent-Length: 7\r\n\r\n{"a":1}'
    async with server(answering(answer, seen)) as url:
        response = await call(local_wire(), f"{url}/a%2Fb/@x?e=a%2Bb%40c")
    assert response.status_code == 202
    assert response.headers["x-one"] == "1"
    assert response.json() == {"a": 1}
    assert seen[0].startswith(b"POST /a%2Fb/@x?e=a%2Bb%40c HTTP/1.1\r\n")
    assert b"accept-encoding: identity" in seen[0].lower()


async def test_a_header_that_is_not_ascii_costs_no_answer() -> None:
    """What acted has acted: an odd header does not turn its answer into a crash."""
    answer = "HTTP/1.1 202 Accepted\r\nX-Name: Zoé\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(answering(answer)) as url:
        response = await call(local_wire(), url)
    assert (response.status_code, response.headers["x-name"]) == (202, "Zoé")


async def test_no_listener_means_nothing_left() -> None:
    """A refused connection is of the phase `connect`."""
    with pytest.raises(httpx.ConnectError) as told:
        await call(local_wire(), f"http://127.0.0.1:{free_port()}/")
    assert failure_of(told.value).phase == "connect"


async def test_a_failed_handshake_means_nothing_left() -> None:
    """No TLS, no request: the customer's data stayed here."""

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(no_tls) as url:
        with pytest.raises(httpx.ConnectError) as told:
            await call(local_wire(), url.replace("http:", "https:"))
    assert failure_of(told.value).phase == "connect"


@pytest.mark.parametrize(
    ("talk", "limits"),
    [
        pytest.param(hang, {"total": 0.3}, id="hang after the request"),
        pytest.param(half, {}, id="half an answer"),
        pytest.param(reset, {}, id="reset before the answer"),
        pytest.param(answering(b"nonsense\r\n\r\n"), {}, id="no HTTP"),
        pytest.param(answering(b"address refused\r\n\r\n"), {}, id="no HTTP, in our own words"),
    ],
)
async def test_a_request_that_left_and_was_not_answered_is_told_as_sent(
    talk: Talk, limits: dict[str, float]
) -> None:
    """Whatever breaks after the bytes left may have happened over there."""
    async with server(talk) as url:
        with pytest.raises(httpx.TransportError) as told:
            await call(local_wire(), url, **limits)
    assert failure_of(told.value).phase == "sent"


async def test_an_answer_too_large_is_cut_off() -> None:
    """One byte over the limit is not kept; the limit itself is."""
    for size, good in ((MAX_ANSWER, True), (MAX_ANSWER + 1, False)):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        async with server(answering(answer)) as url:
            if good:
                assert len((await call(local_wire(), url)).content) == size
            else:
                with pytest.raises(httpx.ReadError, match="too large"):
                    await call(local_wire(), url)


async def test_a_success_too_large_to_read_leaves_doubt_and_is_not_repeated() -> None:
    """It was taken, whatever it said about that: never `retry` without a key."""
    seen: list[bytes] = []
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_ANSWER + 1)
    async with server(answering(head + b"x" * (MAX_ANSWER + 1), seen)) as url:
        lane = carrier("sandbox_unkeyed", local_wire(), vars={"url": url, "account": "main"})
        verdict = await lane.act(platforms.ACTION, budget=timedelta(seconds=20), now=NOW)
        await lane.close()
    assert (verdict.outcome, len(seen)) == ("in_doubt", 1)


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    """Nobody goes where a redirect points."""
    visited: list[bytes] = []
    async with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", visited)) as there:
        answer = f"HTTP/1.1 307 Go\r\nLocation: {there}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with server(answering(answer)) as url:
            assert (await call(local_wire(), url)).status_code == 307
    assert visited == []


async def test_compressed_bytes_stay_as_they_are() -> None:
    """Nothing is unpacked: a small answer cannot become a large one."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nzip"
    async with server(answering(answer)) as url:
        assert (await call(local_wire(), url)).content == b"zip"


async def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers' data goes to the platform, not to who set a variable."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        assert (await call(local_wire(), url)).status_code == 200


async def test_this_machine_is_refused_unless_allowed() -> None:
    """A literal address asks no resolver, so it is checked where we dial; nothing is sent."""
    seen: list[bytes] = []
    async with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", seen)) as url:
        with pytest.raises(AddressRefused) as told:
            await call(local_wire(allow_private=False), url)
    assert failure_of(told.value).phase == "refused"
    assert seen == []


class Lies(AbstractResolver):
    """A resolver that answers a public name with private addresses."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in ("127.0.0.1", "169.254.169.254")
            if family in (socket.AF_INET, socket.AF_UNSPEC)
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def test_a_name_that_leads_inside_is_refused() -> None:
    """What counts is the address dialled, not the name asked for."""
    with pytest.raises(AddressRefused):
        await call(local_wire(allow_private=False, resolver=Lies()), "http://platform.example/")


async def test_plain_http_is_refused_unless_allowed() -> None:
    """Credentials do not leave without TLS."""
    with pytest.raises(AddressRefused, match="https"):
        await call(local_wire(allow_http=False), "http://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("::7f00:1", False),
        ("fec0::1", False),
        ("64:ff9b:1::a00:1", False),
    ],
)
def test_only_addresses_on_the_internet_are_public(address: str, public: bool) -> None:
    """Private, loopback, link-local, metadata, multicast; also when written as IPv6."""
    assert is_public(address) is public


async def test_a_hang_ends_within_the_budget_and_leaves_doubt() -> None:
    """The whole way down: carrier, wire, socket; the budget ends the call, the phase judges it."""
    now = lambda: datetime.now(UTC)  # noqa: E731
    async with server(hang) as url:
        outcomes = {}
        for target in ("sandbox", "sandbox_unkeyed"):
            lane = carrier(
                target, local_wire(), clock=now, vars={"url": f"{url}/sandbox", "account": "main"}
            )
            verdict = await lane.act(platforms.ACTION, budget=timedelta(milliseconds=300), now=NOW)
            outcomes[target] = verdict.outcome
            await lane.close()
    assert outcomes == {"sandbox": "in_doubt", "sandbox_unkeyed": "in_doubt"}
