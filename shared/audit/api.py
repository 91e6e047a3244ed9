"""GET /v1/audit/{service}: the record of one service, its head, and whether its chain holds.

Rows hold names of tokens, ids, names of the configuration and counts: nothing personal.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.audit.actions import Action, Service
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.http.routing import guarded
from shared.settings import Strict

#: Of a page: what is held at a time, here and by who asks.
_MOST: Final = 1000
_After = Annotated[int, Field(ge=0, lt=2**63)]


class AuditRow(BaseModel):
    """Who did what to what; `hash` is sealed over all of it and over `prev_hash`."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: Any
    prev_hash: str
    hash: str


class AuditPage(BaseModel):
    """Some rows, oldest first; `next` goes into `after` for more (null: these are all)."""

    service: Service
    rows: list[AuditRow]
    next: int | None


class AuditHead(BaseModel):
    """The last row: kept elsewhere, it tells later whether rows were cut off since."""

    service: Service
    seq: int
    hash: str


class BrokenRow(BaseModel):
    """The first row that does not fit, and why."""

    seq: int
    why: str


class AuditChecked(BaseModel):
    """What was looked at: `head` is the last row that fits; `next` goes into `after` for more."""

    service: Service
    checked: int
    head: AuditHead
    broken: BrokenRow | None
    next: int | None


class Listed(Strict):
    """Which rows; every given filter must hold."""

    after: _After = 0
    action: Action | None = None
    actor: Annotated[str, Field(pattern=r"^@?[a-z0-9-]{1,64}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=_MOST)] = 100


class Walk(Strict):
    """Which rows to check: those behind row `after`, whose seal is taken as right."""

    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=_MOST)] = _MOST


def build_audit_router(engine: AsyncEngine, access: Access, trail: Trail) -> APIRouter:
    """Make the routes of one service's record."""
    service = trail.service
    router = guarded(access, "read", "audit", prefix=f"/v1/audit/{service}")

    @router.get("", name=f"{service}_audit")
    async def rows(query: Annotated[Listed, Query()]) -> AuditPage:
        """List who did what, oldest first."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await trail.read(
                    connection,
                    query.after or None,
                    query.limit + 1,
                    action=query.action,
                    actor=query.actor,
                )
        shown = [AuditRow.model_validate(one, from_attributes=True) for one in found[: query.limit]]
        more = len(found) > query.limit
        return AuditPage(service=service, rows=shown, next=shown[-1].seq if more else None)

    @router.get("/head", name=f"{service}_audit_head")
    async def head() -> AuditHead:
        """Show the last row's number and seal."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await trail.head(connection)
        return AuditHead(service=service, seq=found.seq, hash=found.hash)

    @router.get("/check", name=f"{service}_audit_check")
    async def check(query: Annotated[Walk, Query()]) -> AuditChecked:
        """Walk the chain, a page at a time, and name the first row that does not fit."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await trail.checked(connection, query.after, query.limit)
        if found is None:
            raise Problem(422, "unknown-row", "after: there is no row of this number")
        count, last, broken = found
        more = broken is None and count == query.limit
        return AuditChecked(
            service=service,
            checked=count,
            head=AuditHead(service=service, seq=last.seq, hash=last.hash),
            broken=None if broken is None else BrokenRow(seq=broken.seq, why=broken.why),
            next=last.seq if more else None,
        )

    return router
