"""Coupon pools: codes are imported, given to deliveries once each, and taken back unsent.

A code is given in the transaction that plans its delivery, at most one of a pool per cause, never
more of a pool than its period allows. A pool without codes parks what needs one, which goes out by
itself once there are codes (`refill`). What only a sandbox shall hear of costs no code.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger import ledger
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.offers import NO_CODE, CouponPool, without_code
from shared.audit.trail import Pen
from shared.database import away_as_dependency

_log = structlog.get_logger(__name__)

#: Deliveries that one round of `refill` looks at.
_MOST: Final = 500

_ADD_POOLS = text("""
    INSERT INTO coupon_pools (pool) SELECT p FROM unnest(CAST(:pools AS text[])) AS p ORDER BY p
    ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT pool FROM coupon_pools WHERE pool = ANY(CAST(:pools AS text[])) ORDER BY pool FOR UPDATE
""")
_IMPORT = text("""
    INSERT INTO coupons (pool, code, added_at)
    SELECT :pool, code, :now FROM unnest(CAST(:codes AS text[])) AS code ORDER BY code
    ON CONFLICT DO NOTHING RETURNING code
""")
_GIVEN = text("""
    SELECT count(*) FROM coupons
    WHERE pool = :pool AND delivery_id IS NOT NULL AND given_at > :since
""")
_CAUSES = text("""
    SELECT cause_id FROM coupons WHERE pool = :pool AND cause_id = ANY(CAST(:causes AS uuid[]))
""")
_GIVE = text("""
    WITH wanted AS (
        SELECT delivery, cause, n FROM unnest(CAST(:deliveries AS uuid[]), CAST(:causes AS uuid[]))
            WITH ORDINALITY AS x(delivery, cause, n)
    ), free AS (
        SELECT code, row_number() OVER (ORDER BY added_at, code) AS n FROM (
            SELECT code, added_at FROM coupons WHERE pool = :pool AND delivery_id IS NULL
            ORDER BY added_at, code LIMIT cardinality(CAST(:deliveries AS uuid[]))
        ) AS first
    )
    UPDATE coupons c SET delivery_id = w.delivery, cause_id = w.cause, given_at = :now
    FROM free JOIN wanted w ON w.n = free.n
    WHERE c.pool = :pool AND c.code = free.code
    RETURNING c.delivery_id, c.code
""")
_FILL = text("""
    UPDATE deliveries d SET context = d.context || jsonb_build_object('coupon', x.code)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[])) AS x(id, code) WHERE d.id = x.id
""")
_PARKED = text(f"""
    SELECT {ledger.COLUMNS} FROM deliveries d
    WHERE d.state = 'parked' AND d.play = ANY(CAST(:plays AS text[])) AND d.deadline > :now
        AND starts_with(d.reason, :reason)
    ORDER BY d.planned_at, d.id LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - names of columns, nothing from outside
_COUNT = text("""
    SELECT pool, count(*) FILTER (WHERE delivery_id IS NULL) AS free,
        count(*) FILTER (WHERE delivery_id IS NOT NULL) AS given
    FROM coupons GROUP BY pool
""")


@dataclass(frozen=True, slots=True)
class PoolCount:
    """How many codes of a pool are free, were given at all, and in its present period."""

    pool: str
    free: int
    given: int
    given_in_period: int


async def import_codes(engine: AsyncEngine, pool: str, codes: Sequence[str], pen: Pen) -> int:
    """Add codes to a pool; those it has (or had) already are left out. Returns how many are new."""
    async with engine.begin() as connection:
        values = {"pool": pool, "codes": sorted(set(codes)), "now": pen.at}
        added = len((await connection.scalars(_IMPORT, values)).all())
        await pen.note(
            connection, "coupons.imported", pool, added=added, known=len(set(codes)) - added
        )
        return added


async def counts(
    connection: AsyncConnection, pools: Mapping[str, CouponPool], now: datetime
) -> list[PoolCount]:
    """Count the codes of every pool of the playbook."""
    rows = {row.pool: row for row in await connection.execute(_COUNT)}
    found = []
    for name, pool in sorted(pools.items()):
        row = rows.get(name)
        in_period = await connection.scalar(_GIVEN, {"pool": name, "since": now - pool.period})
        given = row.given if row else 0
        found.append(PoolCount(name, row.free if row else 0, given, in_period or 0))
    return found


