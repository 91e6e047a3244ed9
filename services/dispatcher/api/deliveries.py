"""What operators see and do: deliveries with their reasons, and settling what is in doubt.

No personal data: ids, names of plays and targets, states, times. Newest first; `after` (the last
id of a page) goes on from there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.bell import Bell
from services.dispatcher.metrics import Metrics
from services.dispatcher.operate.settle import Settlement, settle
from services.dispatcher.status.inquiry import ORDER
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.events.outcomes import DeliveryState, MessageState
from shared.events.vocabulary import Channel, ContactClass
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict

_SHOWN = """
    d.id, d.customer_id, d.cause_id, d.decision_id, d.event_id, d.play, d.action, d.variant,
    d.template, d.channel, d.contact_class, d.legal_basis, d.target, d.state, d.reason, d.until,
    d.due, d.attempts, d.attempted_at, d.planned_at, d.send_at, d.deadline, d.message,
    d.reference, d.arm, d.playbook,
    i.asked_at AS status_asked_at, i.due AS status_due, i.reason AS status_reason
"""
_LIST = f"""
    SELECT {_SHOWN} FROM deliveries d LEFT JOIN inquiries i ON i.delivery_id = d.id
    WHERE {{where}}
    ORDER BY d.planned_at DESC, d.id DESC LIMIT :limit
"""  # noqa: S608 - fixed conditions, values are parameters
_FILTERS = {
    # A merged customer is found under her former id, too.
    "customer_id": """d.customer_id = COALESCE(
        (SELECT merged_into FROM recipients WHERE customer_id = :customer_id), :customer_id)""",
    "state": "d.state = :state",
    "play": "d.play = :play",
    "target": "d.target = :target",
    "cause": "d.cause_id = :cause",
    "after": """(d.planned_at, d.id) <
        (SELECT a.planned_at, a.id FROM deliveries a WHERE a.id = :after)""",
}
_ONE = text(f"""
    SELECT {_SHOWN} FROM deliveries d LEFT JOIN inquiries i ON i.delivery_id = d.id
    WHERE d.id = :id
""")  # noqa: S608
_KNOWN = text("SELECT true FROM deliveries WHERE id = :id")
_CHANGES = text("""
    SELECT * FROM (
        SELECT change, state, reason, until, at, by, NULL AS message, NULL AS occurred_at
        FROM delivery_changes WHERE delivery_id = :id
        UNION ALL
        SELECT change, state, 'the platform told it: message ' || message, NULL, at, by, message,
            occurred_at
        FROM message_changes WHERE delivery_id = :id
    ) AS both_kinds
    ORDER BY change, message IS NOT NULL, at, array_position(CAST(:order AS text[]), message)
""")


class Shown(BaseModel):
    """A delivery as the API shows it.

    `status_*`: when its platform was asked last what became of the message, when it is asked next,
    and why so; all null where it cannot be asked.
    """

    id: UUID
    customer_id: UUID
    cause_id: UUID
    decision_id: UUID
    event_id: UUID
    play: str
    action: str
    variant: str
    template: str
    channel: Channel
    contact_class: ContactClass
    legal_basis: str | None
    target: str
    state: DeliveryState
    reason: str
    until: AwareDatetime | None
    due: AwareDatetime | None
    attempts: int
    attempted_at: AwareDatetime | None
    planned_at: AwareDatetime
    send_at: AwareDatetime
    deadline: AwareDatetime
    message: MessageState
    status_asked_at: AwareDatetime | None
    status_due: AwareDatetime | None
    status_reason: str | None
    reference: str | None
    arm: str | None
    playbook: str


class Change(BaseModel):
    """One change of a delivery, and who made it (`plan`, `lane`, `decision`, a token's name …).

    `message`: what became of the message then, as its platform told it by itself (`by` is `report`)
    or when it was asked (`status`); it happened at `occurred_at`, and changed no state. Null: a
    change of state.
    """

    change: int
    state: DeliveryState
    reason: str
    until: AwareDatetime | None
    at: AwareDatetime
    by: str
    message: MessageState | None
    occurred_at: AwareDatetime | None


class Page(BaseModel):
    """Some deliveries; `next` goes into `after` for more (null: these are all)."""

    deliveries: list[Shown]
    next: UUID | None


class WithChanges(BaseModel):
    """A delivery with all its changes, oldest first."""

    delivery: Shown
    changes: list[Change]


class Settle(Strict):
    """A person's word about a delivery in doubt."""

    outcome: Settlement


#: As playbook and targets allow it: another one has no deliveries, and is a mistake to be told.
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Filters(Strict):
    """What to list; every given filter must hold."""

    customer_id: UUID | None = None
    state: DeliveryState | None = None
    play: _Name | None = None
    target: _Name | None = None
    cause: UUID | None = None
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


_NO_SUCH: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "No delivery has this id"}}


