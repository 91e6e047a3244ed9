"""What plays do, and what they hand out: effects of experiments, coupon pools.

No personal data, and no code: counts. Codes come in by an import and never go out here.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.plan import coupons, draws
from services.dispatcher.plan.experiments import LEAST, measured
from services.dispatcher.playbook.plays import Playbook
from shared.audit.trail import Trail
from shared.database import away_as_dependency
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict

#: A code as shops print them; anything longer is a column that was mistaken for one.
_Code = Annotated[str, Field(min_length=3, max_length=64, pattern=r"^[\x21-\x7e]+$")]


class Estimate(BaseModel):
    """A number with its 95 % interval; `too_few`: no interval, and nothing to conclude."""

    value: float | None
    low: float | None
    high: float | None
    too_few: bool


class ArmShown(BaseModel):
    """What the customers of one arm did since: each counts once, by the first time."""

    arm: str
    customers: int
    answered: int
    churned: int
    next_score: Estimate
    next_nps: float | None
    answer_rate: Estimate
    churn: Estimate


class DifferenceShown(BaseModel):
    """An arm less the hold-out; an interval that holds 0 shows no effect."""

    arm: str
    next_score: Estimate
    answer_rate: Estimate
    churn: Estimate


class Effect(BaseModel):
    """What a play did: its arms, and each against the hold-out.

    Everybody counts in the arm she was drawn for, also where a budget then refused the message:
    who was reached is no chance, and would compare two kinds of people. `least`: fewer than so many
    customers of an arm are too few.
    """

    play: str
    since: AwareDatetime | None
    until: AwareDatetime
    least: int
    arms: list[ArmShown]
    against_hold_out: list[DifferenceShown]


class EffectQuery(Strict):
    """Whom to count: drawn since then, and long enough ago to have answered again."""

    since: AwareDatetime | None = None
    days: Annotated[int, Field(ge=0, le=3660)] = 0


class Pool(BaseModel):
    """A coupon pool: codes free, given at all, given in the present period and at most in one."""

    pool: str
    free: int
    given: int
    given_in_period: int
    most_in_period: int
    period_hours: float


class Pools(BaseModel):
    """All pools of the playbook."""

    pools: list[Pool]


class Codes(Strict):
    """Codes to add to a pool."""

    codes: Annotated[list[_Code], Field(min_length=1, max_length=10_000)]


class Imported(BaseModel):
    """How many codes are new; the others are in the pool already, free or given."""

    pool: str
    added: int
    known: int


def build_play_router(
    engine: AsyncEngine,
    access: Access,
    playbook: Playbook,
    clock: Callable[[], datetime],
    *,
    trail: Trail,
) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", tags=["plays"], responses=GUARDED)
    read, operate = access.require("read"), access.require("operate")

    @router.get(
        "/plays/{play}/effect",
        dependencies=[Depends(read)],
        responses={404: {"description": "Nobody was drawn for an experiment of this play"}},
    )
    async def effect(play: str, query: Annotated[EffectQuery, Query()]) -> Effect:
        """Show the next score, answer rate and churn of those treated against the hold-out."""
        until = clock() - timedelta(days=query.days)
        with away_as_dependency():
            async with engine.connect() as connection:
                counts = await draws.counted(connection, play, since=query.since, until=until)
        known = playbook.named(play)
        if not counts and (known is None or known.experiment is None):
            raise Problem(404, "no-experiment", "this play has no experiment, and had none")
        arms, differences = measured(counts)
        return Effect(
            play=play,
            since=query.since,
            until=until,
            least=LEAST,
            arms=[ArmShown.model_validate(asdict(arm)) for arm in arms],
            against_hold_out=[DifferenceShown.model_validate(asdict(one)) for one in differences],
        )

    @router.get("/coupons", dependencies=[Depends(read)])
    async def pools() -> Pools:
        """Count the codes of every pool."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await coupons.counts(connection, playbook.coupon_pools, clock())
        return Pools(
            pools=[
                Pool(
                    **asdict(one),
                    most_in_period=playbook.coupon_pools[one.pool].most,
                    period_hours=playbook.coupon_pools[one.pool].period / timedelta(hours=1),
                )
                for one in found
            ]
        )

    @router.post(
        "/coupons/{pool}",
        responses={404: {"description": "The playbook has no such pool"}},
    )
    async def add_codes(
        pool: str, wish: Codes, token: Annotated[Token, Depends(operate)]
    ) -> Imported:
        """Add codes to a pool; told again, nothing is added. What waits for one goes out."""
        if pool not in playbook.coupon_pools:
            raise Problem(404, "unknown-pool", "the playbook has no such pool in coupon_pools")
        with away_as_dependency():
            added = await coupons.import_codes(
                engine, pool, wish.codes, trail.pen(token.name, clock())
            )
        return Imported(pool=pool, added=added, known=len(set(wish.codes)) - added)

    return router
