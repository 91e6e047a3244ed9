"""The wire: `httpx.Request` out, `httpx.Response` in, by aiohttp, without httpx's client and pool.

In: a request whose `timeout` extension holds seconds (`connect`, `total`). Out: the whole answer
(at most 1 MiB), or an httpx exception that tells whether bytes had left: `ConnectError` and
`ConnectTimeout` before, `ReadError` and `ReadTimeout` after. Never follows a redirect, reads no
proxy from the environment, and connects to public addresses by https only unless told otherwise.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.dispatcher.verdict import Failure

#: Answers we read are a few KiB; a larger one is a mistake or an attack on our memory.
MAX_ANSWER = 1024 * 1024
#: Servers commonly drop idle connections after 5 s; a trigger sent into one that is just being
#: dropped would be in doubt for nothing, so ours go first.
_KEEP_ALIVE_S = 4.0
_NOT_FORWARDED = frozenset({"content-length", "transfer-encoding"})
_NOT_RETURNED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
_REFUSED = "address refused"
#: Ranges of IPv6 that the standard library calls global, and that lead inside: IPv4 addresses
#: written as `::a.b.c.d`, and networks that translate to IPv4 locally.
_INSIDE = (IPv6Network("::/96"), IPv6Network("64:ff9b:1::/48"))


class AddressRefused(httpx.ConnectError):
    """The address is not one we may connect to; nothing was sent."""


class _Refused(OSError):
    """Raised in the connector, below aiohttp, which passes on its text only."""


@dataclass(slots=True)
class _Progress:
    """How far one request came."""

    left: bool = False


def is_public(address: str) -> bool:
    """Tell whether an address is out on the internet, whichever way it is written."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        # 64:ff9b::/96 is how a translating network writes an IPv4 address.
        if embedded is None and ip.packed.startswith(bytes.fromhex("0064ff9b0000000000000000")):
            embedded = IPv4Address(ip.packed[-4:])
        if embedded is not None:
            return is_public(str(embedded))
        if ip.is_site_local or any(ip in network for network in _INSIDE):
            return False
    return ip.is_global and not ip.is_multicast


class Wire(httpx.AsyncBaseTransport):
    """One target's connections. Build it inside the running loop, and `aclose` it."""

    def __init__(
        self,
        *,
        connections: int,
        allow_private: bool = False,
        allow_http: bool = False,
        max_answer: int = MAX_ANSWER,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._allow_http = allow_http
        self._max_answer = max_answer
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_mark_left)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                keepalive_timeout=_KEEP_ALIVE_S,
                resolver=resolver,
                ttl_dns_cache=60,
                socket_factory=self._socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            trace_configs=[trace],
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one call; raises the httpx exceptions named above."""
        if request.url.scheme != "https" and not self._allow_http:
            raise AddressRefused("only https is allowed (allow_http: true allows more)")
        limits: dict[str, float] = request.extensions.get("timeout", {})
        progress = _Progress()
        try:
            async with asyncio.timeout(limits.get("total")):
                return await self._call(request, limits.get("connect"), progress)
        except httpx.TransportError:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _explained(error, progress) from None

    async def _call(
        self, request: httpx.Request, connect_s: float | None, progress: _Progress
    ) -> httpx.Response:
        # Compressed answers would make the size limit a guess.
        headers = {"accept-encoding": "identity"}
        headers |= {n: v for n, v in request.headers.items() if n not in _NOT_FORWARDED}
        async with self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=headers,
            data=request.content or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            trace_request_ctx=progress,
        ) as answer:
            body = await self._read(answer)
            return httpx.Response(
                answer.status,
                # As bytes: a header that is not ASCII is odd, and no reason to lose the answer.
                headers=[(n, v) for n, v in answer.raw_headers if n.lower() not in _NOT_RETURNED],
                content=body,
                request=request,
            )

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > self._max_answer:
                answer.close()
                raise httpx.ReadError("the answer is too large")
        return bytes(body)

    def _socket(self, info: Any) -> socket.socket:
        """Open a socket only towards an address we may reach: checked where we dial."""
        family, kind, protocol, _, address = info
        if not self._allow_private and not is_public(address[0]):
            raise _Refused(0, _REFUSED)
        return socket.socket(family, kind, protocol)


async def _mark_left(_session: Any, context: Any, _params: Any) -> None:
    """Note that the request's first bytes leave now."""
    context.trace_request_ctx.left = True


def _explained(error: Exception, progress: _Progress) -> httpx.TransportError:
    """Tell what happened, without the other side's words."""
    if progress.left:
        if isinstance(error, TimeoutError):
            return httpx.ReadTimeout("no answer in time")
        return httpx.ReadError("the connection broke before the whole answer")
    # Only now: an error of later may quote the other side, who may say anything.
    if _REFUSED in str(error):
        return AddressRefused("the address is private (allow_private: true allows it)")
    if isinstance(error, TimeoutError):
        return httpx.ConnectTimeout("no connection in time")
    return httpx.ConnectError("no connection")


def failure_of(error: httpx.TransportError) -> Failure:
    """Put an exception of any transport into our words."""
    if isinstance(error, AddressRefused):
        return Failure("refused", str(error))
    before = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.UnsupportedProtocol,
    )
    if isinstance(error, before):
        return Failure("connect", str(error) or "no connection")
    return Failure("sent", str(error) or "no whole answer")
