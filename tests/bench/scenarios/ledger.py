"""Claims on a small ledger and on a large one: whether history costs what is due anything.

In: how many rows each has. Out: how long a claim of the real function takes, and what the server
says of its longest statement (time and pages), at both sizes; and writing down that those calls
ended. What is due is as much at both, of customers who have ten old deliveries each.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.brakes.brakes import add_targets
from services.dispatcher.brakes.breaker import Tally
from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.consume import progress
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes import claim
from services.dispatcher.lanes.finish import finish
from services.dispatcher.lanes.lane import LEASE
from services.dispatcher.ledger.desk import Claim, Desk
from services.dispatcher.playbook.plays import Playbook
from shared.database import connect
from shared.events.envelope import DECISIONS, FEEDBACK
from shared.times import utc_now
from tests.bench.big_ledger import EACH, make_due, write

ABOUT = "a claim, and the record of its calls, on a small and a large ledger"
#: What is due at each size; more than is claimed.
_DUE: Final = 2_000
_EXPLAIN: Final = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows of the small and of the large ledger, calls of a claim, claims at each size."""

    small: int
    large: int
    calls: int
    claims: int


@dataclass(frozen=True, slots=True)
class At:
    """One size. `statement` is the one that looks for what is due, as the server measures it."""

    rows: int
    claim_p50_ms: float
    claim_p99_ms: float
    record_p50_ms: float
    statement_ms: float
    statement_pages: int
    written_s: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """Both sizes, and the large one's median claim to the small one's."""

    sizes: Sequence[At]
    claim_ratio: float
    record_ratio: float
    wanted: str = "10 million rows do not slow the claim: a ratio near 1"


async def play(database: str, plan: Plan, tell: Callable[[str], None]) -> Ledger:
    """Play it on a migrated database of its own."""
    desk = _desk(connect(database, "dispatcher"))
    sizes: list[At] = []
    known = 0
    try:
        await add_targets(desk.engine, [desk.rules.name])
        for rows in (plan.small, plan.large):
            started = time.monotonic()
            await write(database, known + 1, rows, utc_now())
            seconds = time.monotonic() - started
            tell(f"{rows:,} rows are there after {seconds:.0f} s")
            # Nobody who had something of late: her budgets would refuse it.
            customers = range(known // EACH + 1, rows // EACH)
            known = rows
            found = await _at(database, desk, plan, customers, seconds)
            tell(f"a claim takes {found.claim_p50_ms:.1f} ms")
            sizes.append(found)
    finally:
        await desk.engine.dispose()
    small, large = sizes
    return Ledger(
        sizes,
        large.claim_p50_ms / small.claim_p50_ms,
        large.record_p50_ms / small.record_p50_ms,
    )


def _desk(engine: AsyncEngine) -> Desk:
    return Desk(
        engine=engine,
        rules=TargetRules("hooks", 256),
        playbook=Playbook(plays=()),
        version="bench",
        idempotency=Idempotency("key"),
        lease=LEASE,
    )


async def _at(database: str, desk: Desk, plan: Plan, among: range, written_s: float) -> At:
    now, rows = utc_now(), among.stop * EACH
    customers = random.Random(1).sample(among, min(_DUE, len(among)))
    await make_due(database, f"due at {rows} ", customers, now)
    async with desk.engine.begin() as connection:
        reaches = [progress.Reach(topic, 0, 1, now) for topic in (FEEDBACK, DECISIONS)]
        await progress.save(connection, reaches)
    statement_ms, pages = await _explained(desk, plan.calls, now)
    claims: list[float] = []
    records: list[float] = []
    # The first is left out: plans and connections are made by it.
    for _ in range(min(plan.claims + 1, len(customers) // plan.calls)):
        started = time.perf_counter()
        taken = await claim.claim(desk, plan.calls, utc_now())
        claims.append(time.perf_counter() - started)
        if len(taken.deliveries) < plan.calls:
            raise RuntimeError(f"{len(taken.deliveries)} claimed instead of {plan.calls}")
        started = time.perf_counter()
        await _ended(desk, taken)
        records.append(time.perf_counter() - started)
    claims, records = sorted(claims[1:]), sorted(records[1:])
    return At(
        rows=rows,
        claim_p50_ms=median(claims) * 1e3,
        claim_p99_ms=claims[min(len(claims) - 1, len(claims) * 99 // 100)] * 1e3,
        record_p50_ms=median(records) * 1e3,
        statement_ms=statement_ms,
        statement_pages=pages,
        written_s=written_s,
    )


async def _explained(desk: Desk, most: int, now: datetime) -> tuple[float, int]:
    """Ask the server what its search for due deliveries costs: milliseconds, pages touched."""
    async with desk.engine.connect() as connection:
        await connection.execute(claim._WALK)
        statement = text(f"{_EXPLAIN}{claim._DELIVERIES.text}")
        values = {"target": desk.rules.name, "now": now, "most": most, "taken": []}
        values |= {"waited": now - desk.playbook.profile_wait}
        found: Any = None
        # The second time the pages are in memory and the planner knows the tables.
        for _ in range(2):
            found = (await connection.execute(statement, values)).scalar_one()[0]
        await connection.rollback()
    pages = found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]
    return float(found["Execution Time"]), int(pages)


async def _ended(desk: Desk, taken: Claim) -> None:
    """Write down that all calls of a claim were accepted."""
    now = utc_now()
    acted = [(one, one.delivery.to("accepted", "a reason")) for one in taken.deliveries]
    done = await finish(desk, [], acted, [], now, heard={"act": Tally(len(acted), 0)})
    if len(done.moved) < len(acted):
        raise RuntimeError(f"{len(done.moved)} recorded of {len(acted)}")
