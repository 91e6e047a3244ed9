"""POST /v1/imports and its rows: history from a file, told so that nobody is contacted for it.

In: rows of named fields, up to 500 at a time, from a caller who may operate. Out: what became of
them, once all that was understood is durable. The same file goes on where it stopped; the same rows
told again change nothing, and those of people who were erased are not told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from services.ingest.catalogue import Source
from services.ingest.correct.ahead import Ahead
from services.ingest.correct.asking import PROBLEMS, Asked, asked, described
from services.ingest.correct.ways import Ways
from services.ingest.history.rows import read_row
from services.ingest.history.table import Counts, Import, Imports
from services.ingest.keep.intake import Intake
from services.ingest.keep.publishing import TOO_LARGE, publish_all
from services.ingest.keep.tombstones import Tombstones
from services.ingest.settings import SourceName
from services.ingest.told import Ignored, Outcome, Thin, Translated, Unmappable
from shared.events.feedback import Provenance
from shared.http.auth import Access, Token
from shared.http.problems import Problem

_log = structlog.get_logger(__name__)

_MOST_ROWS: Final = 500
_Rows = Annotated[tuple[Any, ...], Field(min_length=1, max_length=_MOST_ROWS)]
#: Row numbers fit PostgreSQL's bigint with room to count on.
_Row = Annotated[int, Field(ge=0, le=10**15)]


class Begin(Asked):
    """A file: the source whose `columns` read it, its SHA-256, and where the data comes from."""

    source: SourceName
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    provenance: Provenance
    rows_total: _Row | None = None


class Rows(Asked):
    """Some rows as objects of named fields; the first has the number `from`, counted from 0."""

    from_: Annotated[_Row, Field(alias="from")]
    rows: _Rows


class TrialRows(Rows):
    """The same, to see what would become of them."""

    source: SourceName
    provenance: Provenance


class ImportView(BaseModel):
    """How far a file has come: the next row to tell, and what became of those before."""

    id: UUID
    source: str
    provenance: Provenance
    rows_total: int | None
    next_row: int
    told: int
    ignored: int
    refused: int
    erased: int


class RefusedRow(BaseModel):
    """A row that was not understood: which path failed which rule, nothing of the value."""

    row: int
    path: str
    rule: str


class RowsView(BaseModel):
    """What became of these rows, or would; `ignored` counts by reason.

    Of those that are `erased` the person is, and nothing is told.
    """

    next_row: int
    told: int
    ignored: dict[str, int]
    refused: list[RefusedRow]
    erased: int


@dataclass(frozen=True, slots=True)
class Erased:
    """A row that was understood, and whose person is erased."""


_Found = Outcome | Erased


def imports_router(
    access: Access,
    intake: Intake,
    imports: Imports,
    ways: Ways,
    tombstones: Tombstones,
    *,
    ahead: Ahead,
) -> APIRouter:
    """Make the routes."""
    caller = Depends(access.require("operate"))
    router = APIRouter(prefix="/v1/imports", tags=["imports"], dependencies=[caller])

    def source_of(name: str) -> Source:
        source = ways.source(name)
        if source is None:
            raise Problem(404, "unknown-source", "no source of this name is configured")
        return source

    async def read(source: Source, wanted: Rows, provenance: Provenance) -> list[_Found]:
        now = intake.clock()
        found = [read_row(source.columns, row, provenance, now) for row in wanted.rows]
        told = [one.told for one in found if isinstance(one, Translated)]
        erased = await intake.in_time(tombstones.erased(told))
        return [
            Erased() if isinstance(one, Translated) and one.told.event.id in erased else one
            for one in found
        ]

    @router.post("", openapi_extra=described(Begin), responses=_BEGINNING)
    async def begin(request: Request, token: Annotated[Token, caller]) -> ImportView:
        """Begin a file, or learn where it stopped, also on another machine."""
        wanted = await asked(intake, request, Begin)
        source_of(wanted.source)
        known = await intake.in_time(
            imports.begin(
                wanted.source,
                wanted.sha256,
                wanted.provenance,
                wanted.rows_total,
                ahead.pen(token),
            )
        )
        if known.provenance != wanted.provenance:
            raise Problem(
                409,
                "other-provenance",
                f"this file was begun as '{known.provenance}': say so, for its rows were told so",
            )
        return _view(known)

    @router.post("/trial", openapi_extra=described(TrialRows), responses=_TRYING)
    async def trial(request: Request) -> RowsView:
        """Tell what would become of rows; nothing is stored or told."""
        wanted = await asked(intake, request, TrialRows)
        found = await read(source_of(wanted.source), wanted, wanted.provenance)
        return _rows_view(wanted, found, wanted.from_ + len(found))

    @router.post("/{import_id}/rows", openapi_extra=described(Rows), responses=_TELLING)
    async def tell(import_id: UUID, request: Request, token: Annotated[Token, caller]) -> RowsView:
        """Tell rows from where the file stands; those already told may be told again."""
        wanted = await asked(intake, request, Rows)
        known = await intake.in_time(imports.get(import_id))
        if known is None:
            raise Problem(404, "unknown-import", "begin the file first")
        if wanted.from_ > known.next_row:
            raise Problem(409, "rows-missing", f"go on from row {known.next_row}")
        found = await read(source_of(known.source), wanted, known.provenance)
        told = [one.told for one in found if isinstance(one, Translated)]
        too_large = await publish_all(intake, told)
        found = [
            TOO_LARGE if isinstance(one, Translated) and one.told.event.id in too_large else one
            for one in found
        ]
        end = wanted.from_ + len(found)
        if end > known.next_row:
            counts = _counts(found[known.next_row - wanted.from_ :])
            await intake.in_time(imports.move(known, end, counts, ahead.pen(token)))
            tombstones.stopped("import", counts.erased)
            _log.info(
                "ingest.rows_imported",
                source=known.source,
                import_id=str(known.id),
                next_row=end,
                told=counts.told,
                ignored=counts.ignored,
                refused=counts.refused,
                erased=counts.erased,
            )
        return _rows_view(wanted, found, max(end, known.next_row))

    return router


def _counts(found: Sequence[_Found]) -> Counts:
    told = sum(isinstance(one, Translated) for one in found)
    refused = sum(isinstance(one, Unmappable) for one in found)
    erased = sum(isinstance(one, Erased) for one in found)
    return Counts(told, len(found) - told - refused - erased, refused, erased)


def _rows_view(wanted: Rows, found: Sequence[_Found], next_row: int) -> RowsView:
    ignored: dict[str, int] = {}
    refused: list[RefusedRow] = []
    for number, one in enumerate(found, wanted.from_):
        if isinstance(one, Unmappable):
            refused.append(RefusedRow(row=number, path=one.path, rule=one.rule))
        elif isinstance(one, Ignored | Thin):
            reason = one.reason if isinstance(one, Ignored) else "to be fetched"
            ignored[reason] = ignored.get(reason, 0) + 1
    return RowsView(
        next_row=next_row,
        told=sum(isinstance(one, Translated) for one in found),
        ignored=ignored,
        refused=refused,
        erased=sum(isinstance(one, Erased) for one in found),
    )


def _view(known: Import) -> ImportView:
    return ImportView(
        id=known.id,
        source=known.source,
        provenance=known.provenance,
        rows_total=known.rows_total,
        next_row=known.next_row,
        told=known.told,
        ignored=known.ignored,
        refused=known.refused,
        erased=known.erased,
    )


_NO_SOURCE: Final[dict[int | str, dict[str, Any]]] = {404: {"description": "No such source"}}
_TRYING: Final = {**PROBLEMS, **_NO_SOURCE}
_BEGINNING: Final = {**_TRYING, 409: {"description": "Begun with another provenance"}}
_TELLING: Final[dict[int | str, dict[str, Any]]] = {
    **PROBLEMS,
    404: {"description": "No such import, or its source is gone"},
    409: {"description": "Rows before these were not told: go on from the row named"},
}
