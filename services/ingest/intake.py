"""What the two ways in share: reading a body within limits, and putting events on the bus in time.

Promise: `store` returns when the events are durable, or raises the 503 problem within 4.5 s, so
that with reading and answering nobody waits 5 s.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from services.ingest.told import Told, message
from shared.bus.port import Publisher
from shared.errors import DependencyAway
from shared.http.problems import Problem

#: A sender that needs longer for one small body is broken or hostile.
_BODY_DEADLINE_S: Final = 15.0
#: Below the publisher's own 5 s: our answer must be out by then.
_STORE_DEADLINE_S: Final = 4.5
#: How long a failed publication makes us not ready; then the next one may show that all is well.
_DOUBT_S: Final = 10.0

T = TypeVar("T")


class Intake:
    """The way onto durable storage. `ping` asks the database for a sign of life."""

    def __init__(
        self,
        publisher: Publisher,
        ping: Callable[[], Awaitable[None]],
        *,
        route_key: bytes,
        body_bytes: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._publisher = publisher
        self._ping = ping
        self._route_key = route_key
        self._body_bytes = body_bytes
        self._failed_at: float | None = None
        self.clock = clock

    async def body(self, request: Request) -> bytes:
        """Read the whole body, chunked or not. Raises the problems 413, 408 and 400."""
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and _exceeds(announced, self._body_bytes):
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_DEADLINE_S):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._body_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise Problem(408, "too-slow", "send the whole body within 15 s") from None
        except ClientDisconnect:
            raise Problem(400, "disconnected", "the sender went away") from None
        return bytes(body)

    async def publish(self, told: Sequence[Told]) -> None:
        """Return when every event is durable. Raises `RecordTooLarge`, and the 503 problem."""
        messages = [message(item, self._route_key) for item in told]
        try:
            await in_time(self._publisher.publish(messages))
        except Problem:
            self._failed_at = time.monotonic()
            raise
        self._failed_at = None

    async def missing(self) -> Sequence[str]:
        """Tell what keeps us from working, within a second."""
        missing: list[str] = []
        if self._failed_at is not None and time.monotonic() - self._failed_at < _DOUBT_S:
            missing.append("the bus did not acknowledge")
        answered = False
        with suppress(DependencyAway, TimeoutError):
            async with asyncio.timeout(1):
                await self._ping()
                answered = True
        if not answered:
            missing.append("the database does not answer")
        return missing

    def _too_large(self) -> Problem:
        return Problem(413, "too-large", f"send at most {self._body_bytes} bytes")


def _exceeds(digits: str, limit: int) -> bool:
    # Python refuses to read a number of thousands of digits; fifteen say enough.
    return len(digits) > 15 or int(digits) > limit


async def in_time(work: Awaitable[T]) -> T:
    """Do work that needs bus or database; away or late becomes the 503 problem."""
    try:
        async with asyncio.timeout(_STORE_DEADLINE_S):
            return await work
    except (DependencyAway, TimeoutError):
        raise come_again() from None


def come_again() -> Problem:
    """Build the 503; the jitter keeps senders from all coming back in the same second."""
    seconds = random.randint(2, 10)  # noqa: S311 - spreads load, guards nothing
    return Problem(
        503,
        "unavailable",
        "nothing was stored; send it again after Retry-After",
        headers={"Retry-After": str(seconds)},
    )
