"""The audit record in tests: trails under one made-up key, and what they hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.actions import Service
from shared.audit.chain import Kept
from shared.audit.trail import Pen, Trail

KEY = b"made-up route key"


def trail(service: Service) -> Trail:
    """The record of one service."""
    return Trail(service, KEY)


def pen(service: Service, at: datetime, actor: str = "ops") -> Pen:
    """A pen in somebody's name."""
    return trail(service).pen(actor, at)


async def kept(
    engine: AsyncEngine, service: Service, *, key: bytes = KEY, schema: str | None = None
) -> list[Kept]:
    """All rows of a service, through its own engine; or, with `schema`, a superuser's."""
    async with engine.connect() as connection:
        if schema is not None:
            await connection.execute(text(f"SET LOCAL search_path = {schema}"))
        return await Trail(service, key).read(connection, None, 10_000)


def told(rows: list[Kept]) -> list[tuple[str, str, str, Any]]:
    """Who did what to what."""
    return [(row.actor, row.action, row.subject, row.detail) for row in rows]
