"""One measurement: the load against some processes, and what those processes used meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from tests.bench.load import Order, Outcome
from tests.bench.machine import busy_s, use_of
from tests.builders.processes import ROOT, Process


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `group` and `what` tell which rows are rounds of the same thing.

    `cpu_us` is CPU of the measured processes per answered request; `others` the CPU cores that
    neither they, nor the load, nor the `behind` (broker) used: near 0 on a quiet machine.
    """

    group: str
    what: str
    bare: bool
    per_s: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    cpu_us: float
    load_us: float
    rss_mb: float
    others: float
    answered: int
    failed: int


async def measure(
    group: str,
    what: str,
    order: Order,
    seconds: float,
    processes: Sequence[Process],
    *,
    behind: Sequence[int] = (),
    bare: bool = False,
) -> Row:
    """Let the ordered load warm the processes up, then measure them for so many seconds."""
    pids = [process.child.pid for process in processes]
    async with loading(order) as load:
        await load.run(min(1.0, seconds))
        before, behind_before = [use_of(pid) for pid in pids], [use_of(pid) for pid in behind]
        machine = busy_s()
        outcome = await load.run(seconds)
        machine = busy_s() - machine
        after, behind_after = [use_of(pid) for pid in pids], [use_of(pid) for pid in behind]
    cpu_s = sum(b.cpu_s - a.cpu_s for a, b in zip(before, after, strict=True))
    behind_s = sum(b.cpu_s - a.cpu_s for a, b in zip(behind_before, behind_after, strict=True))
    answered = sum(outcome.statuses.values())
    return Row(
        group=group,
        what=what,
        bare=bare,
        per_s=outcome.statuses.get(202, 0) / outcome.seconds,
        p50_ms=outcome.p50_ms,
        p99_ms=outcome.p99_ms,
        most_ms=outcome.most_ms,
        cpu_us=cpu_s / max(1, answered) * 1e6,
        load_us=outcome.cpu_s / max(1, answered) * 1e6,
        rss_mb=max(use.most_mb for use in after),
        others=(machine - cpu_s - behind_s - outcome.cpu_s) / outcome.seconds,
        answered=answered,
        failed=outcome.sent - outcome.statuses.get(202, 0),
    )


def middle(rounds: Sequence[Row]) -> Row:
    """Take the medians over the rounds of one thing; failures are summed, memory is the most."""

    def mid(name: str) -> float:
        return float(median(getattr(row, name) for row in rounds))

    return Row(
        group=rounds[0].group,
        what=rounds[0].what,
        bare=rounds[0].bare,
        per_s=mid("per_s"),
        p50_ms=mid("p50_ms"),
        p99_ms=mid("p99_ms"),
        most_ms=mid("most_ms"),
        cpu_us=mid("cpu_us"),
        load_us=mid("load_us"),
        rss_mb=max(row.rss_mb for row in rounds),
        others=mid("others"),
        answered=sum(row.answered for row in rounds),
        failed=sum(row.failed for row in rounds),
    )


@dataclass(frozen=True, slots=True)
class Loading:
    """A load that is ready to run."""

    child: asyncio.subprocess.Process

    async def tell(self, line: str) -> bytes:
        """Write one line and read one; `RuntimeError` when the load has ended instead."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{line}\n".encode())
        told = await self.child.stdout.readline()
        if not told:
            raise RuntimeError(f"the load ended: exit code {await self.child.wait()}")
        return told

    async def run(self, seconds: float) -> Outcome:
        """Send for so long."""
        return Outcome.model_validate_json(await self.tell(f"{seconds}"))


@asynccontextmanager
async def loading(order: Order) -> AsyncIterator[Loading]:
    """Start a load and wait until its requests are made and its connections open."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        load = Loading(child)
        await load.tell(order.model_dump_json())
        yield load
    finally:
        if child.returncode is None:
            assert child.stdin is not None
            child.stdin.close()  # the end of its input is the end of its work
            await child.wait()
