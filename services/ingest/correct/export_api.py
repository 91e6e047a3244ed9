"""POST /v1/bodies/export: what ingest keeps of a person, to be handed to her.

In: her identifiers, from a caller who answers the requests of persons concerned: the scope `erase`,
for whoever may have somebody forgotten may see what that would be, and nobody else needs raw
messages. Out: pages of rows as JSON, secrets struck out as they were kept.
"""

import base64
import binascii
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.ingest.correct.ahead import Ahead
from services.ingest.correct.asking import PROBLEMS, Asked, asked, described
from services.ingest.correct.whom import Named, normalised
from services.ingest.fetch.theirs import Fetch
from services.ingest.keep.bodies_table import KeptBody
from services.ingest.keep.export import STORES, Exporting, Held, Row, Store
from services.ingest.keep.forget import Forgetting
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import SAID, Whom, people
from services.ingest.keep.quarantine import Shown
from services.ingest.keep.spool_table import Entry
from shared.http.auth import Access, Token
from shared.http.problems import Problem
from shared.identifiers import Rules
from shared.times import iso

_log = structlog.get_logger(__name__)

#: It may look through all kept bodies.
_DEADLINE_S: Final = 30.0
_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
_PLACE: Final[TypeAdapter[tuple[Any, ...]]] = TypeAdapter(
    tuple[Literal["bodies"], Annotated[int, Field(ge=0, lt=2**63)]]
    | tuple[Literal["quarantine", "spool", "spool_dead"], UUID]
    | tuple[Literal["fetches"], _Text, _Text, _Text]
)
_Cursor = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_=-]+$")]


class Export(Asked):
    """Whom: every identifier of hers that is known. `cursor` is the `next` of the page before."""

    identifiers: Named
    limit: Annotated[int, Field(ge=1, le=100)] = 100
    cursor: _Cursor | None = None


class HeldRow(BaseModel):
    """One row: where it lies, when it came, and what it holds.

    `shared`: it holds several messages, perhaps of other people, to be taken out before she gets
    it. `content` is the text as it was sent, an event, or what a message of ids told.
    """

    store: Store
    source: str | None
    received_at: str
    shared: bool
    details: dict[str, Any]
    content: Any


class ExportPage(BaseModel):
    """Some rows; `next` goes on, and is null after the last."""

    rows: list[HeldRow]
    next: str | None


def export_router(
    access: Access,
    intake: Intake,
    exporting: Exporting,
    forgetting: Forgetting,
    *,
    route_key: bytes,
    rules: Rules,
    ahead: Ahead,
) -> APIRouter:
    """Make the route; `rules` normalise what is given as what was kept."""
    router = APIRouter(prefix="/v1/bodies", tags=["bodies"])
    caller = Depends(access.require("erase"))

    @router.post("/export", openapi_extra=described(Export), responses=PROBLEMS)
    async def export(request: Request, token: Annotated[Token, caller]) -> ExportPage:
        """Show kept bodies, quarantine, spool and fetches of a person, a page at a time."""
        wanted = await asked(intake, request, Export)
        known = normalised(wanted.identifiers, rules)

        store, place = (STORES[0], ()) if wanted.cursor is None else _place(wanted.cursor)

        async def page() -> tuple[list[Held], bool]:
            whom = await forgetting.whole(Whom(people(route_key, known)))
            return await exporting.page(whom, limit=wanted.limit, store=store, place=place)

        await ahead(token, "bodies.export_asked", f"{len(known)} identifiers")
        held, more = await intake.in_time(page(), _DEADLINE_S)
        _log.info("ingest.exported", asked_by=token.name, rows=len(held))
        following = _cursor(held[-1]) if more else None
        return ExportPage(rows=[_view(one) for one in held], next=following)

    return router


def _cursor(held: Held) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([held.store, *held.place])).decode()


def _place(cursor: str) -> tuple[Store, tuple[str, ...]]:
    """Read where a page ended. Raises the problem 422."""
    try:
        store, *place = _PLACE.validate_json(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValidationError):
        raise Problem(422, "invalid-request", "correct these fields: cursor") from None
    return store, tuple(map(str, place))


def _view(held: Held) -> HeldRow:
    source, received_at, shared, details, content = _told(held.row)
    return HeldRow(
        store=held.store,
        source=source,
        received_at=received_at,
        shared=shared,
        details=details,
        content=content,
    )


def _told(row: Row) -> tuple[str | None, str, bool, dict[str, Any], Any]:
    """Tell source, receipt, whether others may be in it, what stands beside it, and the content."""
    match row:
        case KeptBody():
            details: dict[str, Any] = {
                "survey": row.survey,
                "response_id": row.response_id,
                "said_at": row.said_at and iso(row.said_at),
                "content_type": row.content_type,
                "headers": dict(row.headers),
                "query": row.query,
                "event_ids": [str(one) for one in row.event_ids],
            }
            shared = row.survey is None and len(row.event_ids) > 1
            return row.source, iso(row.received_at), shared, details, _text(row.body)
        case Shown():
            details = {
                "id": str(row.row.id),
                "path": row.row.path,
                "rule": row.row.rule,
                "content_type": row.content_type,
                "headers": dict(row.headers),
                "query": row.query,
            }
            said = sum(mark.startswith(SAID) for mark in row.people)
            shared = row.row.places != (0,) or said > 1
            return row.row.source, iso(row.row.received_at), shared, details, _text(row.body)
        case Entry():
            details = {"event_id": str(row.event_id), "topic": row.message.topic}
            return None, iso(row.spooled_at), False, details, _event(row.message.value)
        case Fetch():
            details = {
                "survey": row.survey,
                "response_id": row.response_id,
                "said_at": iso(row.occurred_at),
                "waits": row.waits,
            }
            return row.source, iso(row.received_at), False, details, dict(row.variables)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _event(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return _text(value)
