"""The one connector for outward HTTP: `httpx.Request` out, `httpx.Response` in, by aiohttp.

In: a request whose `timeout` extension may hold seconds (`connect`, `total`). Out: the whole answer
(at most 1 MiB), or an httpx exception that tells whether bytes had left: `ConnectError`,
`ConnectTimeout` and `LocalProtocolError` before, `ReadError` and `ReadTimeout` after. Never follows
a redirect, reads no proxy from the environment, keeps no cookie, unpacks nothing, and connects by
verified https to public addresses only, unless told otherwise.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from yarl import URL

from shared.http.addresses import is_one_of, is_public

#: Answers we read are a few KiB; a larger one is a mistake or an attack on our memory.
MAX_ANSWER = 1024 * 1024
#: Seconds for a call whose request names no `total`: nothing outward may hang for ever.
LONGEST_CALL_S = 30.0
#: Servers commonly drop idle connections after 5 s; a trigger sent into one that is just being
#: dropped would be in doubt for nothing, so ours go first.
_KEEP_ALIVE_S = 4.0
_NOT_FORWARDED = frozenset({"content-length", "transfer-encoding"})
_NOT_RETURNED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
_REFUSED = "address refused"


class AddressRefused(httpx.ConnectError):
    """The address is not one we may connect to; nothing was sent."""


class _Refused(OSError):
    """Raised in the connector, below aiohttp, which passes on its text only."""


@dataclass(slots=True)
class _Progress:
    """How far one request came."""

    left: bool = False


class Outward(httpx.AsyncBaseTransport):
    """Connections to one party. Build it inside the running loop, and `aclose` it.

    `hosts` pins where it may go (`api.example.com`, `*.example.com`; empty: anywhere public), also
    when `allow_private`. `allow_http` drops the demand for TLS, `allow_private` that for a public
    address. `max_answer` is in bytes.
    """

    def __init__(
        self,
        *,
        connections: int,
        hosts: Sequence[str] = (),
        allow_private: bool = False,
        allow_http: bool = False,
        max_answer: int = MAX_ANSWER,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._hosts = tuple(hosts)
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
        self._refuse_by_sight(request)
        limits: dict[str, float] = request.extensions.get("timeout", {})
        progress = _Progress()
        try:
            async with asyncio.timeout(limits.get("total", LONGEST_CALL_S)):
                return await self._call(request, limits.get("connect"), progress)
        except httpx.TransportError:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _explained(error, progress) from None
        except ValueError:
            if progress.left:
                raise
            raise httpx.LocalProtocolError("not a request that can be sent") from None

    def _refuse_by_sight(self, request: httpx.Request) -> None:
        """Raise for a request that must not leave, wherever its name leads."""
        if request.url.scheme != "https" and not self._allow_http:
            raise AddressRefused("only https is allowed (allow_http: true allows more)")
        if self._hosts and not is_one_of(request.url.raw_host.decode("ascii"), self._hosts):
            raise AddressRefused("the host is none of those that are allowed here")
        # aiohttp finds this only once it counts as sent, which would leave doubt for nothing.
        if any(b"\r" in value or b"\n" in value for _, value in request.headers.raw):
            raise httpx.LocalProtocolError("a header has a line break")

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