async def give(
    connection: AsyncConnection, deliveries: Iterable[Delivery], rules: Rulebook, now: datetime
) -> list[Delivery]:
    """Give new deliveries their codes; returns those that changed: with a code, or without a slot.

    Called before they are inserted; the codes are theirs if the transaction is.
    """
    changed, by_pool = [], dict[str, list[Delivery]]()
    for delivery in deliveries:
        pool = _pool_of(delivery, rules)
        if pool is None or delivery.state not in {"planned", "waiting"}:
            continue
        if rules.targets[delivery.target].sandbox:
            changed.append(_with(delivery, example_code(delivery.id)))
        else:
            by_pool.setdefault(pool, []).append(delivery)
    if not by_pool:
        return changed
    await _lock(connection, by_pool)
    for pool, wanting in sorted(by_pool.items()):
        codes, taken = await _codes(connection, pool, wanting, rules, now)
        for delivery in wanting:
            if delivery.id in codes:
                changed.append(_with(delivery, codes[delivery.id]))
            elif delivery.id in taken:
                reason = f"one code per cause: her answer brought one of {pool} already"
                changed.append(delivery.to("suppressed", reason))
            else:
                changed.append(delivery.to("parked", without_code(pool)))
    return changed


async def refill(engine: AsyncEngine, rules: Rulebook, now: datetime) -> list[Delivery]:
    """Give codes to what waits for one, oldest first, and make it due. Raises `DependencyAway`."""
    plays = {p.name: p.do.coupon for p in rules.playbook.plays if p.do.coupon}
    if not plays:
        return []
    with away_as_dependency():
        async with engine.begin() as connection:
            await _lock(connection, {pool for pool in plays.values() if pool})
            values = {"plays": sorted(plays), "reason": NO_CODE, "now": now, "most": _MOST}
            rows = await connection.execute(_PARKED, values)
            parked = [ledger.delivery(row) for row in rows]
            filled: dict[UUID, str] = {}
            for pool in sorted({plays[one.play] or "" for one in parked}):
                wanting = [one for one in parked if plays[one.play] == pool]
                codes, _ = await _codes(connection, pool, wanting, rules, now)
                filled |= codes
            if not filled:
                return []
            values = {"ids": list(filled), "codes": list(filled.values())}
            await connection.execute(_FILL, values)
            due = [
                one.to("waiting", "a code was given", until=now, due=now)
                for one in parked
                if one.id in filled
            ]
            await ledger.move(connection, due, by="coupons", now=now)
            return due


async def _codes(
    connection: AsyncConnection,
    pool: str,
    wanting: Sequence[Delivery],
    rules: Rulebook,
    now: datetime,
) -> tuple[dict[UUID, str], set[UUID]]:
    """Give codes of a locked pool; returns them, and the deliveries whose cause brought one."""
    allowed = rules.playbook.coupon_pools[pool]
    had = set(
        await connection.scalars(_CAUSES, {"pool": pool, "causes": [d.cause_id for d in wanting]})
    )
    first: dict[UUID, Delivery] = {}
    for one in sorted(wanting, key=lambda d: (d.planned_at, d.id)):
        if one.cause_id not in had:
            first.setdefault(one.cause_id, one)
    taken = {d.id for d in wanting if first.get(d.cause_id) is not d}
    since = now - allowed.period
    given = await connection.scalar(_GIVEN, {"pool": pool, "since": since}) or 0
    able = list(first.values())[: max(0, allowed.most - given)]
    values = {
        "pool": pool,
        "deliveries": [d.id for d in able],
        "causes": [d.cause_id for d in able],
        "now": now,
    }
    rows = await connection.execute(_GIVE, values) if able else ()
    codes = {row.delivery_id: row.code for row in rows}
    if missing := len(first) - len(codes):
        why = "period used up" if len(able) < len(first) else "no code left"
        _log.warning("dispatcher.coupons_missing", pool=pool, deliveries=missing, reason=why)
    return codes, taken


async def _lock(connection: AsyncConnection, pools: Collection[str]) -> None:
    await connection.execute(_ADD_POOLS, {"pools": sorted(pools)})
    await connection.execute(_LOCK, {"pools": sorted(pools)})


def _pool_of(delivery: Delivery, rules: Rulebook) -> str | None:
    play = rules.playbook.named(delivery.play)
    return play.do.coupon if play else None


def _with(delivery: Delivery, code: str) -> Delivery:
    return replace(delivery, context={**delivery.context, "coupon": code})


def example_code(delivery_id: UUID) -> str:
    """Invent a code that no shop takes, for what reaches nobody."""
    return f"EXAMPLE-{delivery_id.hex[:8].upper()}"
