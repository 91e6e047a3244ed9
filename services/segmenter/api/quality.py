"""`GET /v1/data-quality`: what is wrong with the customer base, counted and listed.

In: bearer tokens with the scope `read`; a cursor of ours. Out: counts, customers by id, and pairs
who may be one person. Ids only: an address goes into no list and no cursor. All of it is as of a
moment: a sweep reads whoever changed, within seconds, and counts everybody every five minutes. What
a merge of a pair would bring, if asked for, is as of now.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.api.merge_views import MergePreview
from services.segmenter.api.previewing import shown_pair
from services.segmenter.decide.decide import Rulebook
from services.segmenter.quality import store as quality_store
from services.segmenter.quality.quality import Kind, ReasonCode, stale_before
from services.segmenter.quality.store import FIRST, Unread
from services.segmenter.sweep import progress
from services.segmenter.sweep.problems import not_counted
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.http.routing import guarded

#: In words, for whoever decides.
_REASONS: Final[dict[ReasonCode, str]] = {
    "merge_refused": "an event named both; one refused what the other granted, so they stayed two",
    "same_name_and_phone": "the same name and the same telephone number",
    "same_name_and_postal_code": "the same name at the same postal code",
    "plus_address": "one mailbox, written with and without a tag after a plus",
    "external_id_case": "one customer number, in capitals or not",
    "same_local_part": "the same name before the @ of two domains",
}

#: A preview folds the whole histories of both.
_PREVIEWED: Final = 20

Limit = Annotated[int, Query(ge=1, le=1000)]


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Counts(_Shown):
    """How many customers have what, and how many pairs may be one person, as of a moment."""

    as_of: datetime
    customers: int
    counts: dict[Kind, int]
    suspected_duplicates: int
    stale_before: datetime


class Listed(_Shown):
    """Customers of one kind, as of a moment; `next`: the cursor of the page that follows."""

    as_of: datetime
    kind: Kind
    customers: tuple[UUID, ...]
    next: UUID | None


class Reason(_Shown):
    """One reason to suspect."""

    code: ReasonCode
    words: str


class Preview(_Shown):
    """The request (POST) that shows what a merge would bring; sent without `preview`, it merges."""

    path: str = "/v1/customers/merge"
    body: dict[str, dict[str, UUID] | bool]


class Pair(_Shown):
    """Two customers who may be one person; the strongest reason first, the confidence 0 to 1.

    `outcome`: what a merge would bring; null unless asked for, or if one of them is merged by now.
    """

    customers: tuple[UUID, UUID]
    confidence: float
    reasons: tuple[Reason, ...]
    preview: Preview
    outcome: MergePreview | None = None


class Pairs(_Shown):
    """Suspected duplicates, as of a moment; `next`: the cursor of the page that follows."""

    as_of: datetime
    pairs: tuple[Pair, ...]
    next: str | None


def make_quality_router(
    engine: AsyncEngine, rulebook: Rulebook, access: Access, clock: Callable[[], datetime]
) -> APIRouter:
    """Build the routes."""
    quality = rulebook.policy.quality
    router = guarded(
        access,
        "read",
        "customers",
        prefix="/v1/data-quality",
        responses={503: {"description": "Not counted yet, or a dependency is away"}},
    )

    @router.get("")
    async def counted() -> Counts:
        """Count customers without tone, name or language, with a wrong number, and so on."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await quality_store.summary(connection)
        if isinstance(found, Unread):
            raise not_counted(found.customers)
        return Counts(
            as_of=found.as_of,
            customers=found.customers,
            counts=found.counts,
            suspected_duplicates=found.suspected_duplicates,
            stale_before=found.stale_before,
        )

    @router.get("/duplicates")
    async def duplicates(
        cursor: Annotated[str | None, Query(max_length=80)] = None,
        limit: Limit = 200,
        least: Annotated[float, Query(ge=0, le=1, description="only from this confidence")] = 0,
        preview: Annotated[
            bool, Query(description="with what a merge would bring; then 20 pairs a page at most")
        ] = False,
    ) -> Pairs:
        """List customers who may be one person, in the order of their ids."""
        after = _pair_of(cursor)
        limit = min(limit, _PREVIEWED) if preview else limit
        with away_as_dependency():
            async with engine.connect() as connection:
                as_of = await _as_of(connection)
                found = await quality_store.pairs(connection, after, limit, least)
        outcomes = [
            await shown_pair(engine, rulebook, (pair.one, pair.other), clock) if preview else None
            for pair in found
        ]
        return Pairs(
            as_of=as_of,
            pairs=tuple(
                Pair(
                    customers=(pair.one, pair.other),
                    confidence=pair.confidence,
                    reasons=tuple(Reason(code=code, words=_REASONS[code]) for code in pair.reasons),
                    preview=_preview(pair.one, pair.other),
                    outcome=outcome,
                )
                for pair, outcome in zip(found, outcomes, strict=True)
            ),
            next=f"{found[-1].one}.{found[-1].other}" if len(found) == limit else None,
        )

    @router.get("/{kind}")
    async def listed(kind: Kind, cursor: UUID | None = None, limit: Limit = 200) -> Listed:
        """List the customers of one kind, in the order of their ids."""
        old = stale_before(quality, clock())
        with away_as_dependency():
            async with engine.connect() as connection:
                as_of = await _as_of(connection)
                found = await quality_store.listed(connection, kind, cursor or FIRST, limit, old)
        following = found[-1] if len(found) == limit else None
        return Listed(as_of=as_of, kind=kind, customers=tuple(found), next=following)

    return router


async def _as_of(connection: AsyncConnection) -> datetime:
    """Tell up to when every change is read. Raises `Problem`."""
    found = await progress.look(connection)
    if found is None or found.as_of is None:
        raise not_counted(found.customers if found else 0)
    return found.as_of


def _preview(one: UUID, other: UUID) -> Preview:
    return Preview(body={"a": {"customer_id": one}, "b": {"customer_id": other}, "preview": True})


def _pair_of(cursor: str | None) -> tuple[UUID, UUID]:
    """Read a cursor. Raises `Problem`."""
    if cursor is None:
        return FIRST, FIRST
    one, _, other = cursor.partition(".")
    try:
        return UUID(one), UUID(other)
    except ValueError:
        raise Problem(422, "invalid-request", "cursor: give `next` of the page before") from None
