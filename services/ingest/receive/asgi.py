"""One HTTP request below FastAPI: reading its body within a limit, writing one small answer.

Webhooks are nearly all of our traffic, and a framework's route costs more than all of our own work
on one; so they are served straight on ASGI (docs/bench.md has the figures).
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from services.ingest.receive.inbound import Inbound, SentHeaders
from shared.http.problems import MEDIA_TYPE, Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def read_body(headers: SentHeaders, receive: Receive, limit: int) -> bytes:
    """Read the whole body, chunked or not. Raises the problems 413 and 400.

    How long it may take is the protocol's matter (`shared.http.protocol`).
    """
    announced = headers.get("content-length", "") or ""
    if announced.isascii() and announced.isdigit() and _exceeds(announced, limit):
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        if len(whole) > limit:
            raise _too_large(limit)
        return whole
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise Problem(400, "disconnected", "the sender went away")
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)
        message = await receive()


def _exceeds(digits: str, limit: int) -> bool:
    # Python refuses to read a number of thousands of digits; fifteen say enough.
    return len(digits) > 15 or int(digits) > limit


def _too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"send at most {limit} bytes")


def inbound_of(scope: Scope, headers: SentHeaders, body: bytes, rest: str) -> Inbound:
    """Take a request as the value that is verified, decoded and mapped."""
    client = scope.get("client")
    query: bytes = scope.get("query_string", b"")
    host = headers.get("host", "") or ""
    # As it was written: some senders sign their address, and `path` is without its %-escapes.
    raw: bytes | None = scope.get("raw_path")
    path = scope["path"] if raw is None else raw.decode("latin-1")
    url = f"{scope.get('scheme', 'http')}://{host}{path}"
    if query:
        url = f"{url}?{query.decode('latin-1')}"
    return Inbound(
        body=body,
        headers=headers,
        method=scope["method"],
        url=url,
        rest=rest,
        query=query,
        client=client[0] if client else "",
    )


async def answer(
    send: Send,
    status: int,
    content: object = None,
    headers: Mapping[str, str] | None = None,
    media_type: bytes = b"application/json",
) -> None:
    """Write one answer; without `content` an empty one."""
    body = b"" if content is None else orjson.dumps(content)
    pairs = [(b"content-length", str(len(body)).encode())]
    if body:
        pairs.append((b"content-type", media_type))
    for name, value in (headers or {}).items():
        pairs.append((name.lower().encode(), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, problem: Problem) -> None:
    """Answer with a problem's document."""
    await answer(
        send, problem.status, problem.document(), problem.headers, media_type=MEDIA_TYPE.encode()
    )
