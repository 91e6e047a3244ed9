"""Whether a target may be called at all, in rows that all replicas read.

What platforms say: a pause for an account that is wrong, a slowdown, an open breaker, which each
kind of call has for itself. What a person says: a pause, or a rate at which to drain what has
gathered; that neither a start nor an answer ends.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.brakes.breaker import KINDS, Kind
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.ledger.desk import Desk

_TARGET = text("""
    SELECT paused_until, slow_until, held, drain_per_s, drain_most, (
        SELECT probe_at FROM breakers WHERE target = :target AND kind = 'push'
    ) AS push_probe_at, (
        SELECT probe_at FROM breakers WHERE target = :target AND kind = 'act'
    ) AS act_probe_at, EXISTS (
        SELECT 1 FROM calls WHERE target = :target AND lease_until < now()
    ) AS lapsed, EXISTS (
        SELECT 1 FROM deletions WHERE target = :target AND state = 'due' AND due <= :now
    ) AS deletions, EXISTS (
        SELECT 1 FROM calls
        WHERE target = :target AND lease_until >= now() AND delivery_id IS NULL
    ) AS pushing, EXISTS (
        SELECT 1 FROM calls
        WHERE target = :target AND lease_until >= now() AND delivery_id IS NOT NULL
    ) AS acting, EXISTS (
        SELECT 1 FROM pushes WHERE target = :target AND state = 'due' AND due <= :now
    ) AS pushes, EXISTS (
        SELECT 1 FROM deliveries
        WHERE target = :target AND state IN ('planned', 'waiting') AND due <= :now
    ) AS deliveries, (quiet_until IS NULL OR quiet_until <= :now) AND EXISTS (
        SELECT 1 FROM inquiries WHERE target = :target AND due <= :now
            AND (lease_until IS NULL OR lease_until < now())
    ) AS inquiries, LEAST(
        (SELECT min(due) FROM pushes WHERE target = :target AND state = 'due' AND due > :now),
        (SELECT min(due) FROM deliveries
         WHERE target = :target AND state IN ('planned', 'waiting') AND due > :now)
    ) AS next_due
    FROM targets WHERE name = :target
""")
_PAUSE = text("""
    UPDATE targets SET paused_until = :until, reason = :reason
    WHERE name = :target AND (paused_until IS NULL OR paused_until < :until)
""")
# Of several answers to calls in flight together the one that asks for the longest time counts.
_SLOW = text("""
    UPDATE targets SET slow_until = :until, reason = :reason
    WHERE name = :target AND (slow_until IS NULL OR slow_until < :until)
""")
_RESUME = text("""
    WITH closed AS (
        UPDATE breakers SET counted_from = :now, open_since = NULL, probe_at = NULL, reason = NULL
        WHERE target = :target AND kind = :kind AND probe_at IS NOT NULL
    )
    UPDATE targets SET paused_until = NULL, slow_until = NULL, reason = NULL WHERE name = :target
""")
# Without an open breaker the account was the question, and that is answered: the rest is counted.
_FAILED = text("""
    WITH still AS (
        UPDATE breakers SET probe_at = :until
        WHERE target = :target AND kind = :kind AND probe_at IS NOT NULL RETURNING kind
    )
    UPDATE targets SET paused_until = NULL, slow_until = NULL, reason = NULL
    WHERE name = :target AND NOT EXISTS (SELECT 1 FROM still)
""")
_DRAINED = text("""
    WITH ended AS (
        UPDATE targets SET held = NULL, drain_per_s = NULL, drain_most = NULL
        WHERE name = :target AND held = 'draining' RETURNING name
    )
    INSERT INTO target_changes (target, what, reason, by, at)
    SELECT name, 'drained', 'nothing is due any more', 'lane', :now FROM ended
