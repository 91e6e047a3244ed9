"""Forgetting a person at her request: asked for, and the receipt of what became of it.

In: bearer tokens with the scope `erase`; whom by id or identifiers, in the body only. Out: the id
of the erasure (202), what it would delete (200), or the receipt. Whether anybody was known is told
by the preview and the receipt, never by the answer to the request.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.segmenter.api.customers import search_keys
from services.segmenter.api.merge import Who
from services.segmenter.erase.request import Receipt, Requests
from services.segmenter.erase.waiting import LATE, WaitsFor
from services.segmenter.profile.facts import Key
from shared.bus.topics import declared
from shared.events.vocabulary import Moment
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.identifiers import Rules

#: A record stays this long at most: its topic's retention, and the segment that it lies in.
_IN_TOPICS: Final[timedelta] = max(topic.retention + topic.segment for topic in declared())
_ELSEWHERE: Final = {
    "ingest": "deletes kept bodies, quarantine, spool and waiting fetches that name her, and takes "
    "in nothing told before the erasure",
    "dispatcher": "ends what waits, empties her deliveries and pushes, and asks the platforms that "
    "can to delete her: GET /v1/erasures/{erasure_id}/targets names who must be asked by hand",
}


class Wish(Who):
    """Whom to forget: by her id, or by identifiers; whoever any of them leads to."""

    preview: bool = False


class ErasureAsked(BaseModel):
    """It is written down, and done in a moment; `receipt` is where to look."""

    erasure_id: UUID
    receipt: str


class ErasurePreview(BaseModel):
    """Who would be forgotten, and how many rows would go, by table; nothing was changed."""

    customer_ids: tuple[UUID, ...]
    counts: dict[str, int]


class ErasureReceipt(BaseModel):
    """What became of an erasure.

    `state` is the segmenter's; `waits_for` names who has not done it yet (nobody: it is finished
    everywhere), and `confirmed` is when each of the others had.
    `counts`: rows of the segmenter that are gone, by table (of `decisions` their bodies; ids and
    times stay). From `topics_forget_at` on no topic holds a record of hers. `elsewhere`: what the
    other services do, each by itself.
    """

    erasure_id: UUID
    state: Literal["asked", "done"]
    waits_for: tuple[WaitsFor, ...]
    confirmed: dict[str, Moment]
    asked_at: Moment
    asked_by: str
    done_at: Moment | None
    topics_forget_at: Moment | None
    customer_ids: tuple[UUID, ...]
    counts: dict[str, int]
    elsewhere: dict[str, str]


class OpenErasure(BaseModel):
    """A request that is not finished everywhere: since when, and whom it waits for."""

    erasure_id: UUID
    asked_at: Moment
    asked_by: str
    waits_for: tuple[WaitsFor, ...]
    late: bool


class OpenErasures(BaseModel):
    """Requests that are not finished, oldest first; `late` are those that the log warns of."""

    erasures: tuple[OpenErasure, ...]


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": ErasurePreview, "description": "What would go; nothing was changed"}
}


def make_erase_router(
    requests: Requests,
    access: Access,
    rules: Rules,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], UUID] = uuid4,
) -> APIRouter:
    """Build `/v1/customers/erase` and `/v1/erasures`; `rules` normalise how she is named."""
    router = APIRouter(prefix="/v1", tags=["erasure"], responses=GUARDED)
    caller = Depends(access.require("erase"))

    @router.post("/customers/erase", status_code=202, responses=_ANSWERS)
    async def erase(
        wish: Wish, response: Response, token: Annotated[Token, caller]
    ) -> ErasureAsked | ErasurePreview:
        """Forget a person everywhere. What she says later makes a new customer."""
        ids, keys = whom(wish, rules)
        if wish.preview:
            response.status_code = 200
            customer_ids, counts = await requests.preview(ids, keys)
            return ErasurePreview(customer_ids=customer_ids, counts=counts)
        erasure_id = new_id()
        await requests.ask(erasure_id, ids, keys, token.name)
        return ErasureAsked(erasure_id=erasure_id, receipt=f"/v1/erasures/{erasure_id}")

    @router.get("/erasures", dependencies=[caller])
    async def unfinished(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> OpenErasures:
        """List the requests that are not finished everywhere, oldest first."""
        late = clock() - LATE
        return OpenErasures(
            erasures=tuple(
                OpenErasure(
                    erasure_id=one.erasure_id,
                    asked_at=one.asked_at,
                    asked_by=one.asked_by,
                    waits_for=one.waits_for,
                    late=one.asked_at <= late,
                )
                for one in await requests.unfinished(limit)
            )
        )

    @router.get(
        "/erasures/{erasure_id}",
        dependencies=[caller],
        responses={404: {"description": "No erasure has this id"}},
    )
    async def receipt(erasure_id: UUID) -> ErasureReceipt:
        """Tell what is gone, and when the topics will have forgotten her, too."""
        found = await requests.receipt(erasure_id)
        if found is None:
            raise Problem(404, "unknown-erasure", "no erasure has this id")
        return _receipt(found)

    return router


def whom(who: Who, rules: Rules) -> tuple[list[UUID], list[Key]]:
    """Read who is meant: ids of ours and normalised identifiers. Raises `Problem`."""
    named = any(value is not None for value in (who.external_id, who.email, who.phone))
    if who.customer_id is None:
        return [], search_keys(who, rules)
    return [who.customer_id], search_keys(who, rules) if named else []


def _receipt(found: Receipt) -> ErasureReceipt:
    done: datetime | None = found.done_at
    return ErasureReceipt(
        erasure_id=found.erasure_id,
        state="done" if found.state == "done" else "asked",
        waits_for=found.waits_for,
        confirmed=found.confirmed,
        asked_at=found.asked_at,
        asked_by=found.asked_by,
        done_at=done,
        topics_forget_at=None if done is None else done + _IN_TOPICS,
        customer_ids=found.customer_ids,
        counts=found.counts,
        elsewhere=_ELSEWHERE,
    )
