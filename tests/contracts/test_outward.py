"""The outward connector on real sockets: told by phase what happened; nobody is followed, overheard
or reached inside."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.http.outward import MAX_ANSWER, AddressRefused, Outward
from tests.builders.outside_party import Talk, answering, half, hang, reset, server
from tests.builders.ports import free_port

LIMITS = {"connect": 5.0, "total": 20.0}
NOTHING = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def local(**changes: object) -> Outward:
    """Make a connector that may talk to this machine without TLS."""
    return Outward(connections=4, **{"allow_private": True, "allow_http": True, **changes})  # type: ignore[arg-type]


async def call(
    outward: Outward,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    limits: dict[str, float] = LIMITS,
) -> httpx.Response:
    """POST something."""
    request = httpx.Request(
        "POST", url, content=b"{}", headers=headers, extensions={"timeout": limits}
    )
    try:
        return await outward.handle_async_request(request)
    finally:
        await outward.aclose()


async def test_an_answer_comes_back_whole() -> None:
    """Status, headers and body, and the request exactly as it was made."""
    seen: list[bytes] = []
    answer = b'HTTP/1.1 202 Accepted\r\nX-One: 1\r\nContent-Length: 7\r\n\r\n{"a":1}'
    async with server(answering(answer, seen)) as url:
        response = await call(local(), f"{url}/a%2Fb/@x?e=a%2Bb%40c")
    assert response.status_code == 202
    assert response.headers["x-one"] == "1"
    assert response.json() == {"a": 1}
    assert seen[0].startswith(b"POST /a%2Fb/@x?e=a%2Bb%40c HTTP/1.1\r\n")
    assert b"accept-encoding: identity" in seen[0].lower()


async def test_it_carries_httpx_as_its_transport() -> None:
    """What is not hot uses httpx's client over the same connector, under the same limits."""
    async with (
        server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as url,
        httpx.AsyncClient(transport=local()) as client,
    ):
        assert (await client.get(url)).text == "ok"


async def test_a_header_that_is_not_ascii_costs_no_answer() -> None:
    """What acted has acted: an odd header does not turn its answer into a crash."""
    answer = "HTTP/1.1 202 Accepted\r\nX-Name: Zoé\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(answering(answer)) as url:
        response = await call(local(), url)
    assert (response.status_code, response.headers["x-name"]) == (202, "Zoé")


async def test_no_listener_is_told_as_not_connected() -> None:
    """A refused connection means that nothing left."""
    with pytest.raises(httpx.ConnectError):
        await call(local(), f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize(
    "headers",
    [{"X-Name": "a\r\nX-Other: b"}, {"X-Name": "a\nb"}],
    ids=["whole break", "half break"],
)
async def test_a_request_that_cannot_be_sent_is_told_before_anything_leaves(
    headers: dict[str, str],
) -> None:
    """A line break in a value would write a header of its own."""
    seen: list[bytes] = []
    async with server(answering(NOTHING, seen)) as url:
        with pytest.raises(httpx.LocalProtocolError):
            await call(local(), url, headers=headers)
    assert seen == []


@pytest.mark.parametrize(
    ("talk", "limits", "told"),
    [
        pytest.param(hang, {"total": 0.3}, httpx.ReadTimeout, id="hang after the request"),
        pytest.param(half, {}, httpx.ReadError, id="half an answer"),
        pytest.param(reset, {}, httpx.ReadError, id="reset before the answer"),
        pytest.param(answering(b"nonsense\r\n\r\n"), {}, httpx.ReadError, id="no HTTP"),
        pytest.param(
            answering(b"address refused\r\n\r\n"), {}, httpx.ReadError, id="no HTTP, in our words"
        ),
    ],
)
async def test_a_request_that_left_and_was_not_answered_is_told_as_read(
    talk: Talk, limits: dict[str, float], told: type[httpx.TransportError]
) -> None:
    """Whatever breaks after the bytes left may have happened over there."""
    async with server(talk) as url:
        with pytest.raises(told):
            await call(local(), url, limits={**LIMITS, **limits})


async def test_a_call_without_a_limit_of_its_own_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing outward hangs for ever because somebody forgot the timeout."""
    monkeypatch.setattr("shared.http.outward.LONGEST_CALL_S", 0.2)
    outward = local()
    async with server(hang) as url:
        with pytest.raises(httpx.ReadTimeout):
            await outward.handle_async_request(httpx.Request("GET", url))
    await outward.aclose()


async def test_an_answer_too_large_is_cut_off() -> None:
    """One byte over the limit is not kept; the limit itself is."""
    for size, good in ((MAX_ANSWER, True), (MAX_ANSWER + 1, False)):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        async with server(answering(answer)) as url:
            if good:
                assert len((await call(local(), url)).content) == size
            else:
                with pytest.raises(httpx.ReadError, match="too large"):
                    await call(local(), url)


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    """Nobody goes where a redirect points."""
    visited: list[bytes] = []
    async with server(answering(NOTHING, visited)) as there:
        answer = f"HTTP/1.1 307 Go\r\nLocation: {there}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with server(answering(answer)) as url:
            assert (await call(local(), url)).status_code == 307
    assert visited == []


async def test_compressed_bytes_stay_as_they_are() -> None:
    """Nothing is unpacked: a small answer cannot become a large one."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nzip"
    async with server(answering(answer)) as url:
        assert (await call(local(), url)).content == b"zip"


async def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers' data goes to the platform, not to who set a variable."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with server(answering(NOTHING)) as url:
        assert (await call(local(), url)).status_code == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"]
)
async def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    """A literal address asks no resolver, so it is checked where we dial; nothing is sent."""
    seen: list[bytes] = []
    async with server(answering(NOTHING, seen)) as url:
        with pytest.raises(httpx.ConnectError):
            await call(local(allow_private=False), url.replace("127.0.0.1", host))
    assert seen == []


