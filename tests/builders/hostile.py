"""Clients that mean no good: half-open connections, endless headers, endless bodies.

Each says when its connection has ended; none keeps what it sends or stores what it hears.
"""

import asyncio
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

_PIECE = 64 * 1024


class HalfOpen(asyncio.Protocol):
    """Connects, says something that is no whole request, and waits."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._said:
            # Not asked for its class: uvloop's is no subclass of `asyncio.Transport`.
            cast("asyncio.Transport", transport).write(self._said)

    def data_received(self, data: bytes) -> None:
        self.heard = (self.heard + data)[:1000]

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def half_open(url: str, said: bytes) -> HalfOpen:
    """Open one."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: HalfOpen(said), *_place(url))
    return protocol


async def pour(url: str, pieces: Iterator[bytes]) -> bytes:
    """Send as fast as the server reads, until it ends the connection; give what it said first."""
    reader, writer = await asyncio.open_connection(*_place(url))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read(1000)
    except ConnectionError:
        return await _what_is_left(reader)
    finally:
        writer.close()


def _place(url: str) -> tuple[str, int]:
    at = urlsplit(url)
    assert at.hostname
    assert at.port
    return at.hostname, at.port


async def _what_is_left(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1000)
    except ConnectionError:
        return b""


def endless_headers(size: int) -> Iterator[bytes]:
    """Make a head of so many bytes."""
    yield b"POST /v1/webhooks/shop HTTP/1.1\r\nHost: a.example\r\n"
    for number in range(size // _PIECE):
        yield b"X-%d: %b\r\n" % (number, b"a" * _PIECE)


def endless_body(size: int) -> Iterator[bytes]:
    """Make a chunked body of so many bytes."""
    yield b"POST /v1/webhooks/shop HTTP/1.1\r\nHost: a.example\r\n"
    yield b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (_PIECE, b"a" * _PIECE)
    for _ in range(size // _PIECE):
        yield chunk
    yield b"0\r\n\r\n"
