"""What a watcher is told, from its first look to the end of the process."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from services.sandbox.entries import ProfileCall
from services.sandbox.journal import Journal
from services.sandbox.record import Record
from services.sandbox.stream import SHOWN, events
from services.sandbox.switches import Switch

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def push(record: Record, number: int) -> None:
    call = ProfileCall(customer=f"c-{number}", email=f"customer{number}@example.com")
    record.receive("main", call, None)


async def told(stream: AsyncIterator[bytes]) -> dict[str, Any]:
    """Return the next event's content."""
    event = await anext(stream)
    content: dict[str, Any] = orjson.loads(event.removeprefix(b"data: "))
    return content


async def test_the_first_event_shows_the_newest_and_the_next_only_what_is_new() -> None:
    """A page that connects needs no other request, however much was received."""
    record = Record(Journal(None), lambda: NOW)
    for number in range(SHOWN + 1):
        push(record, number)
    stream = events(record, lambda: False)
    first = await told(stream)
    assert len(first["entries"]) == SHOWN
    push(record, SHOWN + 1)
    push(record, SHOWN + 2)
    news = await told(stream)
    assert [entry["number"] for entry in news["entries"]] == [SHOWN + 3, SHOWN + 2]
    assert news["counters"]["main"]["profiles"] == SHOWN + 3


async def test_clearing_is_told_as_a_new_generation() -> None:
    """The page then drops its rows, and numbers begin anew."""
    record = Record(Journal(None), lambda: NOW)
    push(record, 1)
    stream = events(record, lambda: False)
    before = await told(stream)
    record.clear()
    push(record, 2)
    after = await told(stream)
    assert after["generation"] != before["generation"]
    assert [entry["call"]["customer"] for entry in after["entries"]] == ["c-2"]


async def test_a_turned_switch_is_told_without_entries() -> None:
    """Every open page shows the same switches."""
    record = Record(Journal(None), lambda: NOW)
    stream = events(record, lambda: False)
    await told(stream)
    record.turn("unkeyed", Switch(mode="hang"))
    turned = await told(stream)
    assert turned["switches"]["unkeyed"]["mode"] == "hang"
    assert turned["entries"] == []


async def test_a_stream_ends_when_the_process_stops() -> None:
    """It shows what is known, then ends by itself."""
    record = Record(Journal(None), lambda: NOW)
    assert len([event async for event in events(record, lambda: True)]) == 1
