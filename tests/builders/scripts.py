"""A campaign platform on a socket; its HTTP answers follow a script of each customer and delivery.

It speaks the sandbox's calls. A word of a script is one answer; after its last word everything
works. Which script is whose follows from its id, so a run can be repeated.

| word | what it does | what it answers |
| --- | --- | --- |
| `200` | acts | 200 |
| `503`, `429` | nothing | that; 429 with `Retry-After: 1` |
| `500`, `504` | nothing | that |
| `500+`, `502+` | acts | 500, 502 |
| `hang`, `hang+` | nothing; acts | never: the connection stays open |
| `reset`, `cut+` | nothing; acts | the connection is closed, before an answer or in its middle |
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httptools
import orjson

from services.dispatcher.platforms.carrier import PlatformCarrier
from shared.http.outward import Outward
from tests.builders import platforms

PUSHES: Final = (
    *["200"] * 4,
    *("500 500 200", "reset 200", "hang+ 200", "429 hang 200", "cut+ 503 500+ 200"),
)
ACTIONS: Final = (
    *["200"] * 16,
    *("500 500 200", "500+ 200", "502+ 200", "504 200", "503 200", "429 503 200"),
    *("hang 200", "hang+ 200", "429 hang+ 200", "reset 200", "cut+ 200", "503 500+ 503 200"),
)
#: After these nobody outside can tell whether it acted.
DOUBTFUL: Final = frozenset({"500", "500+", "502+", "504", "hang", "hang+", "reset", "cut+"})
_REASONS: Final = {200: "OK", 429: "Too Many Requests", 500: "Internal Server Error"}


def script_of(whose: UUID, scripts: tuple[str, ...]) -> tuple[str, ...]:
    """Tell which script is whose."""
    return tuple(scripts[whose.int % len(scripts)].split())


@dataclass
class ScriptedPlatform:
    """One target's platform. `effects` counts what really happened per delivery.

    `keyed`: it recognises a repeated key. `early` names actions for a customer whose profile had
    not arrived yet, `overlaps` customers with two calls in flight. `hanging` is how many callers
    wait for an answer that never comes.
    """

    name: str
    keyed: bool
    effects: Counter[UUID] = field(default_factory=Counter)
    early: list[UUID] = field(default_factory=list)
    overlaps: list[UUID] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    hanging: int = 0
    _profiles: set[UUID] = field(default_factory=set)
    _tries: Counter[UUID] = field(default_factory=Counter)
    _flying: Counter[UUID] = field(default_factory=Counter)
    _connections: set["_Connection"] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ScriptedPlatform"]:
        """Listen on a port of its own meanwhile."""
        await self.open()
        try:
            yield self
        finally:
            await self.shut()

    async def open(self) -> None:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        make = lambda: _Connection(self)  # noqa: E731
        self._server = await loop.create_server(make, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections from now on, and end those there are."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.end()
        # Until the callers' ends have heard of it, too.
        await asyncio.sleep(0.01)

    def carrier(self, clock: Callable[[], datetime], calls: int) -> PlatformCarrier:
        """Make the product's own carrier, over the product's own connector."""
        return platforms.carrier(
            "sandbox" if self.keyed else "sandbox_unkeyed",
            Outward(connections=calls, allow_private=True, allow_http=True),
            clock=clock,
            vars={"url": f"http://127.0.0.1:{self._port}", "account": self.name},
        )

    def hear(self, connection: "_Connection", path: str, body: dict[str, Any]) -> None:
        """Take one request, act or not, and answer by the script."""
        profiles = body.get("profiles") or [body]
        customers = [UUID(profile["customer"]) for profile in profiles]
        acting = path.endswith("/actions")
        whose = UUID(body["delivery_id"]) if acting else customers[0]
        if acting and customers[0] not in self._profiles:
            self.early.append(whose)
        self._flying.update(customers)
        self.overlaps += [customer for customer in customers if self._flying[customer] > 1]
        connection.customers = customers
        word = self._word(whose, ACTIONS if acting else PUSHES)
        self.answers[word] += 1
        if word == "200" or word.endswith("+"):
            if not acting:
                self._profiles.update(customers)
            elif not (self.keyed and self.effects[whose]):
                self.effects[whose] += 1
        connection.say(word.removesuffix("+"))

    def landed(self, customers: list[UUID]) -> None:
        """Note that these have no call in flight any more."""
        self._flying.subtract(customers)

    def _word(self, whose: UUID, scripts: tuple[str, ...]) -> str:
        script, at = script_of(whose, scripts), self._tries[whose]
        self._tries[whose] += 1
        return script[at] if at < len(script) else "200"

    def joined(self, connection: "_Connection") -> None:
        """Note a connection."""
        self._connections.add(connection)

    def left(self, connection: "_Connection") -> None:
        """Note the end of a connection."""
        self._connections.discard(connection)


class _Connection(asyncio.Protocol):
    """One caller's connection: a request at a time."""

    def __init__(self, platform: ScriptedPlatform) -> None:
        self._platform = platform
        self._path, self._body = "", bytearray()
        self._hanging = False
        self.customers: list[UUID] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._platform.joined(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._over()
        self._platform.left(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path, self._body = url.decode(), bytearray()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._platform.hear(self, self._path, orjson.loads(self._body))

    def say(self, word: str) -> None:
        """Answer by a word of a script."""
        if word == "hang":
            self._hanging = True
            self._platform.hanging += 1
        elif word == "reset":
            self._transport.abort()
        elif word == "cut":
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{")
            self._transport.close()
        else:
            self._over()
            wait = "Retry-After: 1\r\n" if word == "429" else ""
            reason = _REASONS.get(int(word), "Away")
            head = f"HTTP/1.1 {word} {reason}\r\n{wait}Content-Length: 2\r\n\r\n"
            self._transport.write(head.encode() + b"{}")

    def end(self) -> None:
        """Close it."""
        self._transport.abort()

    def _over(self) -> None:
        self._platform.landed(self.customers)
        self.customers = []
        if self._hanging:
            self._hanging = False
            self._platform.hanging -= 1


@dataclass
class Skips:
    """The event loop's clock, of which a stretch can be skipped: time-outs end without a wait."""

    ahead: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Skips"]:
        """Put itself between the loop and its clock meanwhile."""
        loop = asyncio.get_running_loop()
        real = loop.time
        loop.time = lambda: real() + self.ahead  # type: ignore[method-assign]
        try:
            yield self
        finally:
            # Back to the class's own. What was scheduled ahead comes late: a loop of one's own.
            del loop.time

    def skip(self, seconds: float) -> None:
        """Let so many seconds have passed."""
        self.ahead += seconds
