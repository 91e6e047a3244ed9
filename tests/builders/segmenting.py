"""What tests of the segmenter's shell have in common: its tables, and its routes with callers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import connect
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Scope, Token
from shared.settings import Secrets

_CALLERS: dict[str, tuple[Scope, ...]] = {"reader": ("read",), "writer": ("events",)}


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """The segmenter's tables, empty."""
    engine = connect(database, "segmenter")
    yield engine
    await engine.dispose()


async def rows(engine: AsyncEngine, query: str, **values: object) -> list[tuple[object, ...]]:
    """What a statement selects."""
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), values)]


def access(**callers: tuple[Scope, ...]) -> Access:
    """Who may call, `reader` and `writer` unless told; everybody's token is the name."""
    known = callers or _CALLERS
    tokens = tuple(
        Token(name=name, scopes=frozenset(scopes), token=f"env:NPS_TOKEN_{name.upper()}")
        for name, scopes in known.items()
    )
    secrets = Secrets({f"NPS_TOKEN_{name.upper()}": name for name in known})
    return Access(AccessConfig(tokens=tokens), secrets)


def app_of(*routers: APIRouter) -> FastAPI:
    """The segmenter's process with these routes."""
    part = Part(name="segmenter", routers=list(routers))
    return make_app([part], CollectorRegistry())


@asynccontextmanager
async def client_of(*routers: APIRouter) -> AsyncIterator[httpx.AsyncClient]:
    """A client of these routes."""
    transport = httpx.ASGITransport(app=app_of(*routers))
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as client:
        yield client
