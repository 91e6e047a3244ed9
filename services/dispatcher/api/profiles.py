"""Profiles that a platform refused: pushing them again at a person's word, over HTTP."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.api.target_path import NO_SUCH_TARGET, TargetName
from services.dispatcher.bell import Bell
from services.dispatcher.delivery import TargetRules
from services.dispatcher.operate.profiles import Chosen, RefusedState, Word, redrive
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict

_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class RedriveProfiles(Strict):
    """Which refused profiles are pushed again, and why; `reason_contains`: part of the refusal."""

    reason: _Line
    state: Annotated[tuple[RefusedState, ...], Field(min_length=1)] = ("rejected", "parked")
    reason_contains: _Line | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    dry_run: bool = False


class ProfilesRedriven(BaseModel):
    """How many are due again by the state they had (with `dry_run`: would be), and how many not.

    `reasons`: the same by state and by what refused them. `left`: why the others stay as they are.
    `more`: more were chosen than `limit`; ask again.
    """

    dry_run: bool
    changed: dict[str, int]
    reasons: dict[str, dict[str, int]]
    left: dict[str, int]
    more: bool


def build_profiles_router(
    engine: AsyncEngine,
    access: Access,
    targets: Mapping[str, TargetRules],
    bell: Bell,
    clock: Callable[[], datetime],
    *,
    trail: Trail,
) -> APIRouter:
    """Make the route that pushes refused profiles again."""
    router = APIRouter(prefix="/v1/targets", tags=["targets"], responses=GUARDED)

    @router.post("/{target}/redrive-profiles", responses=NO_SUCH_TARGET)
    async def redrive_profiles(
        target: TargetName,
        wish: RedriveProfiles,
        token: Annotated[Token, Depends(access.require("operate"))],
    ) -> ProfilesRedriven:
        """Push again what the platform refused for good or left to a person, as it is wanted now.

        Never a test respondent's at a live target, nor of somebody who was erased.
        """
        if target not in targets:
            raise Problem(404, "unknown-target", "no target of this name is configured")
        chosen = Chosen(targets[target], wish.state, wish.reason_contains or "", wish.limit)
        word = Word(trail.pen(token.name, clock()), wish.reason)
        with away_as_dependency():
            done = await redrive(engine, chosen, word, dry_run=wish.dry_run)
        if not wish.dry_run:
            bell.ring(target)
        return ProfilesRedriven(
            dry_run=wish.dry_run,
            changed={state: why.total() for state, why in done.changed.items()},
            reasons={state: dict(why) for state, why in done.changed.items()},
            left=dict(done.left),
            more=done.more,
        )

    return router
