"""Sending on, releasing and cancelling deliveries by a filter, over HTTP.

Every change keeps the name of the token that asked. `dry_run` only counts. No personal data.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.bell import Bell
from services.dispatcher.metrics import Metrics
from services.dispatcher.operate.bulk import Done, Work, change_many
from services.dispatcher.operate.redrive import Ask, Change, cancelled, sent_on
from services.dispatcher.plan.plan import Rulebook
from shared.audit.actions import Action
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.settings import Strict

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Chosen(Strict):
    """Which deliveries; every given filter must hold, and one at least must be given.

    `since` and `until`: when they came to the state they are in.
    """

    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    target: _Name | None = None
    play: _Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    reason_contains: _Line | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    dry_run: bool = False

    @model_validator(mode="after")
    def _something(self) -> "Chosen":
        if not self.filters():
            raise ValueError("name ids, target, play, since, until or reason_contains")
        return self

    def filters(self) -> dict[str, object]:
        """Return what is given."""
        names = {"ids", "target", "play", "since", "until", "reason_contains"}
        return self.model_dump(include=names, exclude_none=True)


class Redrive(Chosen):
    """Deliveries that ended without being sent, or wait for a person."""

    state: Annotated[
        tuple[Literal["rejected", "expired", "parked", "suppressed", "superseded"], ...],
        Field(min_length=1),
    ]


class Release(Chosen):
    """Deliveries that are parked."""


class Cancel(Chosen):
    """Deliveries that wait, and why they shall not be sent."""

    state: Annotated[tuple[Literal["planned", "waiting", "parked"], ...], Field(min_length=1)] = (
        "planned",
        "waiting",
        "parked",
    )
    reason: _Line


class Outcome(BaseModel):
    """How many went into which state (with `dry_run`: would go), and how many were left and why.

    `reasons`: the same by state and reason. `more`: more were chosen than `limit`; ask again.
    """

    dry_run: bool
    changed: dict[str, int]
    reasons: dict[str, dict[str, int]]
    left: dict[str, int]
    more: bool


_PARKED: Final = ("parked",)


def build_bulk_router(
    engine: AsyncEngine,
    access: Access,
    *,
    rules: Rulebook,
    bell: Bell,
    metrics: Metrics,
    clock: Callable[[], datetime],
    trail: Trail,
) -> APIRouter:
    """Make the routes that change many deliveries."""
    router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"], responses=GUARDED)
    operate = access.require("operate")

    async def changed(
        wish: Chosen,
        states: Sequence[str],
        change: Change,
        token: Token,
        action: Action,
        *,
        reason: str = "",
        looked: bool = False,
    ) -> Outcome:
        ask = Ask(token.name, clock(), reason, looked)
        work = Work(rules, change, ask, tuple(states), trail, action)
        with away_as_dependency():
            done = await change_many(
                engine, work, wish.filters(), most=wish.limit, dry_run=wish.dry_run
            )
        if not wish.dry_run:
            metrics.changed(done.changed)
            for target in {delivery.target for delivery in done.changed}:
                bell.ring(target)
            bell.ring("teller")
        return _outcome(done, dry_run=wish.dry_run)

    @router.post("/redrive")
    async def redrive_deliveries(
        wish: Redrive, token: Annotated[Token, Depends(operate)]
    ) -> Outcome:
        """Make deliveries due again, all asked anew that planning asks; an old apology expires.

        What is past the surge brake of its play, or among the first of a changed one, is parked.
        Never what was accepted, is in doubt, or was refused by what nobody asks again.
        """
        return await changed(wish, wish.state, sent_on, token, "deliveries.redriven")

    @router.post("/release")
    async def release_deliveries(
        wish: Release, token: Annotated[Token, Depends(operate)]
    ) -> Outcome:
        """Let parked deliveries go that a person has looked at: gates are asked anew, no brake."""
        return await changed(wish, _PARKED, sent_on, token, "deliveries.released", looked=True)

    @router.post("/cancel")
    async def cancel_deliveries(wish: Cancel, token: Annotated[Token, Depends(operate)]) -> Outcome:
        """End deliveries that wait; what may have been sent is in doubt and keeps its slot."""
        return await changed(
            wish, wish.state, cancelled, token, "deliveries.cancelled", reason=wish.reason
        )

    return router


def _outcome(done: Done, *, dry_run: bool) -> Outcome:
    states = Counter(str(delivery.state) for delivery in done.changed)
    return Outcome(
        dry_run=dry_run,
        changed=dict(states),
        reasons=done.reasons,
        left=dict(done.left),
        more=done.more,
    )