def build_router(
    engine: AsyncEngine,
    access: Access,
    bell: Bell,
    metrics: Metrics,
    clock: Callable[[], datetime],
    *,
    trail: Trail,
) -> APIRouter:
    """Make the dispatcher's routes."""
    router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], responses=GUARDED)
    read, operate = access.require("read"), access.require("operate")

    @router.get("", dependencies=[Depends(read)])
    async def list_deliveries(filters: Annotated[Filters, Query()]) -> Page:
        """List deliveries, newest first."""
        limit = filters.limit
        given = filters.model_dump(exclude_none=True, exclude={"limit"})
        where = " AND ".join(_FILTERS[name] for name in given) or "true"
        with away_as_dependency():
            async with engine.connect() as connection:
                if filters.after and not await _knows(connection, filters.after):
                    raise Problem(422, "unknown-page", "after: no delivery has this id")
                statement = text(_LIST.format(where=where))
                rows = (await connection.execute(statement, {**given, "limit": limit + 1})).all()
        shown = [_shown(row) for row in rows[:limit]]
        return Page(deliveries=shown, next=shown[-1].id if len(rows) > limit else None)

    async def with_changes(delivery_id: UUID) -> WithChanges:
        async with engine.connect() as connection:
            row = (await connection.execute(_ONE, {"id": delivery_id})).one_or_none()
            if row is None:
                raise _unknown()
            changes = await connection.execute(_CHANGES, {"id": delivery_id, "order": list(ORDER)})
            return WithChanges(
                delivery=_shown(row),
                changes=[Change.model_validate(dict(change._mapping)) for change in changes],
            )

    @router.get("/{delivery_id}", dependencies=[Depends(read)], responses=_NO_SUCH)
    async def one_delivery(delivery_id: UUID) -> WithChanges:
        """Show one delivery with every change and its reason."""
        with away_as_dependency():
            return await with_changes(delivery_id)

    @router.post(
        "/{delivery_id}/settle",
        responses={**_NO_SUCH, 409: {"description": "This delivery is not in doubt"}},
    )
    async def settle_delivery(
        delivery_id: UUID, wish: Settle, token: Annotated[Token, Depends(operate)]
    ) -> WithChanges:
        """End a doubt: `sent` accepts the delivery, `again` makes it due, gates asked anew."""
        with away_as_dependency():
            after, moved = await settle(
                engine, delivery_id, wish.outcome, trail.pen(token.name, clock())
            )
            if after is None:
                raise _unknown()
            if not moved:
                raise Problem(409, "not-in-doubt", f"this delivery is {after.state}, not in doubt")
            metrics.changed([after])
            bell.ring(after.target)
            bell.ring("teller")
            return await with_changes(delivery_id)

    return router


async def _knows(connection: AsyncConnection, delivery_id: UUID) -> bool:
    return bool(await connection.scalar(_KNOWN, {"id": delivery_id}))


def _unknown() -> Problem:
    return Problem(404, "unknown-delivery", "no delivery has this id")


def _shown(row: Any) -> Shown:
    return Shown.model_validate(dict(row._mapping))
