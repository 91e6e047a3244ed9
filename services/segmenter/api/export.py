"""Everything that is kept of a person, for her who asks what we know of her.

In: bearer tokens with the scope `erase`, whose holder handles what persons ask of us (`read` shows
one customer's state, not every word of hers); whom by id or identifiers, in the body only. Out: the
rows as they are kept. What figures and data quality read from these rows is left out.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.erase import whom
from services.segmenter.api.merge import Who
from services.segmenter.erase import store as erase_store
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.events.vocabulary import Identifier
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.identifiers import Rules

_PERSONAL: Final = ("external_id", "email", "phone", "response")
_KEPT: Final = {
    "profiles": "SELECT to_jsonb(t) FROM profiles t WHERE customer_id = ANY(:ids)",
    "facts": """
        SELECT to_jsonb(t) FROM facts t WHERE customer_id = ANY(:ids)
        ORDER BY occurred_at, event_id
    """,
    "decisions": r"""
        SELECT to_jsonb(t) - 'payload' || jsonb_build_object('events', (
            SELECT jsonb_agg(CAST(line AS jsonb)) FROM string_to_table(t.payload, E'\n') AS line))
        FROM decisions t WHERE customer_id = ANY(:ids) AND version > 0 ORDER BY version, customer_id
    """,
    "answers": """
        SELECT to_jsonb(t) FROM answers t WHERE customer_id = ANY(:ids) ORDER BY answered_at
    """,
    "timers": "SELECT to_jsonb(t) FROM timers t WHERE customer_id = ANY(:ids) ORDER BY due_at",
    "aliases": "SELECT to_jsonb(t) FROM aliases t WHERE customer_id = ANY(:ids) ORDER BY merged_at",
    "merges": "SELECT to_jsonb(t) FROM merges t WHERE customer_id = ANY(:ids) ORDER BY sequence",
    "apart": "SELECT to_jsonb(t) FROM apart t WHERE customer_id = ANY(:ids) ORDER BY other_id",
}


class Export(BaseModel):
    """All of a person: who stands for her, the last id first; how she is known; rows by table."""

    customer_ids: tuple[UUID, ...]
    identifiers: tuple[Identifier, ...]
    rows: dict[str, list[dict[str, Any]]]


def make_export_router(
    engine: AsyncEngine,
    access: Access,
    rules: Rules,
    *,
    clock: Callable[[], datetime],
    trail: Trail,
) -> APIRouter:
    """Build `/v1/customers/export`; `rules` normalise how she is named."""
    router = APIRouter(prefix="/v1/customers", tags=["erasure"], responses=GUARDED)

    @router.post("/export")
    async def export(who: Who, token: Annotated[Token, Depends(access.require("erase"))]) -> Export:
        """Give everything that is kept here of a person; of nobody known, nothing."""
        ids, keys = whom(who, rules)
        with away_as_dependency():
            async with engine.connect() as connection:
                # One moment for all tables: between two, she could be merged.
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                found = await erase_store.group(connection, ids, keys)
                values = {"ids": list(found.customer_ids)}
                rows = {
                    name: list(await connection.scalars(text(query), values))
                    for name, query in _KEPT.items()
                }
        # Before she who asks has it: what cannot be written down is not handed out.
        named = sorted(str(one) for one in found.customer_ids)
        pen = trail.pen(token.name, clock())
        await pen.ahead(engine, "customer.exported", f"{len(named)} customers", customers=named)
        return Export(
            customer_ids=found.customer_ids,
            identifiers=tuple(
                Identifier.model_validate({"kind": kind, "value": value})
                for kind, value in found.keys
                if kind in _PERSONAL
            ),
            rows=rows,
        )

    return router
