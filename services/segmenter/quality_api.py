"""`GET /v1/data-quality`: what is wrong with the customer base, counted and listed.

In: bearer tokens with the scope `read`; a cursor of ours. Out: counts, customers by id, and pairs
who may be one person. Ids only: an address goes into no list and no cursor.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter import quality_pairs, quality_table
from services.segmenter.decide import Rulebook
from services.segmenter.quality import Kind, ReasonCode, stale_before, twins
from services.segmenter.quality_table import FIRST, Asked
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.identifiers import Rules

#: PostgreSQL's "canceling statement due to statement timeout".
_TOO_LONG: Final = "57014"
#: In words, for whoever decides.
_REASONS: Final[dict[ReasonCode, str]] = {
    "merge_refused": "an event named both; one refused what the other granted, so they stayed two",
    "same_name_and_phone": "the same name and the same telephone number",
    "same_name_and_postal_code": "the same name at the same postal code",
    "plus_address": "one mailbox, written with and without a tag after a plus",
    "external_id_case": "one customer number, in capitals or not",
    "same_local_part": "the same name before the @ of two domains",
}

Limit = Annotated[int, Query(ge=1, le=1000)]


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class Counts(_Shown):
    """How many customers of one piece of the base have what; `next` is where the others begin.

    Add the pieces up: a piece has at most 50 000 customers, so most installations have one.
    """

    customers: int
    counts: dict[Kind, int]
    stale_before: datetime
    next: UUID | None


class Listed(_Shown):
    """Customers of one kind. A page may hold fewer than asked for, and yet another follows."""

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
    """Two customers who may be one person; the strongest reason first, the confidence 0 to 1."""

    customers: tuple[UUID, UUID]
    confidence: float
    reasons: tuple[Reason, ...]
    preview: Preview


class Pairs(_Shown):
    """Suspected duplicates. A page may hold fewer than asked for, and yet another follows."""

    pairs: tuple[Pair, ...]
    next: str | None


def make_quality_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the routes; `rules` normalise the telephone numbers that attributes hold."""
    quality = rulebook.policy.quality
    router = APIRouter(
        prefix="/v1/data-quality",
        tags=["customers"],
        dependencies=[Depends(access.require("read"))],
        responses=GUARDED,
    )

    def asked(cursor: UUID | None) -> Asked:
        return Asked(cursor or FIRST, quality, stale_before(quality, clock()))

    @router.get("")
    async def counted(cursor: UUID | None = None) -> Counts:
        """Count customers without tone, name or language, with a wrong number, and so on."""
        wanted = asked(cursor)
        with away_as_dependency():
            async with engine.connect() as connection:
                customers, counts, end = await quality_table.counts(connection, wanted)
        return Counts(
            customers=customers, counts=counts, stale_before=wanted.stale_before, next=end
        )

    @router.get(
        "/duplicates",
        responses={503: {"description": "It took more than a minute, or a dependency is away"}},
    )
    async def duplicates(
        cursor: Annotated[str | None, Query(max_length=80)] = None,
        limit: Limit = 200,
        least: Annotated[float, Query(ge=0, le=1, description="only from this confidence")] = 0,
    ) -> Pairs:
        """List customers who may be one person. Everybody is looked at: ask it now and then."""
        after = _pair_of(cursor)
        with away_as_dependency():
            async with engine.connect() as connection:
                try:
                    found = await quality_pairs.pairs(connection, quality, after, limit)
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
                        raise
                    raise Problem(
                        503, "too-long", "it took more than a minute: ask in a quiet hour"
                    ) from None
                known = await quality_pairs.people(
                    connection, set(chain.from_iterable(found)), quality, rules
                )
        judged = (twins(known[one], known[other]) for one, other in found)
        return Pairs(
            pairs=tuple(
                Pair(
                    customers=(pair.one, pair.other),
                    confidence=pair.confidence,
                    reasons=tuple(Reason(code=code, words=_REASONS[code]) for code in pair.reasons),
                    preview=_preview(pair.one, pair.other),
                )
                for pair in judged
                if pair is not None and pair.confidence >= least
            ),
            next=f"{found[-1][0]}.{found[-1][1]}" if len(found) == limit else None,
        )

    @router.get("/{kind}")
    async def listed(kind: Kind, cursor: UUID | None = None, limit: Limit = 200) -> Listed:
        """List the customers of one kind, in the order of their ids."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found, end = await quality_table.listed(connection, kind, asked(cursor), limit)
        return Listed(kind=kind, customers=tuple(found), next=end)

    return router


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
