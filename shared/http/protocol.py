"""uvicorn's httptools protocol under limits: bytes, seconds and counts for every connection.

In: bytes of anybody. Out: requests for the app, or a refusal (`limits`) and a closed connection, in
bounded time and memory. uvicorn itself takes any amount of headers and waits for ever for the rest
of a request.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.limits import (
    BODY_TOO_SLOW,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    MALFORMED,
    TOO_MANY_BYTES,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_PIPELINED,
    URL_TOO_LONG,
    Limits,
    Refusal,
)
from shared.http.one_piece import in_one_piece
from shared.http.sweep import Sweep

#: Bytes that are no body, beside the fixed allowance, for each byte that is: chunks of one byte
#: need five.
_FRAMING: Final = 8

#: What the next bytes of a connection belong to: a new request of which nothing has come, a head, a
#: body, or nothing any more. Plain numbers, for each request asks several times.
_IDLE, _HEAD, _BODY, _PARTED = range(4)


class _Refused(Exception):
    """Ends the parser's work on this connection from within one of its callbacks."""


class _Parting:
    """Stands in for the transport while a body is not whole: closing becomes parting."""

    def __init__(self, connection: "LimitedProtocol") -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.part


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Made by `limited`, which gives it its sweep."""

    limits: Limits
    sweep: Sweep
    refused: Callable[[str], None]
    #: Whether every further answer is the last of its connection: the server is about to end, and
    #: whoever sends must not find a kept connection closed under the next request.
    winding_down: bool = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        #: When this connection has waited for too long (of the loop's clock).
        self.due = inf
        self.stuck_until = inf
        self._stage = _HEAD
        self._chunk = 0  # bytes that are being parsed
        self._ended = False  # whether a request has ended among them
        self._head = 0  # bytes of the head, up to the last chunk
        self._body = 0  # bytes of the body
        self._around = 0  # bytes of chunk sizes and trailers, in the worst reading
        self._unfinished = 0  # its share of the sweep's
        self._lingered = 0
        self._keep_alive: bool | None = None
        self._refusal: Refusal | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it: those that are served must go on being served."""
        if len(self.sweep) >= self.limits.connections:
            self.transport = transport
            self.refused(TOO_MANY_CONNECTIONS.code)
            transport.write(TOO_MANY_CONNECTIONS.answer)
            transport.close()
            return
        super().connection_made(transport)
        self.due = self.loop.time() + self.limits.head_s
        self.sweep.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.sweep.remove(self)
        self._hold(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, then see what is missing and until when."""
        stage = self._stage
        if stage == _PARTED:
            self._linger(len(data))
            return
        if stage == _IDLE:
            self._stage = _HEAD
        self._chunk = len(data)
        self._ended = False
        before = self._body
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal or MALFORMED)
            return
        except httptools.HttpParserUpgrade as wish:
            self._without_wish(data[wish.args[0] :])
            return
        if self._stage == _IDLE:  # by far most requests come in one piece
            self.due = inf
        elif self._stage == _HEAD:
            self._head_goes_on(new=stage != _HEAD or self._ended)
        elif self._stage == _BODY:
            if stage != _BODY or self._ended:
                self._body_begins()
            else:
                self._body_goes_on(len(data) - (self._body - before))

    def pause_writing(self) -> None:
        """Note that a client does not read."""
        super().pause_writing()
        self.stuck_until = self.loop.time() + self.limits.write_s

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self.stuck_until = inf
        super().resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request, maybe amid the bytes of the last."""
        self._stage = _HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is dropped, for it would come after its reader."""
        if self._stage != _HEAD:
            return
        if len(self.headers) >= self.limits.headers:
            self._give_up(HEAD_TOO_LARGE)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand a request to the app, or refuse it."""
        if len(self.url) > self.limits.url_bytes:
            self._give_up(URL_TOO_LONG)
        if self._head + self._chunk > self.limits.head_bytes:
            # The last chunk may hold much that is no head: count what does.
            head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head > self.limits.head_bytes:
                self._give_up(HEAD_TOO_LARGE)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._give_up(MALFORMED)
            return
        super().on_headers_complete()
        if self.winding_down:
            self.cycle.keep_alive = False
        # Its task has not begun yet, whoever is before it.
        self.cycle.send = in_one_piece(self.cycle)  # type: ignore[method-assign,assignment]
        self._stage = _BODY
        self._head = self._body = self._around = 0
        if len(self.pipeline) > self.limits.pipelined:
            self._give_up(TOO_MANY_PIPELINED)

    def on_body(self, body: bytes) -> None:
        """Keep a piece for the app; what nobody will read any more is dropped."""
        self._body += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Tell the app that the body is whole."""
        if self._stage != _BODY:  # `_without_wish` begins this one again
            return
        self._stage = _IDLE
        self._ended = True
        cycle = self.cycle
        if self._keep_alive is not None:
            if not cycle.response_started:
                cycle.keep_alive = self._keep_alive
                cycle.transport = self.transport
            self._keep_alive = None
            self._hold(0)
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    # What the app's side calls

    def on_response_complete(self) -> None:
        """Begin with the next request: one that waits, one that is coming, or none yet."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self.due = self.loop.time() + self.limits.linger_s
            return
        self.flow.resume_reading()
        now = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            if not self.pipeline and self._stage == _BODY:
                self.due = now + self.limits.body_s
        elif self._stage == _IDLE:
            self.due = now + self.limits.idle_s
        elif self._stage == _HEAD:
            self.due = now + self.limits.head_s

    def shutdown(self) -> None:
        """Close now, or after the answer that is under way."""
        if self._keep_alive is not None:
            self._keep_alive = False
        super().shutdown()

    # Ours

    def part(self) -> None:
        """Say no more, and drop what still comes, until the other side has read why."""
        self._stage = _PARTED
        self.due = self.loop.time() + self.limits.linger_s
        self._hold(0)
        if self.cycle is not None:
            self.cycle.body = bytearray()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def overdue(self, now: float) -> None:
        """End a wait that has taken too long."""
        if self.transport.is_closing() or self._stage == _PARTED or self.stuck_until <= now:
            self.transport.abort()
        elif self._stage == _BODY:
            self._refuse(BODY_TOO_SLOW)
        elif self._stage == _HEAD and self._head:
            self._refuse(HEAD_TOO_SLOW)
        else:
            # Closing waits for what was not read yet; the next look ends that.
            self.due = now + self.limits.linger_s
            self.transport.close()

    def _without_wish(self, rest: bytes) -> None:
        """Parse a request again without its wish for another protocol.

        Some clients add `h2c` to every request. Nothing here speaks it, and the parser would read
        neither the body nor a next request.
        """
        first = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        head = [b"%b %b HTTP/%b\r\n" % first]
        for name, value in self.headers:
            if name not in (b"upgrade", b"connection", b"http2-settings"):
                head.append(b"%b: %b\r\n" % (name, value))
            elif name == b"connection" and b"close" in value.lower():
                head.append(b"connection: close\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._head = 0
        self.data_received(b"".join(head) + b"\r\n" + rest)

    def _busy(self) -> bool:
        """Tell whether an earlier request than the one that is coming is not answered yet."""
        if self._stage == _BODY:
            return bool(self.pipeline)
        return self.cycle is not None and not self.cycle.response_complete

    def _head_goes_on(self, *, new: bool) -> None:
        """See that a head which is not whole becomes so, in bytes and in time."""
        # Of one that began amid this chunk, the share is not known: it counts when it is whole.
        self._head += 1 if self._ended else self._chunk
        if self._head > self.limits.head_bytes:
            self._refuse(HEAD_TOO_LARGE)
        elif self._busy():
            self.due = inf
        elif new:
            self.due = self.loop.time() + self.limits.head_s

    def _body_begins(self) -> None:
        """See that a body which is not whole becomes so in time."""
        self.due = inf if self._busy() else self.loop.time() + self.limits.body_s
        # Whoever answers before the body is whole ends the connection with it.
        self._keep_alive = self.cycle.keep_alive
        self.cycle.keep_alive = False
        self.cycle.transport = cast("asyncio.Transport", _Parting(self))
        self._hold(self._body)

    def _body_goes_on(self, around: int) -> None:
        """See that a body comes without endless trimmings."""
        self._around += around
        if self._around > self.limits.head_bytes + _FRAMING * self._body:
            self._refuse(MALFORMED)
        else:
            self._hold(self._body)

    def _hold(self, size: int) -> None:
        """Count what all unfinished bodies take; the one that makes it too much is refused."""
        self.sweep.unfinished += size - self._unfinished
        self._unfinished = size
        if size and self.sweep.unfinished > self.limits.unfinished_bytes:
            self._refuse(TOO_MANY_BYTES)

    def _give_up(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Refused

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in the app's place and part; never out of turn."""
        self.refused(refusal.code)
        cycle = self.cycle
        if self._busy():
            if self._stage == _BODY:
                self.transport.abort()
                return
            cycle.keep_alive = False
            self._stage = _PARTED
            self.due = inf
            return
        if self._stage == _BODY and cycle.response_started:
            self.transport.abort()
            return
        self.transport.write(refusal.answer)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.part()

    def _linger(self, size: int) -> None:
        self._lingered += size
        if self._lingered > self.limits.linger_bytes:
            self.transport.abort()


def limited(
    limits: Limits, refused: Callable[[str], None] = lambda _code: None
) -> type[LimitedProtocol]:
    """Make the protocol of one server; `refused` hears the code of every refusal."""
    shortest_s = min(limits.head_s, limits.body_s, limits.idle_s, limits.write_s, limits.linger_s)
    members = {
        "limits": limits,
        # A second late at most, and little of a short deadline.
        "sweep": Sweep(every_s=min(1.0, shortest_s / 5)),
        "refused": staticmethod(refused),
    }
    return type("Limited", (LimitedProtocol,), members)
