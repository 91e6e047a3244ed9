"""POST /v1/sources/{source}/remap: what the corrected mapping makes of what was understood then.

In: since when, and whether to tell it. Out: per body the fields that differ, for whoever may
operate: they hold what customers said.
"""

from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from services.ingest.correct.ahead import Ahead
from services.ingest.correct.asking import PROBLEMS, Asked, Since, asked, described
from services.ingest.correct.remap import Change, Difference
from services.ingest.correct.remapping import Mapped, Remapping
from services.ingest.correct.ways import Ways
from services.ingest.decode.payload import MISSING
from services.ingest.keep.intake import Intake
from services.ingest.settings import SourceName
from shared.http.auth import Access, Token
from shared.http.problems import Problem
from shared.times import iso

_log = structlog.get_logger(__name__)

#: Read again in one call: the caller waits, and each body may hold five hundred messages.
_MOST: Final = 100


class Remap(Asked):
    """Which bodies: received from `since` on, before `until`, after the place `cursor`."""

    since: Since
    until: Since | None = None
    cursor: Annotated[int, Field(ge=0, le=2**62)] = 0
    limit: Annotated[int, Field(ge=1, le=_MOST)] = _MOST
    dry_run: bool = True


class ChangeView(BaseModel):
    """One message. `differences` leave out `old` or `new` where the field is not said.

    `stays`: readers keep the old word. Without `event_id` nothing is told, and `refused` says why.
    """

    place: int
    event_id: UUID | None
    type: str | None
    differences: list[dict[str, Any]]
    refused: str | None


class BodyView(BaseModel):
    """One body that reads otherwise. If `refused`, nothing of it is told."""

    body: int
    received_at: str
    survey: str | None
    response_id: str | None
    mapping: str
    refused: str | None
    changes: list[ChangeView]


class RemapPage(BaseModel):
    """How many bodies were read, and those that differ; `next` is the `cursor` to go on with."""

    dry_run: bool
    mapping: str
    read: int
    bodies: list[BodyView]
    next: int | None


def source_router(
    access: Access, intake: Intake, ways: Ways, remapping: Remapping, *, ahead: Ahead
) -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1/sources", tags=["sources"])
    caller = Depends(access.require("operate"))

    @router.post("/{source}/remap", openapi_extra=described(Remap), responses=_RESPONSES)
    async def remap(
        source: Annotated[SourceName, Path()], request: Request, token: Annotated[Token, caller]
    ) -> RemapPage:
        """Read kept bodies by the mapping in use; `dry_run` (the default) tells nothing.

        Otherwise what differs is published as a revision of the same answer: fields that only the
        old mapping set are cleared, and messages that came later still win.
        """
        wanted = await asked(intake, request, Remap)
        way = ways.now(source)
        if way is None:
            raise Problem(404, "unknown-source", "no source of this name is configured")
        if not wanted.dry_run:
            await ahead(
                token,
                "source.remap_asked",
                source,
                mapping=way.version,
                since=iso(wanted.since),
                until=None if wanted.until is None else iso(wanted.until),
                after=wanted.cursor,
                most=wanted.limit,
            )
        page = await remapping.page(
            way,
            source,
            since=wanted.since,
            until=wanted.until,
            after=wanted.cursor,
            limit=wanted.limit,
            dry_run=wanted.dry_run,
        )
        refused = sum(one.refused is not None for one in page.mapped)
        _log.info(
            "ingest.source_remapped",
            source=source,
            mapping=way.version,
            dry_run=wanted.dry_run,
            read=page.read,
            changed=len(page.mapped) - refused,
            refused=refused,
        )
        return RemapPage(
            dry_run=wanted.dry_run,
            mapping=way.version,
            read=page.read,
            bodies=[_body(one) for one in page.mapped],
            next=page.next,
        )

    return router


def _body(mapped: Mapped) -> BodyView:
    body = mapped.body
    return BodyView(
        body=body.id,
        received_at=iso(body.received_at),
        survey=body.survey,
        response_id=body.response_id,
        mapping=body.mapping,
        refused=mapped.refused,
        changes=[_change(one) for one in mapped.changes],
    )


def _change(one: Change) -> ChangeView:
    event = one.told.event if one.told else None
    return ChangeView(
        place=one.place,
        event_id=event.id if event else None,
        type=event.type if event else None,
        differences=[_difference(each) for each in one.differences],
        refused=one.refused,
    )


def _difference(one: Difference) -> dict[str, Any]:
    sides = {"old": one.old, "new": one.new}
    said = {side: value for side, value in sides.items() if value is not MISSING}
    return {"field": one.field, **said, "stays": one.stays}


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **PROBLEMS,
    404: {"description": "No source of this name"},
}
