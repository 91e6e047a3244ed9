"""A server of ours in the test's own loop, with short limits, and raw connections to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from shared.hosting import listen
from shared.http.limits import Limits
from shared.http.protocol import limited


@dataclass
class Served:
    """A running server and what it was asked: `bodies` whole ones, `left` requests broken off."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    left: int = 0
    refused: list[str] = field(default_factory=list)
    #: Requests to `/held` wait for this.
    release: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[Any] = field(default_factory=set)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """`/early` answers 413 unread, `/large` with 8 MB, `/held` later; else the body's size."""
        path = scope["path"]
        if path == "/early":
            await _answer(send, 413, b"too large")
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(bytes(body))
        self.headers.append(scope["headers"])
        if path == "/held":
            await self.release.wait()
        await _answer(send, 200, bytes(8_000_000) if path == "/large" else b"%d" % len(body))


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[Served]:
    """Serve in this loop."""
    served = Served()
    config = uvicorn.Config(
        served.app, ws="none", interface="asgi3", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    state = ServerState()
    served.open = state.connections
    protocol = limited(limits, served.refused.append)
    listener = listen("127.0.0.1", 0)
    served.port = listener.getsockname()[1]
    # uvicorn's own server would look only every 100 ms whether it is to end.
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), sock=listener
    )
    try:
        yield served
    finally:
        server.close()
        served.release.set()
        for connection in list(served.open):
            connection.transport.abort()
        await asyncio.gather(*state.tasks)


class Line:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Send pieces one after the other; each is on its way before the next."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Read one answer: status, head, body."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)
        lengths = [h for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
        body = await self._reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        return int(head.split(b" ", 2)[1]), head, body

    async def rest(self) -> bytes:
        """Wait until the server closes; give what it said until then (b"" if it was cut off)."""
        try:
            return await asyncio.wait_for(self._reader.read(-1), 20)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


@asynccontextmanager
async def line(served: Served) -> AsyncIterator[Line]:
    """Connect."""
    connection = Line(*await asyncio.open_connection("127.0.0.1", served.port))
    try:
        yield connection
    finally:
        await connection.close()


def request(
    path: str = "/", *, body: bytes = b"", headers: Sequence[str] = (), method: str = "POST"
) -> bytes:
    """Make one request with its length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: a.example", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body
