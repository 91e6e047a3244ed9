"""Decisions for a dispatcher to work off, as the segmenter tells them, each about another customer.

In: how many, and `to`: what the plays of the bench ask for (an attribute of hers). Out: records on
the dispatcher's input topic. Everything is permitted; three budgets are counted and none refuses.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.bus.port import Message, Publisher
from shared.events.decisions import CustomerDecided, SegmenterProgressed
from shared.events.envelope import DECISIONS, FEEDBACK, Event, encode
from shared.events.ids import name_id
from shared.times import utc_now
from tests.builders.decisions import decision, rolling, told

_AT_ONCE: Final = 500
_ATTRIBUTES: Final = {"plan": "premium", "store": "Nantes"}


def customer(turn: str, number: int) -> UUID:
    """Name the customer of this number in a turn of this name."""
    return name_id("bench", turn, number)


def address(turn: str, number: int) -> str:
    """Give her e-mail address, by which a sink knows her."""
    return f"{turn}.{number:08d}@example.com"


def one(turn: str, to: str, number: int, at: datetime) -> CustomerDecided:
    """Decide about one customer."""
    return decision(
        customer(turn, number),
        response=f"{turn}/{number}",
        at=at,
        budgets=(rolling(1, 24), rolling(2, 168), rolling(5, 720)),
        attributes={**_ATTRIBUTES, "to": to},
        address=address(turn, number),
        theme="delivery",
    )


async def fill(publisher: Publisher, turn: str, to: str, count: int, *, first: int = 0) -> None:
    """Put so many decisions on the bus, as fast as it takes them, and say that all is handled."""
    await fresh(publisher)
    waiting: list[Message] = []
    for message in _messages(turn, to, range(first, first + count)):
        waiting.append(message)
        if len(waiting) == _AT_ONCE:
            await publisher.publish(waiting)
            waiting = []
    await publisher.publish(waiting)


async def flow(
    publisher: Publisher, turn: str, to: str, rate: float, seconds: float
) -> dict[str, float]:
    """Put decisions on the bus evenly; returns when each was due (seconds since 1970), by address.

    One that waited for the bus counts from when it was due: a delay cannot hide there.
    """
    due: dict[str, float] = {}
    started = time.time()
    sent: set[asyncio.Task[None]] = set()
    for number, message in enumerate(_messages(turn, to, range(int(rate * seconds)))):
        moment = started + number / rate
        await asyncio.sleep(max(0.0, moment - time.time()))
        due[address(turn, number)] = moment
        task = asyncio.create_task(publisher.publish([message]))
        sent.add(task)
        task.add_done_callback(sent.discard)
    await asyncio.gather(*sent)
    return due


async def fresh(publisher: Publisher) -> None:
    """Say what the segmenter says every few seconds: that it is up to date."""
    now = utc_now()
    data = SegmenterProgressed(topic=FEEDBACK, partition=0, partitions=1, upto=now)
    event = Event(name_id("bench", "progressed", now.isoformat()), "bench", now, data)
    await publisher.publish([Message(DECISIONS, "progress", encode(event))])


def _messages(turn: str, to: str, numbers: range) -> Iterator[Message]:
    at = utc_now()
    for number in numbers:
        event = told(one(turn, to, number, at))
        yield Message(DECISIONS, str(customer(turn, number)), encode(event))
