"""What a person may ask of us: where her erasure stands at the platforms, and all we keep of her.

In: ids of an erasure or of customers, by a token of the scope `erase`, whose holder handles such
requests. Out: states and reasons without anything personal; an export, which is all personal.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.ledger import store
from services.dispatcher.ledger.deletion import DeletionState
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict

_ERASURE = text("""
    SELECT erasure_id, erased_at, handled_at, counts FROM erasures WHERE erasure_id = :id
""")
_DELETIONS = text("""
    SELECT target, state, reason, attempts, due, done_at FROM deletions
    WHERE erasure_id = :id ORDER BY target, part
""")
#: What tells most of a target comes first: one name left is a deletion not done.
_WORST: Final[tuple[DeletionState, ...]] = ("by_hand", "due", "sending", "done")
#: All that is kept of customers, by table. Playbooks, groups and progress are nobody's.
_KEPT: Final = {
    "recipients": "SELECT to_jsonb(t) FROM recipients t WHERE t.customer_id = ANY(:ids)",
    "deliveries": """
        SELECT to_jsonb(t) || jsonb_build_object('changes', (
            SELECT jsonb_agg(to_jsonb(c) - 'delivery_id' ORDER BY c.change)
            FROM delivery_changes c WHERE c.delivery_id = t.id), 'messages', (
            SELECT jsonb_agg(to_jsonb(m) - 'delivery_id' ORDER BY m.at)
            FROM message_changes m WHERE m.delivery_id = t.id))
        FROM deliveries t WHERE t.customer_id = ANY(:ids) ORDER BY t.planned_at, t.id
    """,
    "pushes": "SELECT to_jsonb(t) FROM pushes t WHERE t.customer_id = ANY(:ids) ORDER BY target",
    "planned": """
        SELECT to_jsonb(t) FROM planned t WHERE t.customer_id = ANY(:ids)
        ORDER BY planned_at, decision_id
    """,
    "alerts": """
        SELECT to_jsonb(t) || jsonb_build_object('customer_id', d.customer_id)
        FROM alerts t JOIN deliveries d ON d.id = t.delivery_id
        WHERE d.customer_id = ANY(:ids) ORDER BY t.delivery_id
    """,
    "coupons": """
        SELECT to_jsonb(t) || jsonb_build_object('customer_id', d.customer_id)
        FROM coupons t JOIN deliveries d ON d.id = t.delivery_id
        WHERE d.customer_id = ANY(:ids) ORDER BY t.pool, t.code
    """,
    "inquiries": """
        SELECT to_jsonb(t) || jsonb_build_object('customer_id', d.customer_id)
        FROM inquiries t JOIN deliveries d ON d.id = t.delivery_id
        WHERE d.customer_id = ANY(:ids) ORDER BY t.delivery_id
    """,
    "consent_shown": """
        SELECT to_jsonb(t) FROM consent_shown t WHERE t.customer_id = ANY(:ids)
        ORDER BY target, kind, value
    """,
    "completed": """
        SELECT to_jsonb(t) FROM completed t WHERE t.customer_id = ANY(:ids)
        ORDER BY customer_id, what
    """,
    "draws": "SELECT to_jsonb(t) FROM draws t WHERE t.customer_id = ANY(:ids) ORDER BY delivery_id",
    "deletions": """
        SELECT to_jsonb(t) FROM deletions t WHERE t.customer_id = ANY(:ids) ORDER BY target, part
    """,
}


class AtTarget(BaseModel):
    """What became of her at one platform; `by_hand`: a person must ask there, for the reason."""

    target: str
    state: DeletionState
    reason: str
    attempts: int
    due: AwareDatetime | None
    done_at: AwareDatetime | None


class Receipt(BaseModel):
    """What the dispatcher did about an erasure; `done` once no platform is asked any more.

    `counts`: rows that were emptied, deliveries ended among them, and platforms' deletions.
    """

    erasure_id: UUID
    erased_at: AwareDatetime
    handled_at: AwareDatetime
    counts: dict[str, int]
    done: bool
    targets: list[AtTarget]


class Export(Strict):
    """Whose rows are wanted; those merged with them belong to them."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)]


_NO_SUCH: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No such erasure has come here, or not yet"}
}


def build_subject_router(
    engine: AsyncEngine, access: Access, clock: Callable[[], datetime], *, trail: Trail
) -> APIRouter:
    """Make the routes of erasure and access."""
    router = APIRouter(prefix="/v1", tags=["erasure"], responses=GUARDED)
    caller = Depends(access.require("erase"))

    @router.get("/erasures/{erasure_id}/targets", dependencies=[caller], responses=_NO_SUCH)
    async def targets(erasure_id: UUID) -> Receipt:
        """Show what each platform was asked to delete, and where a person must ask."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = (await connection.execute(_ERASURE, {"id": erasure_id})).one_or_none()
                if found is None:
                    raise Problem(404, "unknown-erasure", "no such erasure has come here yet")
                rows = (await connection.execute(_DELETIONS, {"id": erasure_id})).all()
        shown = [_at_target(list(rows)) for _, rows in groupby(rows, key=lambda row: row.target)]
        done = all(one.state in ("done", "by_hand") for one in shown)
        return Receipt.model_validate({**found._mapping, "done": done, "targets": shown})

    @router.post("/recipients/export")
    async def export(
        wanted: Export, token: Annotated[Token, caller]
    ) -> dict[str, list[dict[str, Any]]]:
        """Give everything that is kept of these customers, by table."""
        customers = sorted({str(one) for one in wanted.customer_ids})
        pen = trail.pen(token.name, clock())
        await pen.ahead(
            engine, "recipients.exported", f"{len(customers)} customers", customers=list(customers)
        )
        with away_as_dependency():
            async with engine.connect() as connection:
                ids = {*wanted.customer_ids, *await store.together(connection, wanted.customer_ids)}
                values = {"ids": sorted(ids)}
                return {
                    name: list(await connection.scalars(text(statement), values))
                    for name, statement in _KEPT.items()
                }

    return router


def _at_target(rows: Iterable[Any]) -> AtTarget:
    """Tell several names of one person at one target as the one that is furthest from done."""
    worst = min(rows, key=lambda row: _WORST.index(row.state))
    return AtTarget.model_validate(dict(worst._mapping))
