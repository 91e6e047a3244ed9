"""A slow sink: whether the calls in flight are kept as many as the target allows.

In: how long the sink takes to answer, how many calls at once, how many calls. Out: calls a second
by the sink's own count, as a share of calls at once ÷ delay, which is all that anybody can reach;
in turns with the same wire for nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.bench.decided import fill
from tests.bench.dispatchers import Bench, open_bench, webhook
from tests.bench.machine import use_of
from tests.bench.stage import Stage
from tests.builders.waiting import eventually

ABOUT = "calls a second to a sink that takes its time, of those that are possible"
BARE, OURS = "bare: calls", "dispatcher"
#: At both ends of a turn not all calls are in flight: they are not counted.
_ENDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """The sink's delay, and how many calls are in flight at once and made in each turn."""

    delay_ms: int
    concurrency: int
    calls: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One turn: `share` of the possible calls a second; CPU of the process for each call."""

    what: str
    per_s: float
    share: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Slow:
    """Every turn, and the median share of the dispatcher."""

    turns: Sequence[Kept]
    possible_per_s: float
    share: float
    wanted: str = "≥ 0.95 of calls at once ÷ delay"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Slow:
    """Play it."""
    path = f"/after/{plan.delay_ms}/hooks"

    def targets(sink: str) -> dict[str, Any]:
        return {"hooks": webhook(f"{sink}{path}", concurrency=plan.concurrency)}

    possible = plan.concurrency / plan.delay_ms * 1000
    turns: list[Kept] = []
    async with open_bench(stage, targets, ["hooks"]) as bench:
        for number in range(plan.rounds):
            await bench.sink.forget()
            bare = await bench.bare("calls", "hooks", plan.calls)
            per_s = _per_s(await bench.sink.arrivals(path))
            turns.append(Kept(BARE, per_s, per_s / possible, bare.cpu_us))
            await bench.sink.forget()
            cpu_us = await _sent(bench, f"s{number}", plan.calls)
            per_s = _per_s(await bench.sink.arrivals(path))
            turns.append(Kept(OURS, per_s, per_s / possible, cpu_us))
            for turn in turns[-2:]:
                tell(f"{turn.what}: {turn.per_s:,.0f}/s of {possible:,.0f}")
    return Slow(turns, possible, median(turn.share for turn in turns if turn.what == OURS))


async def _sent(bench: Bench, turn: str, calls: int) -> float:
    """Have a backlog planned, then sent; returns the CPU µs of the sending, for each call."""
    await bench.hold("hooks", paused=True)
    before = await bench.planned()
    await fill(bench.publisher, turn, "hooks", calls)
    done = bench.counter("nps_dispatcher_deliveries_total", 'state="accepted"')

    async def planned() -> bool:
        return await bench.planned() == before + calls

    async def accepted() -> bool:
        return await done() == calls

    async with bench.stage.running([bench.process]):
        await eventually(planned, within=300, what="all planned")
        cpu = use_of(bench.process.child.pid).cpu_s
        await bench.hold("hooks", paused=False)
        await eventually(accepted, within=300, what="all sent")
        return (use_of(bench.process.child.pid).cpu_s - cpu) / calls * 1e6


def _per_s(arrivals: Sequence[tuple[str, float]]) -> float:
    """Count the calls of the middle of a turn, by when they came."""
    times = [at for _, at in arrivals]
    off = int(len(times) * _ENDS)
    middle = times[off : len(times) - off]
    return (len(middle) - 1) / (middle[-1] - middle[0])
