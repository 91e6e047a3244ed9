"""Writing head and body of an answer at once: uvicorn writes each as it comes.

Two writes are two system calls and two packets, and the other side wakes twice: for a webhook's
answer of 100 bytes that cost as much as mapping it. In: one cycle of uvicorn's httptools protocol.
Out: the `send` that its application calls. A small whole answer is written here, with uvicorn's
checks; whatever else, and what fails a check, goes through uvicorn's own `send`.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


#: Headers that change how the rest is written.
_UVICORNS: Final = frozenset({b"connection", b"transfer-encoding"})


class _Gathered:
    """Stands in for a transport while one answer is written."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self.write = self._pieces.append
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """Close, after what was written so far."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces.clear()


def in_one_piece(cycle: RequestResponseCycle) -> Send:
    """Make the `send` of a cycle: it keeps the head until the first piece of the body is there.

    A head without a body was not sent: whoever fails in between can still be answered with 500.
    """
    send = cast("Send", cycle.send)
    head: Message | None = None

    async def held(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start" and not cycle.response_started:
            head = message
            return
        if head is None:
            await send(message)
            return
        begin, head = head, None
        if _is_simple(cycle, begin, message):
            whole = _whole(cycle, begin, message.get("body", b""))
            if whole is not None:
                _write(cycle, whole)
                return
        transport = cycle.transport
        gathered = _Gathered(transport)
        cycle.transport = cast("Any", gathered)
        try:
            await send(begin)
            await send(message)
        finally:
            cycle.transport = transport
            gathered.flush()

    return held


def _is_simple(cycle: RequestResponseCycle, begin: Message, message: Message) -> bool:
    """Tell whether this is a whole answer with a body, to somebody who reads it."""
    if message["type"] != "http.response.body" or message.get("more_body"):
        return False
    if cycle.flow.write_paused or cycle.disconnected or cycle.access_log:
        return False
    return cycle.scope["method"] != "HEAD" and begin["status"] not in (204, 304)


def _whole(cycle: RequestResponseCycle, begin: Message, body: bytes) -> bytes | None:
    """Write out a simple answer; None where a header is uvicorn's to see to, or to refuse."""
    lengths: list[bytes] = []
    pieces = [STATUS_LINE[begin["status"]]]
    for written, value in (*cycle.default_headers, *begin.get("headers", ())):
        name = written.lower()
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) or name in _UVICORNS:
            return None
        if name == b"content-length":
            lengths.append(value)
        pieces += (name, b": ", value, b"\r\n")
    if lengths != [b"%d" % len(body)]:
        return None
    pieces += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
    return b"".join(pieces)


def _write(cycle: RequestResponseCycle, whole: bytes) -> None:
    """Write an answer and end the cycle, as uvicorn does."""
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(whole)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
