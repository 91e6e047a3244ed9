"""Reading a body within limits, and giving up in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from fastapi import Request
from prometheus_client import CollectorRegistry

from services.ingest.keep.breaker import Breaker
from services.ingest.keep.intake import Intake, come_again
from services.ingest.keep.people import people
from services.ingest.keep.spool import Spool, SpoolLimits
from services.ingest.keep.spool_table import SpoolTable
from shared import identifiers
from shared.bus.port import Message
from shared.database import connect
from shared.errors import BusAway, DependencyAway, RecordTooLarge
from shared.http.problems import Problem
from shared.times import utc_now
from tests.builders.ingest_store import told


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
    known = {"route_key": b"k", "body_bytes": 1024, "clock": utc_now, **changes}
    return Intake(known.pop("publisher", _Publisher()), ping, **known)


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
    ],
)
async def test_a_body_that_is_too_large_or_breaks_off_is_refused(
    sent: Request, status: int
) -> None:
    """Each has its own status, and nothing is held in memory."""
    with pytest.raises(Problem) as caught:
        await intake().body(sent)
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
    """More than announced is still counted."""
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


class _Away:
    """Acknowledges nothing until it is `back`; `refuses` everything for its size."""

    def __init__(self, *, hangs: bool = False, refuses: bool = False) -> None:
        self.hangs = hangs
        self.refuses = refuses
        self.back = False
        self.calls = 0

    async def publish(self, _messages: Sequence[Message]) -> None:
        self.calls += 1
        if self.refuses:
            raise RecordTooLarge("too large")
        if self.hangs and not self.back:
            await asyncio.Event().wait()
        if not self.back:
            raise BusAway("away")


@pytest.fixture
async def no_spool() -> AsyncIterator[Spool]:
    """A spool whose database is not there."""
    nowhere = connect("postgresql+asyncpg://nobody@127.0.0.1:1/none", "ingest")
    yield Spool(
        SpoolTable(nowhere), limits=SpoolLimits(), clock=utc_now, registry=CollectorRegistry()
    )
    await nowhere.dispose()


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
async def test_with_neither_bus_nor_spool_the_sender_comes_again(
    no_spool: Spool, hangs: bool
) -> None:
    """Nothing was stored, and the service is not ready until something is."""
    bus, breaker = _Away(hangs=hangs), Breaker()
    taking = intake(publisher=bus, spool=no_spool, breaker=breaker, bus_deadline_s=0.01)
    for _ in range(2):
        with pytest.raises(Problem) as caught:
            await taking.publish([told(1)])
        assert caught.value.status == 503
    assert await taking.missing() == ["the bus did not acknowledge"]
    bus.back = True
    await taking.publish([told(1)])
    assert not breaker.open
    assert await taking.missing() == []


async def test_without_a_database_one_request_finds_out_whether_the_bus_is_back(
    no_spool: Spool,
) -> None:
    """The drain loop cannot know then; but not every request waits for a bus that hangs."""
    bus, breaker = _Away(hangs=True), Breaker()
    breaker.failed()
    taking = intake(publisher=bus, spool=no_spool, breaker=breaker, bus_deadline_s=0.05)
    answers = await asyncio.gather(
        *(taking.publish([told(number)]) for number in range(20)), return_exceptions=True
    )
    assert {type(each) for each in answers} == {Problem}
    assert bus.calls == 1
    bus.back = True
    await taking.publish([told(1)])
    assert not breaker.open


async def test_with_a_spool_the_bus_alone_is_enough_to_be_ready(no_spool: Spool) -> None:
    """While the bus acknowledges, the database may be away."""
    bus, breaker = _Away(), Breaker()
    taking = intake(_is_away, publisher=bus, spool=no_spool, breaker=breaker)
    assert await taking.missing() == []
    breaker.failed()
    assert await taking.missing() == ["the database does not answer"]


async def test_a_record_too_large_is_told_and_blames_nobody_else() -> None:
    """It is the message's fault: the bus is not thought away."""
    breaker = Breaker()
    with pytest.raises(RecordTooLarge):
        await intake(publisher=_Away(refuses=True), breaker=breaker).publish([told(1)])
    assert not breaker.open


def test_a_person_is_named_as_an_erasure_names_her() -> None:
    """One HMAC for each identifier of hers, and one, told apart, for what she said."""
    email, number = identifiers.AS_SAID.email("Camille@Example.com"), identifiers.external_id("C-1")
    response = identifiers.response("shop", "s", "R-1")
    assert email is not None
    assert number is not None
    named = people(b"k", [email, number, response])
    again = identifiers.AS_SAID.email("camille@example.com")
    assert again is not None
    assert named[0] == identifiers.route(b"k", [again])
    assert [mark.startswith("said:") for mark in named] == [False, False, True]
    assert named[2] == "said:" + identifiers.hashed(b"k", response)
