"""The bare limits of a dispatcher: the same calls by the same wire, planned and judged by nobody.

`python -m tests.bench.bare_calls calls|ledger TARGETS TARGET COUNT [BATCH]` makes COUNT calls to a
target of a `targets.yaml`, as many at once as it allows: actions, or with BATCH profile pushes,
so many in each. `ledger` also keeps a row for each delivery, inserted before its call and updated
after it, both in batches. Writes how long it took, as JSON; the first tenth is not counted.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import asyncpg

from services.dispatcher.calls.calls import ActionCall, ProfilePush, Verdict
from services.dispatcher.lanes.flights import BUDGET
from services.dispatcher.targets.targets import Target, open_targets
from shared.events.decisions import CustomerDecided
from shared.settings import Secrets
from shared.times import utc_now
from tests.bench.decided import one
from tests.bench.machine import busy_s, use_of

_WARM: Final = 0.1
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS bare_ledger (id uuid PRIMARY KEY, state text NOT NULL,
        target text NOT NULL, planned_at timestamptz NOT NULL, changed_at timestamptz NOT NULL,
        body jsonb NOT NULL);
    TRUNCATE bare_ledger;
"""
_INSERT: Final = """
    INSERT INTO bare_ledger (id, state, target, planned_at, changed_at, body)
    SELECT id, 'sending', 'hooks', now(), now(), body
    FROM unnest($1::uuid[], $2::jsonb[]) AS x(id, body)
"""
_UPDATE: Final = """
    UPDATE bare_ledger SET state = 'accepted', changed_at = now() WHERE id = ANY($1::uuid[])
"""
#: What one call is about.
Group = Sequence[CustomerDecided]


class Ledger(Protocol):
    """What is kept of calls."""

    async def begin(self, group: Group) -> None:
        """Return once it is kept that these are to be made."""

    async def end(self, group: Group) -> None:
        """Return once it is kept that they were."""


class Nothing:
    """Keeps nothing."""

    async def begin(self, group: Group) -> None:
        """Go on."""

    async def end(self, group: Group) -> None:
        """Go on."""


class Rows:
    """Keeps a row for each; whatever comes while one batch is written shares the next."""

    def __init__(self, begin: "Batches", end: "Batches") -> None:
        self._begin, self._end = begin, end

    async def begin(self, group: Group) -> None:
        """Insert."""
        await self._begin.write(group)

    async def end(self, group: Group) -> None:
        """Update."""
        await self._end.write(group)


class Batches:
    """One statement, over one connection, for all that waits."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", *, bodies: bool) -> None:
        self._connection, self._bodies = connection, bodies
        self._waiting: list[tuple[Group, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, group: Group) -> None:
        """Return once it is written."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((group, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            found = [decided for group, _ in batch for decided in group]
            ids = sorted(decided.decision_id for decided in found)
            if self._bodies:
                body = json.dumps({"play": "ask", "template": "ASK", "reason": "due now"})
                await self._connection.execute(_INSERT, ids, [body] * len(ids))
            else:
                await self._connection.execute(_UPDATE, ids)
            for _, future in batch:
                future.set_result(None)


class Calls:
    """Makes calls, and tells how long that took."""

    def __init__(self, target: Target, ledger: Ledger, groups: Sequence[Group]) -> None:
        self._target, self._ledger = target, ledger
        self._groups = iter(groups)
        self._warm = max(1, int(len(groups) * _WARM))
        self._made = 0
        self._started = self._cpu = self._busy = 0.0

    async def run(self) -> dict[str, float]:
        """Make them all; returns for how many deliveries that was, and what it took."""
        await asyncio.gather(*(self._work() for _ in range(self._target.concurrency)))
        return {
            "made": self._made,
            "seconds": time.perf_counter() - self._started,
            "cpu_s": time.process_time() - self._cpu,
            "machine_s": busy_s() - self._busy,
            "mb": use_of(os.getpid()).most_mb,
        }

    async def _work(self) -> None:
        for group in self._groups:
            await self._ledger.begin(group)
            verdicts = await self._call(group)
            await self._ledger.end(group)
            if any(one.outcome not in ("ok", "accepted") for one in verdicts):
                raise RuntimeError(f"a call failed: {verdicts[0]}")
            self._warm -= 1
            if self._warm == 0:
                self._made, self._started = 0, time.perf_counter()
                self._cpu, self._busy = time.process_time(), busy_s()
            else:
                self._made += len(group)

    async def _call(self, group: Group) -> list[Verdict]:
        carrier, now = self._target.carrier, utc_now()
        if len(group) == 1:
            return [await carrier.act(_action(group[0]), budget=BUDGET, now=now)]
        pushes = [_push(decided, self._target) for decided in group]
        return await carrier.push_profiles(pushes, budget=BUDGET, now=now)


def _action(decided: CustomerDecided) -> ActionCall:
    return ActionCall(
        delivery_id=decided.decision_id,
        customer_id=decided.customer_id,
        identifiers=decided.identifiers,
        play="ask",
        action="ask",
        variant="default",
        template="ASK",
        channel="email",
        contact_class="service",
        deadline=decided.decided_at + timedelta(days=1),
        attributes={"nps_score": decided.snapshot.score},
    )


def _push(decided: CustomerDecided, target: Target) -> ProfilePush:
    known = {"nps_score": decided.snapshot.score, "nps_segment": decided.snapshot.segment}
    return ProfilePush(
        customer_id=decided.customer_id,
        identifiers=decided.identifiers,
        version=decided.version,
        attributes={name: known.get(name) for name in target.settings.attributes},
    )


@asynccontextmanager
async def _ledger(kind: str) -> AsyncIterator[Ledger]:
    if kind == "calls":
        yield Nothing()
        return
    url = os.environ["NPS_BENCH_DATABASE"]
    first, second = [await asyncpg.connect(url) for _ in range(2)]
    try:
        await first.execute(_TABLE)
        yield Rows(Batches(first, bodies=True), Batches(second, bodies=False))
    finally:
        await first.close()
        await second.close()


async def main(kind: str, targets: str, name: str, count: str, batch: str = "1") -> None:
    """Make the calls of one order."""
    at, size = utc_now(), int(batch)
    made = [one("bare", name, number, at) for number in range(int(count))]
    groups = [made[place : place + size] for place in range(0, len(made), size)]
    opened = await open_targets(Path(targets), Secrets(os.environ), clock=utc_now)
    try:
        async with _ledger(kind) as ledger:
            sys.stdout.write(json.dumps(await Calls(opened[name], ledger, groups).run()))
    finally:
        await opened.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
