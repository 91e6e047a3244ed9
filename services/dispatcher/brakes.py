"""Whether a target may be called at all: pauses and slowdowns, in rows that all replicas read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.desk import Desk

_TARGET = text("""
    SELECT paused_until, slow_until, EXISTS (
        SELECT 1 FROM calls WHERE target = :target AND lease_until < now()
    ) AS lapsed, EXISTS (
        SELECT 1 FROM deletions WHERE target = :target AND state = 'due' AND due <= :now
    ) AS deletions, EXISTS (
        SELECT 1 FROM calls WHERE target = :target AND lease_until >= now()
    ) AS calling, EXISTS (
        SELECT 1 FROM pushes WHERE target = :target AND state = 'due' AND due <= :now
    ) AS pushes, EXISTS (
        SELECT 1 FROM deliveries
        WHERE target = :target AND state IN ('planned', 'waiting') AND due <= :now
    ) AS deliveries
    FROM targets WHERE name = :target
""")
_PAUSE = text("""
    UPDATE targets SET paused_until = :until, reason = :reason WHERE name = :target
""")
_SLOW = text("UPDATE targets SET slow_until = :until, reason = :reason WHERE name = :target")
_RESUME = text("""
    UPDATE targets SET paused_until = NULL, slow_until = NULL, reason = NULL WHERE name = :target
""")
_ADD_TARGETS = text("""
    INSERT INTO targets (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT (name) DO UPDATE
        SET paused_until = NULL, slow_until = NULL, reason = NULL
""")


@dataclass(frozen=True, slots=True)
class Brake:
    """A target's row, and what there is to do for it, so that an idle poll is one query.

    `lapsed`: there are calls whose lease has ended; `calling`: some are in flight; `deletions`,
    `pushes`, `deliveries`: some are due.
    """

    paused_until: datetime | None
    slow_until: datetime | None
    lapsed: bool
    calling: bool
    deletions: bool
    pushes: bool
    deliveries: bool

    def paused(self, now: datetime) -> bool:
        """Tell whether the target's account is known to be wrong, and it is too early to ask."""
        return self.paused_until is not None and now < self.paused_until

    @property
    def probing(self) -> bool:
        """Whether a pause ended without a call that worked: one goes ahead and shows the rest."""
        return self.paused_until is not None

    def holds(self, now: datetime) -> bool:
        """Tell whether nothing may be claimed now."""
        slowed = self.slow_until is not None and now < self.slow_until
        return self.paused(now) or slowed or (self.probing and self.calling)


async def add_targets(engine: AsyncEngine, names: Collection[str]) -> None:
    """Have a row for each target. A start ends a pause: credentials may have been corrected."""
    async with engine.begin() as connection:
        await connection.execute(_ADD_TARGETS, {"names": sorted(names)})


async def read(desk: Desk, now: datetime) -> Brake:
    """Return how a target stands."""
    # Asked five times a second by every idle lane: one statement needs no transaction around it.
    alone = desk.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with alone.connect() as connection:
        values = {"target": desk.rules.name, "now": now}
        row = (await connection.execute(_TARGET, values)).one()
    return Brake(
        paused_until=row.paused_until,
        slow_until=row.slow_until,
        lapsed=row.lapsed,
        calling=row.calling,
        deletions=row.deletions,
        pushes=row.pushes,
        deliveries=row.deliveries,
    )


async def pause(desk: Desk, reason: str, until: datetime) -> None:
    """Stop calling a target whose account is wrong; after `until` one call tries again."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "until": until, "reason": reason}
        await connection.execute(_PAUSE, values)


async def slow(desk: Desk, reason: str, until: datetime) -> None:
    """Claim nothing for a target before `until`: it asked for less."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "until": until, "reason": reason}
        await connection.execute(_SLOW, values)


async def resume(desk: Desk) -> None:
    """End a pause after a call that worked."""
    async with desk.engine.begin() as connection:
        await connection.execute(_RESUME, {"target": desk.rules.name})
