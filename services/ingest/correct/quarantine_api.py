"""GET /v1/quarantine, one row of it, and reading rows again: for callers with a token.

Lists say where and why, never what. One row's body is shown to whoever may operate, secrets struck
out. Reading again is a rehearsal unless asked otherwise.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from services.ingest.correct.ahead import Ahead
from services.ingest.correct.asking import PROBLEMS, Asked, Since, Text, asked, described
from services.ingest.correct.replay import Replay, Replayed, State
from services.ingest.keep.intake import Intake
from services.ingest.keep.quarantine import Quarantine, Quarantined, Shown
from services.ingest.settings import SourceName
from shared.http.auth import Access, Token
from shared.http.problems import Problem
from shared.times import iso

_log = structlog.get_logger(__name__)

#: Rows read again in one call: each is a transaction or two, and the caller waits.
_MOST: Final = 100
_SHOWN_BYTES: Final = 256 << 10
_Cursor = Annotated[str, Field(min_length=1, max_length=100)]


class QuarantineRow(BaseModel):
    """One message that was not understood: `places` are its messages, where a body held several."""

    id: UUID
    source: str
    received_at: str
    path: str
    rule: str
    mapping: str
    places: tuple[int, ...]


class QuarantinePage(BaseModel):
    """The newest rows first; `next` is the `cursor` of the page after, if there is one."""

    rows: list[QuarantineRow]
    next: str | None


class QuarantineShown(QuarantineRow):
    """A whole row. `body` is its text as far as it is one and fits; `bytes` its whole length."""

    content_type: str
    headers: dict[str, str]
    query: str
    body: str
    bytes: int


class ReadAgain(Asked):
    """Which rows: these `ids`, or all that the filters choose, a page at a time."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=_MOST)] = ()
    source: SourceName | None = None
    rule: Text | None = None
    since: Since | None = None
    cursor: _Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=_MOST)] = 50
    dry_run: bool = True


class EventMade(BaseModel):
    """An event that a row became."""

    id: UUID
    type: str


class RowReadAgain(BaseModel):
    """What became of a row, or would. `path` and `rule` are those that fail now."""

    id: UUID
    source: str | None
    received_at: str | None
    state: State
    events: list[EventMade]
    path: str | None
    rule: str | None


class PageReadAgain(BaseModel):
    """One page, the newest rows first.

    It may be cut short while a dependency is away; `next`, or the ids that are missing, go on.
    """

    dry_run: bool
    rows: list[RowReadAgain]
    next: str | None


def quarantine_router(
    access: Access, intake: Intake, quarantine: Quarantine, replay: Replay, *, ahead: Ahead
) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/quarantine", tags=["quarantine"])
    may_look = Depends(access.require("read"))
    may_operate = Depends(access.require("operate"))

    async def page(
        limit: int,
        source: str | None,
        rule: str | None,
        since: datetime | None,
        cursor: str | None,
    ) -> tuple[list[Quarantined], str | None]:
        try:
            rows = await intake.in_time(
                quarantine.rows(limit=limit, source=source, rule=rule, since=since, cursor=cursor)
            )
        except ValueError:
            raise Problem(422, "invalid-request", "correct these fields: cursor") from None
        return list(rows), rows[-1].cursor if len(rows) == limit else None

    @router.get("", dependencies=[may_look], responses=_LOOKING)
    async def look(
        source: Annotated[SourceName | None, Query()] = None,
        rule: Annotated[Text | None, Query()] = None,
        since: Annotated[Since | None, Query()] = None,
        cursor: Annotated[_Cursor | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> QuarantinePage:
        """List what was authentic and could not be mapped: where and why, never the content."""
        rows, following = await page(limit, source, rule, since, cursor)
        return QuarantinePage(rows=[QuarantineRow(**_row(row)) for row in rows], next=following)

    @router.get("/{quarantine_id}", dependencies=[may_operate], responses=_SHOWING)
    async def show(quarantine_id: UUID) -> QuarantineShown:
        """Show one row with its body, secrets struck out: it may hold a customer's words."""
        shown = await intake.in_time(quarantine.show(quarantine_id))
        if shown is None:
            raise Problem(404, "unknown-row", "no row has this id: it was replayed or has expired")
        return _shown(shown)

    @router.post(
        "/remap",
        openapi_extra=described(ReadAgain),
        responses=PROBLEMS,
    )
    async def remap(request: Request, token: Annotated[Token, may_operate]) -> PageReadAgain:
        """Read rows again with the mapping of today; `dry_run` (the default) tells nothing.

        Otherwise what can be told is published under the identity and receipt time of the message
        as it came, and then its row is deleted.
        """
        wanted = await asked(intake, request, ReadAgain)
        following: str | None = None
        ids = list(dict.fromkeys(wanted.ids))
        if not ids:
            rows, following = await page(
                wanted.limit, wanted.source, wanted.rule, wanted.since, wanted.cursor
            )
            ids = [row.id for row in rows]
        if ids and not wanted.dry_run:
            named = sorted(str(one) for one in ids)
            await ahead(token, "quarantine.replay_asked", f"{len(ids)} rows", rows=named)
        done = await _replayed(replay, ids, dry_run=wanted.dry_run)
        if 0 < len(done) < len(ids) and not wanted.ids and (last := done[-1].row):
            following = last.cursor
        rows_by = dict(Counter(one.state for one in done))
        _log.info("ingest.quarantine_remapped", dry_run=wanted.dry_run, rows=rows_by)
        return PageReadAgain(
            dry_run=wanted.dry_run, rows=[_again(one) for one in done], next=following
        )

    return router


async def _replayed(replay: Replay, ids: Sequence[UUID], *, dry_run: bool) -> list[Replayed]:
    """Read rows again, as far as bus and database go along: what is done must be told."""
    done: list[Replayed] = []
    for row_id in ids:
        try:
            done.append(await replay.one(row_id, dry_run=dry_run))
        except Problem:
            if not done:
                raise
            break
    return done


def _row(row: Quarantined) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "received_at": iso(row.received_at),
        "path": row.path,
        "rule": row.rule,
        "mapping": row.mapping,
        "places": row.places,
    }


def _shown(shown: Shown) -> QuarantineShown:
    return QuarantineShown(
        **_row(shown.row),
        content_type=shown.content_type,
        headers=dict(shown.headers),
        query=shown.query,
        body=shown.body[:_SHOWN_BYTES].decode("utf-8", "replace"),
        bytes=len(shown.body),
    )


def _again(done: Replayed) -> RowReadAgain:
    return RowReadAgain(
        id=done.row_id,
        source=done.row.source if done.row else None,
        received_at=iso(done.row.received_at) if done.row else None,
        state=done.state,
        events=[EventMade(id=one.event.id, type=one.event.type) for one in done.told],
        path=done.failure.path if done.failure else None,
        rule=done.failure.rule if done.failure else None,
    )


_LOOKING: Final[dict[int | str, dict[str, Any]]] = {
    code: PROBLEMS[code] for code in (401, 403, 422, 503)
}
_SHOWING: Final[dict[int | str, dict[str, Any]]] = {
    **_LOOKING,
    404: {"description": "No row of this id"},
}
