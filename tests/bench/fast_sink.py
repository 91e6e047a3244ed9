"""A platform that costs nearly nothing: takes calls, answers as its path says, remembers them.

`python -m tests.bench.fast_sink` listens on `NPS_PORT`. A call of `/after/<ms>/…` is answered 200
that many milliseconds later, one of `/never/…` not at all. `GET /arrivals/<path>` tells, for every
e-mail address in the bodies that came to `<path>`, when it came (seconds since 1970); `DELETE /`
forgets. Plain asyncio and a few lines of HTTP, because a web framework would cost more than what
is measured.
"""

import asyncio
import json
import os
import re
import signal
import time
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PERSON: Final = re.compile(rb'"email":"([^"]+)"')
#: What all platforms of the bench are content with: taken, and nothing of a batch failed.
_TAKEN: Final = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"errors":[]}'
)


class Calls:
    """What came, by path."""

    def __init__(self) -> None:
        self._came: dict[str, list[tuple[float, bytes]]] = {}

    def note(self, path: str, body: bytes) -> None:
        """Remember a call."""
        self._came.setdefault(path, []).append((time.time(), body))

    def forget(self) -> None:
        """Begin anew."""
        self._came.clear()

    def told(self, path: str) -> bytes:
        """Tell who came to a path when, in their order."""
        people = [
            (person.decode(), at)
            for at, body in self._came.get(path, [])
            for person in _PERSON.findall(body)
        ]
        return json.dumps(people).encode()


class _Connection(asyncio.Protocol):
    """One keep-alive connection of a client that waits for each answer."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        head = self._buffer[: end + 2]
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return
        body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
        method, path, _ = head.split(b" ", 2)
        self._answer(method, path.decode(), body)

    def _answer(self, method: bytes, path: str, body: bytes) -> None:
        if method == b"GET":
            told = self._calls.told(path.removeprefix("/arrivals"))
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
            return
        if method == b"DELETE":
            self._calls.forget()
            self._write(_TAKEN)
            return
        self._calls.note(path, body)
        _, behaviour, *rest = path.split("/")
        if behaviour == "never":
            return
        delay_s = int(rest[0]) / 1000
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._write, _TAKEN)
        else:
            self._write(_TAKEN)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def main() -> None:
    """Listen until told to stop."""
    stopping = asyncio.Event()
    loop, calls = asyncio.get_running_loop(), Calls()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    server = await loop.create_server(
        lambda: _Connection(calls), "127.0.0.1", int(os.environ["NPS_PORT"])
    )
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
