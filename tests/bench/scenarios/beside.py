"""A good target beside others that work, are slow, or are dead: how long its deliveries wait.

In: how many decisions a second for the good target and for the other, and for how long. Out: for
each kind of other, in turns, the delays of the good one's deliveries: from when their decision was
due on the bus to when the sink has the call. As much goes to every other, so that what it costs to
plan and to keep is the same; only what becomes of its calls differs. The breaker of the others is
kept from opening, for behind an open one they would disturb nobody.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.bench.decided import flow, fresh
from tests.bench.dispatchers import Bench, open_bench, webhook
from tests.bench.stage import Stage
from tests.builders.waiting import eventually

ABOUT = "the delays of a good target's deliveries, by what goes on beside it"
ALONE: Final = "alone"
GOOD_PATH: Final = "/after/0/good"
#: The others; a dead one takes the call and never answers, which is the worst that one can do.
OTHERS: Final = {"working": "/after/0/other", "slow": "/after/5000/other", "dead": "/never/other"}
_NO_BREAKER: Final = {"share": 1.0, "least": 10_000, "over_s": 300, "probe_s": 30}

_PATIENCE_S: Final = 60.0
_IN_FLIGHT: Final = "SELECT count(*) FROM dispatcher.calls WHERE target = :target"


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions a second for the good target and for the other, and seconds of each turn."""

    rate: float
    other_rate: float
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Delays:
    """One turn of the good target."""

    beside: str
    deliveries: int
    p50_ms: float
    p99_ms: float
    most_ms: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Every turn, and how the median p99 stands to that beside a working target."""

    turns: Sequence[Delays]
    slow_to_working: float
    dead_to_working: float
    wanted: str = "p99 at most 1.20 times that beside a working target"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Beside:
    """Play it."""

    def targets(sink: str) -> dict[str, Any]:
        others = {
            name: webhook(f"{sink}{path}", concurrency=16, breaker=_NO_BREAKER)
            for name, path in OTHERS.items()
        }
        return {"good": webhook(f"{sink}{GOOD_PATH}", concurrency=16), **others}

    turns: list[Delays] = []
    async with (
        open_bench(stage, targets, ["good", *OTHERS]) as bench,
        stage.running([bench.process]),
    ):
        await fresh(bench.publisher)
        # What is made at first use is made before we look.
        await _delays(bench, "warm", ALONE, plan)
        for number in range(plan.rounds):
            for other in (ALONE, *OTHERS):
                if turns:
                    await _end(bench, turns[-1].beside)
                turns.append(await _delays(bench, f"r{number}", other, plan))
                tell(f"{other}: p50 {turns[-1].p50_ms:.1f} ms, p99 {turns[-1].p99_ms:.1f} ms")

    def p99(other: str) -> float:
        return median(turn.p99_ms for turn in turns if turn.beside == other)

    return Beside(turns, p99("slow") / p99("working"), p99("dead") / p99("working"))


async def _delays(bench: Bench, turn: str, other: str, plan: Plan) -> Delays:
    """Let decisions flow to both; returns how long the good one's took."""
    label = f"{turn}-{other}"
    await bench.sink.forget()
    flows = [flow(bench.publisher, f"{label}-good", "good", plan.rate, plan.seconds)]
    if other != ALONE:
        await bench.hold(other, paused=False)
        flows.append(flow(bench.publisher, label, other, plan.other_rate, plan.seconds))
    due, *_ = await asyncio.gather(*flows)
    came = await bench.sink.waited_for(due, [GOOD_PATH], _PATIENCE_S)
    if len(came) < len(due):
        raise RuntimeError(f"{len(due) - len(came)} never came to the good target")
    delays = sorted(came[who] - at for who, at in due.items())
    count = len(delays)
    return Delays(
        beside=other,
        deliveries=count,
        p50_ms=delays[count // 2] * 1e3,
        p99_ms=delays[min(count - 1, count * 99 // 100)] * 1e3,
        most_ms=delays[-1] * 1e3,
    )


async def _end(bench: Bench, other: str) -> None:
    """Keep what is left for the other out of the next turn: nothing is begun, nothing in flight."""
    if other == ALONE:
        return
    await bench.hold(other, paused=True)

    async def landed() -> bool:
        return bool(await bench.scalar(_IN_FLIGHT, target=other) == 0)

    await eventually(landed, within=60, what="no call in flight")
