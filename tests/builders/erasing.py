"""Somebody is forgotten, as ingest hears of it: by a `customer.erased` on the bus."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.ingest.keep.people import people
from shared import identifiers
from shared.bus.port import Message
from shared.events.decisions import CustomerErased
from shared.events.envelope import DECISIONS, Event, encode
from shared.events.vocabulary import Identifier
from shared.identifiers import AS_SAID
from tests.builders.ingest import ENVIRON, Ingest
from tests.builders.waiting import eventually

KEY = ENVIRON["NPS_ROUTE_SECRET"].encode()
#: An hour before the clock of `remapping`, and after all answers of its tool.
BEFORE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def email(address: str) -> Identifier:
    """Normalise an address, which must be one."""
    found = AS_SAID.email(address)
    assert found is not None
    return found


def hashed(*known: Identifier) -> tuple[str, ...]:
    """Hash identifiers, of people and responses, as the segmenter tells them."""
    return tuple(identifiers.hashed(KEY, one) for one in known)


def marks(*known: Identifier) -> tuple[str, ...]:
    """Mark identifiers as ingest's rows do."""
    return people(KEY, known)


def erasure(*known: Identifier, before: datetime = BEFORE) -> Message:
    """The record that says somebody is forgotten."""
    customer = uuid4()
    data = CustomerErased(
        erasure_id=UUID(int=customer.int ^ 1),
        customer_id=customer,
        customer_ids=(customer,),
        people=hashed(*known),
        erased_before=before,
        erased_at=before,
    )
    event = Event(uuid4(), "segmenter", before, data)
    return Message(DECISIONS, str(customer), encode(event))


async def consumed(ingest: Ingest, erasures: int) -> None:
    """Let ingest's own loop run until it did so many erasures in all."""
    stopping = asyncio.Event()
    loop = asyncio.ensure_future(ingest.part.tasks["erasures"](stopping))

    async def done() -> bool:
        assert not loop.done()
        return ingest.metric("nps_ingest_erasures_total") >= erasures

    await eventually(done)
    stopping.set()
    await loop


async def forgotten(ingest: Ingest, *known: Identifier, before: datetime = BEFORE) -> None:
    """Tell that somebody is forgotten, and wait until ingest has done it."""
    already = int(ingest.metric("nps_ingest_erasures_total"))
    await ingest.bus.publisher.publish([erasure(*known, before=before)])
    await consumed(ingest, already + 1)
