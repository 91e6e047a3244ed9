"""Reading a body within limits, and giving up in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import Request

from services.ingest.intake import Intake, come_again
from services.ingest.redaction import redacted
from shared.bus.port import Message
from shared.errors import DependencyAway
from shared.http.problems import Problem


class _Publisher:
    """Takes everything at once."""

    async def publish(self, _messages: Sequence[Message]) -> None:
        return


async def _answers() -> None:
    return


async def _is_away() -> None:
    raise DependencyAway("database: gone")


def intake(ping: Callable[[], Awaitable[None]] = _answers, **changes: Any) -> Intake:
    """An intake with a small body limit."""
    known = {"route_key": b"k", "body_bytes": 1024, "clock": lambda: datetime.now(UTC), **changes}
    return Intake(_Publisher(), ping, **known)


def request(*messages: dict[str, Any] | None, headers: dict[str, str] | None = None) -> Request:
    """A request whose body comes as these ASGI messages; None never comes."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        found = waiting.pop(0)
        if found is None:
            await asyncio.Event().wait()
        return found or {}

    raw = [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    """One part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_chunks_is_read_whole() -> None:
    """Exactly the limit passes."""
    sent = request(chunk(b"x" * 1000), chunk(b"y" * 24, more=False))
    assert await intake().body(sent) == b"x" * 1000 + b"y" * 24


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(request(chunk(b"x" * 1000), chunk(b"y" * 25)), 413, id="one byte too many"),
        pytest.param(request(None, headers={"Content-Length": "1025"}), 413, id="announced"),
        pytest.param(request(None, headers={"Content-Length": "9" * 5000}), 413, id="absurd"),
        pytest.param(request(chunk(b"x"), {"type": "http.disconnect"}), 400, id="went away"),
        pytest.param(request(chunk(b"x"), None), 408, id="never ends"),
    ],
)
async def test_a_body_that_is_too_large_or_never_ends_is_refused(
    sent: Request, status: int
) -> None:
    """Each has its own status; nothing waits for ever and nothing is held in memory."""
    with pytest.raises(Problem) as caught:
        await intake(body_deadline_s=0.01).body(sent)
    assert caught.value.status == status


async def test_work_that_does_not_even_end_when_cancelled_is_left_behind() -> None:
    """A hanging driver cannot make the sender wait."""
    stubborn = asyncio.Event()

    async def hang() -> None:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue
        raise DependencyAway("too late to matter")

    with pytest.raises(Problem) as caught:
        await intake().in_time(hang(), 0.01)
    assert caught.value.status == 503
    stubborn.set()


def test_senders_are_not_all_told_to_come_in_the_same_second() -> None:
    """`Retry-After` is a whole number of seconds, spread over several."""
    waits = {int(come_again().headers["Retry-After"]) for _ in range(200)}
    assert len(waits) > 3
    assert min(waits) >= 1
    assert max(waits) <= 30


async def test_a_length_that_lies_is_not_believed() -> None:
    """Less than announced waits until the deadline; more than announced is still counted."""
    short = request(chunk(b"x"), None, headers={"Content-Length": "2"})
    with pytest.raises(Problem) as caught:
        await intake(body_deadline_s=0.01).body(short)
    assert caught.value.status == 408
    long = request(chunk(b"x" * 1025), headers={"Content-Length": "2"})
    with pytest.raises(Problem) as caught:
        await intake().body(long)
    assert caught.value.status == 413
    odd = request(chunk(b"{}", more=False), headers={"Content-Length": "many"})
    assert await intake().body(odd) == b"{}"


async def test_readiness_asks_the_database() -> None:
    """Away is said in words."""
    assert await intake().missing() == []
    assert await intake(_is_away).missing() == ["the database does not answer"]


def test_every_secret_is_struck_out_wherever_it_stands() -> None:
    """Both active secrets, as often as they occur."""
    assert redacted(b"a s1 b s2 s1", [b"s1", b"s2"]) == b"a *** b *** ***"
