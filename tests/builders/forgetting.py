"""Forgetting people, as the segmenter is asked to, and a look for what is left of them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.erase import make_erase_router
from services.segmenter.api.export import make_export_router
from services.segmenter.erase.request import Requests
from shared.events import feedback, ids
from shared.events.decisions import CustomerErased
from shared.events.envelope import Event
from shared.events.outcomes import ErasureConfirmed
from shared.events.vocabulary import Identifier
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.identifiers import AS_SAID, hashed
from shared.settings import Secrets
from tests.builders.auditing import trail
from tests.builders.facts import ROUTE_KEY, Shelf, day, event

#: Who confirms an erasure.
Confirmer = Literal["ingest", "dispatcher", "platforms"]
PARTS: Final[tuple[Confirmer, ...]] = ("ingest", "dispatcher", "platforms")


def people_of(*named: Identifier) -> tuple[str, ...]:
    """HMACs of identifiers, as an erasure names people."""
    return tuple(sorted(hashed(ROUTE_KEY, one) for one in named))


def erase_asked(
    *customer_ids: UUID,
    people: Iterable[str] = (),
    before: datetime = day(5),  # noqa: B008 - a constant
    erasure_id: UUID | None = None,
) -> Event:
    """Somebody is to be forgotten."""
    data = feedback.ErasureRequested(
        erasure_id=erasure_id or uuid4(),
        customer_ids=customer_ids,
        people=tuple(people),
        erased_before=before,
        asked_by="operator",
    )
    return event(data, data.erasure_id)


def confirmed(erasure_id: str, part: Confirmer, at: datetime = day(6)) -> Event:  # noqa: B008
    """A part of us says that an erasure is done there."""
    data = ErasureConfirmed(erasure_id=UUID(erasure_id), part=part, at=at)
    return Event(ids.erasure_confirmed(data.erasure_id, part), "nps/ingest", at, data)


def erased(shelf: Shelf) -> list[CustomerErased]:
    """Every person forgotten, as it was told."""
    return [e.data for e in shelf.events() if isinstance(e.data, CustomerErased)]


def erasing_app(engine: AsyncEngine, asked: Shelf, *, now: datetime = day(5)) -> FastAPI:  # noqa: B008
    """A segmenter's routes of erasure, for the tokens `eraser` and `reader`."""
    tokens = (
        Token(name="eraser", scopes=frozenset({"erase"}), token="env:NPS_TOKEN_E"),
        Token(name="reader", scopes=frozenset({"read", "operate"}), token="env:NPS_TOKEN_R"),
    )
    secrets = Secrets({"NPS_TOKEN_E": "eraser", "NPS_TOKEN_R": "reader"})
    access = Access(AccessConfig(tokens=tokens), secrets)
    requests = Requests(engine, asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: now)
    routers = [
        make_erase_router(requests, access, AS_SAID, clock=lambda: now),
        make_export_router(engine, access, AS_SAID, clock=lambda: now, trail=trail("segmenter")),
    ]
    return make_app([Part(name="segmenter", routers=routers)], CollectorRegistry())


async def traces(engine: AsyncEngine, *marks: str, schema: str = "segmenter") -> list[str]:
    """Search every column of every table of a schema; tell in which tables a mark was found."""
    found: list[str] = []
    async with engine.connect() as connection:
        tables = await connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = :schema"),
            {"schema": schema},
        )
        for table in sorted(tables):
            query = f'SELECT CAST(t AS text) FROM {schema}."{table}" t'
            rows = await connection.scalars(text(query))
            dump = "\n".join(rows)
            found += [f"{table}: {mark}" for mark in marks if mark in dump]
    return found


async def rows(engine: AsyncEngine, table: str, ids: Collection[UUID]) -> int:
    """Count the rows of customers in one table."""
    query = f"SELECT count(*) FROM {table} WHERE customer_id = ANY(:ids)"
    async with engine.connect() as connection:
        parameters: dict[str, Any] = {"ids": sorted(ids)}
        return int(await connection.scalar(text(query), parameters) or 0)


async def texts(engine: AsyncEngine, query: str) -> list[str]:
    """Read the texts that a query selects."""
    async with engine.connect() as connection:
        return list(await connection.scalars(text(query)))
