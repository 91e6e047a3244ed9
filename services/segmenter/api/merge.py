"""Merging customers and undoing it, by a person; first what would come out, if asked so.

In: bearer tokens with the scope `operate`; customers by id or identifiers, in the body only. Out:
the id of the event that asks for it (202), or what it would bring (200); a problem document where
there is nothing to do.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.api.customers import Search, search_keys
from services.segmenter.api.merge_views import MergePreview
from services.segmenter.api.previewing import command_of, shown
from services.segmenter.decide.decide import Rulebook
from services.segmenter.store import store
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.events import feedback
from shared.events.envelope import FEEDBACK, Event, encode
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.identifiers import Rules

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": MergePreview, "description": "What would come out; nothing was changed"},
    404: {"description": "No customer is known so"},
    409: {"description": "Nothing to do, or several customers are known so"},
}


class Who(Search):
    """One customer: by her id, or by identifiers that lead to one."""

    customer_id: UUID | None = None


class MergeWish(BaseModel):
    """Two customers who are one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a: Who
    b: Who
    preview: bool = False


class UnmergeWish(BaseModel):
    """A customer who was merged, by the id that she had, and is somebody of her own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: UUID
    preview: bool = False


class Asked(BaseModel):
    """It is asked for, and done in a moment. Asked twice, it is the same event."""

    event_id: UUID
    customers: tuple[UUID, ...]


def make_merge_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
    *,
    publisher: Publisher,
) -> APIRouter:
    """Build `/v1/customers/merge` and `/unmerge`; `rules` normalise how customers are named."""
    router = APIRouter(prefix="/v1/customers", tags=["customers"], responses=GUARDED)
    caller = Depends(access.require("operate"))
    desk = _Desk(engine, rulebook, clock, rules, publisher=publisher)

    @router.post("/merge", status_code=202, responses=_ANSWERS)
    async def merge(
        wish: MergeWish, response: Response, token: Annotated[Token, caller]
    ) -> Asked | MergePreview:
        """Merge two customers. Of their consents the stricter state stands."""
        with away_as_dependency():
            async with engine.connect() as connection:
                one = await desk.found(connection, wish.a, "a")
                other = await desk.found(connection, wish.b, "b")
        if one == other:
            raise Problem(409, "already-one", "both lead to one customer already")
        data = feedback.MergeRequested(
            customer_id=min(one, other),
            other_id=max(one, other),
            asked_by=token.name,
            asked_at=clock(),
        )
        return await desk.answer(data, (data.customer_id, data.other_id), response, wish.preview)

    @router.post("/unmerge", status_code=202, responses=_ANSWERS)
    async def unmerge(
        wish: UnmergeWish, response: Response, token: Annotated[Token, caller]
    ) -> Asked | MergePreview:
        """Undo a merge: she, and whoever had been merged into her, is somebody of her own."""
        with away_as_dependency():
            async with engine.connect() as connection:
                survivors = await store.survivors(connection, [wish.customer_id])
                exists = await store.existing(connection, [wish.customer_id])
        if not exists:
            raise _unknown("customer_id")
        if survivors[wish.customer_id] == wish.customer_id:
            raise Problem(
                409,
                "not-merged",
                "she is merged into nobody: give the id that was merged, which `aliases` of the "
                "customer lists",
            )
        data = feedback.UnmergeRequested(
            customer_id=wish.customer_id, asked_by=token.name, asked_at=clock()
        )
        return await desk.answer(data, (data.customer_id,), response, wish.preview)

    return router


class _Desk:
    """What both routes do alike."""

    def __init__(
        self,
        engine: AsyncEngine,
        rulebook: Rulebook,
        clock: Callable[[], datetime],
        rules: Rules,
        *,
        publisher: Publisher,
    ) -> None:
        self._engine = engine
        self._rulebook = rulebook
        self._clock = clock
        self._rules = rules
        self._publisher = publisher

    async def found(self, connection: AsyncConnection, who: Who, name: str) -> UUID:
        """Find the one customer that is meant. Raises `Problem`."""
        return await one_customer(connection, who, name, self._rules)

    async def answer(
        self,
        data: feedback.MergeCommand,
        customers: tuple[UUID, ...],
        response: Response,
        preview: bool,
    ) -> Asked | MergePreview:
        """Show what the command would bring, or ask for it."""
        command = await command_of(self._engine, data, customers)
        if preview:
            response.status_code = 200
            found = await shown(self._engine, self._rulebook, command, self._clock)
            if found is None:
                raise Problem(409, "nothing-to-do", "it was done meanwhile")
            return found
        event = Event(command.event_id, "nps/segmenter", data.asked_at, data)
        message = Message(topic=FEEDBACK, key=str(data.customer_id), value=encode(event))
        await self._publisher.publish([message])
        return Asked(event_id=command.event_id, customers=customers)


async def one_customer(connection: AsyncConnection, who: Who, name: str, rules: Rules) -> UUID:
    """Find the one customer (of merged ones the survivor) that is meant. Raises `Problem`."""
    found: Iterable[UUID]
    if who.customer_id is not None:
        found = await store.existing(connection, [who.customer_id])
    else:
        found = (await store.customers_of(connection, search_keys(who, rules))).values()
    roots = set((await store.survivors(connection, found)).values())
    if not roots:
        raise _unknown(name)
    if len(roots) > 1:
        raise Problem(
            409, "several-customers", f"`{name}` leads to several customers: give customer_id"
        )
    return roots.pop()


def _unknown(name: str) -> Problem:
    return Problem(404, "unknown-customer", f"no customer is known by `{name}`")
