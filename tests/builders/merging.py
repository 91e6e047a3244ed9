"""Merging customers and undoing it, as the segmenter is asked to, and what its tables then say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.policy.merges import Merges
from services.segmenter.policy.whole import Policy
from shared.events import feedback
from shared.events.decisions import CustomerUnmerged
from shared.events.envelope import Event
from tests.builders.facts import (
    Shelf,
    day,
    event,
    handler,
    ids_of,
    received,
    shipped_policy,
    updated,
)


def merge_asked(one: UUID, other: UUID, *, number: int = 0) -> Event:
    """A person says that two are one, for the `number`-th time."""
    data = feedback.MergeRequested(
        customer_id=one, other_id=other, asked_by="operator", asked_at=day(5)
    )
    return event(data, one, other, number)


def unmerge_asked(customer_id: UUID, *, number: int = 0) -> Event:
    """A person says that she is somebody of her own, for the `number`-th time."""
    data = feedback.UnmergeRequested(customer_id=customer_id, asked_by="operator", asked_at=day(5))
    return event(data, customer_id, number)


def known_as(*numbers: str, at: float = 0, said: str | None = None) -> Event:
    """An update that names a customer by these customer numbers."""
    named = [one for number in numbers for one in ids_of(external_id=number)]
    return updated(*named, at=day(at), attributes={"said": said or ", ".join(numbers)})


def refusing() -> Policy:
    """The shipped policy, but no event merges whose consents differ."""
    return shipped_policy().value.model_copy(update={"merges": Merges(consent="refuse")})


def unmerged(shelf: Shelf) -> list[CustomerUnmerged]:
    """Every undoing published, in order."""
    return [e.data for e in shelf.events() if isinstance(e.data, CustomerUnmerged)]


async def tell(
    engine: AsyncEngine,
    shelf: Shelf,
    *events: Event,
    policy: Policy | None = None,
    now: datetime = day(5),  # noqa: B008 - a constant
) -> None:
    """Handle events one after the other."""
    for told in events:
        await handler(engine, shelf, now=now, policy=policy)(received(told))


async def profiles(engine: AsyncEngine) -> Mapping[UUID, tuple[str, int]]:
    """Every customer's state, byte by byte, and version."""
    query = "SELECT customer_id, CAST(state AS text) AS state, version FROM profiles"
    async with engine.connect() as connection:
        rows = await connection.execute(text(query))
        return {row.customer_id: (row.state, row.version) for row in rows}


async def aliases(engine: AsyncEngine) -> Mapping[UUID, UUID]:
    """Who is merged into whom."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT customer_id, survivor_id FROM aliases"))
        return {row.customer_id: row.survivor_id for row in rows}


async def count(engine: AsyncEngine, query: str, **parameters: Any) -> int:
    """Count what a query selects."""
    async with engine.connect() as connection:
        return int(await connection.scalar(text(query), parameters) or 0)