class Lies(AbstractResolver):
    """A resolver that answers every name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in self._addresses
            if family in (socket.AF_INET, socket.AF_UNSPEC)
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def test_a_name_that_leads_inside_is_refused() -> None:
    """What counts is the address dialled, not the name asked for."""
    inside = Lies("127.0.0.1", "169.254.169.254")
    with pytest.raises(AddressRefused, match="allow_private"):
        await call(local(allow_private=False, resolver=inside), "http://platform.example/")


async def test_plain_http_is_refused_unless_allowed() -> None:
    """Credentials do not leave without TLS."""
    with pytest.raises(AddressRefused, match="https"):
        await call(local(allow_http=False), "http://127.0.0.1:9/")


async def test_only_the_hosts_that_are_named_are_called() -> None:
    """A pinned connector goes nowhere else, whatever an identifier in a URL made of the name."""
    seen: list[bytes] = []
    async with server(answering(NOTHING, seen)) as url:
        port = url.rpartition(":")[2]
        home = Lies("127.0.0.1")
        for host, good in (("a.api.example", True), ("api.example.evil.example", False)):
            outward = local(hosts=["*.api.example"], resolver=home)
            if good:
                assert (await call(outward, f"http://{host}:{port}/")).status_code == 200
            else:
                with pytest.raises(AddressRefused, match="host"):
                    await call(outward, f"http://{host}:{port}/")
    assert len(seen) == 1


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make a certificate for this machine that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "party.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_nobody_vouches_for_ends_the_call_before_it_begins(
    tmp_path: Path,
) -> None:
    """There is no switch that turns the check off, not even the one for private addresses."""
    seen: list[bytes] = []
    async with server(answering(NOTHING, seen), self_signed(tmp_path)) as url:
        with pytest.raises(httpx.ConnectError):
            await call(local(), url.replace("127.0.0.1", "localhost"))
    assert seen == []


async def test_a_failed_handshake_is_told_as_not_connected() -> None:
    """No TLS, no request: the customer's data stayed here."""

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(no_tls) as url:
        with pytest.raises(httpx.ConnectError):
            await call(local(), url.replace("http:", "https:"))


async def test_a_second_call_finds_the_connection_open() -> None:
    """Handshakes are paid once per connection, not once per call."""
    connections: list[object] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await answering(NOTHING)(reader, writer)

    outward = local()
    async with server(talk) as url:
        for _ in range(3):
            answer = await outward.handle_async_request(httpx.Request("GET", url))
            assert answer.status_code == 200
    await outward.aclose()
    assert len(connections) == 1