""")
_ADD_TARGETS = text("""
    INSERT INTO targets (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT (name) DO UPDATE
        SET paused_until = NULL, slow_until = NULL, reason = NULL
""")
_ADD_BREAKERS = text("""
    INSERT INTO breakers (target, kind)
    SELECT name, kind FROM unnest(CAST(:names AS text[])) AS name,
        unnest(CAST(:kinds AS text[])) AS kind
    ORDER BY name, kind ON CONFLICT DO NOTHING
""")


#: How a target stands: `account` is wrong · `slowed` by its own word · `broken`: a breaker of
#: its is open · `probing`: the next call finds out. `paused` and `draining` are a person's word.
TargetState = Literal["working", "paused", "draining", "account", "slowed", "broken", "probing"]
TARGET_STATES: Final[tuple[TargetState, ...]] = (
    "working", "paused", "draining", "account", "slowed", "broken", "probing",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps a target from being called at full speed.

    `broken`: the kinds of call whose breaker is open, and until when nothing of them is called.
    """

    paused_until: datetime | None
    slow_until: datetime | None
    held: str | None
    broken: Mapping[Kind, datetime] = field(default_factory=dict)

    def state(self, now: datetime) -> TargetState:
        """Name how it stands; what a person said comes first."""
        if self.held == "paused":
            return "paused"
        if self.paused_until is not None and now < self.paused_until:
            return "account"
        if any(now < until for until in self.broken.values()):
            return "broken"
        if self.slow_until is not None and now < self.slow_until:
            return "slowed"
        if any(map(self.probes, KINDS)):
            return "probing"
        return "draining" if self.held == "draining" else "working"

    def probes(self, kind: Kind) -> bool:
        """Tell whether a pause ended without a call that worked: one goes ahead of its kind."""
        return self.paused_until is not None or kind in self.broken


@dataclass(frozen=True, slots=True)
class Brake:
    """A target's row, and what there is to do for it, so that an idle poll is one query.

    `lapsed`: there are calls whose lease has ended; `calling`: kinds in flight; `deletions`,
    `pushes`, `deliveries`: some are due; `next_due`: when the next of those that are not is;
    `inquiries`: some messages are to be asked about, which is nothing that waits to be sent.
    """

    hold: Hold
    drain: Rate | None
    lapsed: bool
    calling: frozenset[Kind]
    deletions: bool
    pushes: bool
    deliveries: bool
    next_due: datetime | None = None
    inquiries: bool = False

    @property
    def idle(self) -> bool:
        """Whether nothing is due or in flight."""
        return not (self.deletions or self.pushes or self.deliveries or self.calling)

    def holds(self, now: datetime) -> bool:
        """Tell whether nothing may be claimed now."""
        hold = self.hold
        if hold.held == "paused":
            return True
        if any(until is not None and now < until for until in (hold.paused_until, hold.slow_until)):
            return True
        if hold.paused_until is not None and self.calling:
            return True
        return all(self.closed(kind, now) for kind in KINDS)

    def closed(self, kind: Kind, now: datetime) -> bool:
        """Tell whether the breaker of a kind lets none of its calls through now."""
        until = self.hold.broken.get(kind)
        return until is not None and (now < until or kind in self.calling)

    def rates(self, granted: Sequence[Rate]) -> tuple[Rate, ...]:
        """Return the rates to keep to: what the platform grants, and that of a drain."""
        if self.drain is None:
            return tuple(granted)
        drain = self.drain
        same = [r for r in granted if (r.of, r.per_s) == (drain.of, drain.per_s)]
        least = min([drain, *same], key=lambda rate: rate.most)
        return (*(rate for rate in granted if rate not in same), least)


async def add_targets(engine: AsyncEngine, names: Collection[str]) -> None:
    """Have a row for each target. A start ends a pause for its account, which may be corrected.

    What a person said stays, and an open breaker has its probe soon.
    """
    async with engine.begin() as connection:
        await connection.execute(_ADD_TARGETS, {"names": sorted(names)})
        values = {"names": sorted(names), "kinds": list(KINDS)}
        await connection.execute(_ADD_BREAKERS, values)


async def read(desk: Desk, now: datetime) -> Brake:
    """Return how a target stands."""
    # Asked every second by every idle lane: one statement needs no transaction around it.
    alone = desk.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with alone.connect() as connection:
        values = {"target": desk.rules.name, "now": now}
        row = (await connection.execute(_TARGET, values)).one()
    draining = row.held == "draining" and row.drain_per_s is not None
    probes: dict[Kind, datetime | None] = {"push": row.push_probe_at, "act": row.act_probe_at}
    calling: dict[Kind, bool] = {"push": row.pushing, "act": row.acting}
    broken = {kind: at for kind, at in probes.items() if at is not None}
    return Brake(
        hold=Hold(row.paused_until, row.slow_until, row.held, broken),
        drain=Rate(row.drain_per_s, row.drain_most) if draining else None,
        lapsed=row.lapsed,
        calling=frozenset(kind for kind, out in calling.items() if out),
        deletions=row.deletions,
        pushes=row.pushes,
        deliveries=row.deliveries,
        next_due=row.next_due,
        inquiries=row.inquiries,
    )


async def pause(desk: Desk, reason: str, until: datetime) -> None:
    """Stop calling a target whose account is wrong; after `until` one call tries again."""
    await pause_target(desk.engine, desk.rules.name, reason, until)


async def pause_target(engine: AsyncEngine, name: str, reason: str, until: datetime) -> None:
    """Stop calling the target of that name, as `pause` does."""
    async with engine.begin() as connection:
        values = {"target": name, "until": until, "reason": reason}
        await connection.execute(_PAUSE, values)


async def slow(desk: Desk, reason: str, until: datetime) -> None:
    """Claim nothing for a target before `until`: it asked for less."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "until": until, "reason": reason}
        await connection.execute(_SLOW, values)


async def resume(desk: Desk, kind: Kind, now: datetime) -> None:
    """End a pause and close the breaker of its kind after a call that worked."""
    async with desk.engine.begin() as connection:
        values = {"target": desk.rules.name, "kind": kind, "now": now}
        await connection.execute(_RESUME, values)


async def probe_failed(desk: Desk, kind: Kind, now: datetime) -> None:
    """Leave the breaker of its kind open for another while after a probe that failed."""
    async with desk.engine.begin() as connection:
        until = now + desk.rules.breaker.probe
        values = {"target": desk.rules.name, "kind": kind, "until": until}
        await connection.execute(_FAILED, values)


async def drained(desk: Desk, now: datetime) -> None:
    """End a drain: what had gathered is gone."""
    async with desk.engine.begin() as connection:
        await connection.execute(_DRAINED, {"target": desk.rules.name, "now": now})
