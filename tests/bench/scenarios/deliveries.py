"""Deliveries: one signed call each, with ledger, slot and gates, to a sink that answers at once.

In: how many decisions, how many calls at once. Out: deliveries a second and CPU of each, planned
and sent together, and apart; in turns with the same calls made by the same wire for nobody, and
with those calls and a row for each (one insert, one update, in batches).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.dispatchers import open_bench, webhook
from tests.bench.stage import Stage
from tests.bench.turns import Ratios, Turn, ratios

ABOUT = "decisions → planned → gates, slot and lease → a signed call each → recorded"
OURS: Final = "dispatcher"
CALLS, LEDGER = "bare: calls", "bare: ledger"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many deliveries each turn has, and how many calls are in flight at once."""

    deliveries: int
    concurrency: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Every turn, and the ratios to the bare limits."""

    turns: Sequence[Turn]
    ratios: Sequence[Ratios]
    wanted: str = "≥ 1 500 deliveries/s per process (stretch 2 500)"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Deliveries:
    """Play it."""

    def targets(sink: str) -> dict[str, Any]:
        return {"hooks": webhook(f"{sink}/after/0/hooks", concurrency=plan.concurrency)}

    turns: list[Turn] = []
    async with open_bench(stage, targets, ["hooks"]) as bench:
        sent = bench.counter("nps_dispatcher_deliveries_total", 'state="accepted"')
        for number in range(plan.rounds):
            turns.append(await bench.bare("calls", "hooks", plan.deliveries))
            turns.append(await bench.bare("ledger", "hooks", plan.deliveries))
            turns.append(await bench.together(f"t{number}", "hooks", plan.deliveries, sent))
            turns += await bench.apart(f"a{number}", "hooks", "hooks", plan.deliveries, sent)
            for turn in turns[-5:]:
                tell(f"{turn.what}: {turn.per_s:,.0f}/s, {turn.cpu_us:,.0f} µs CPU each")
    return Deliveries(turns, ratios(turns, (OURS, "sending"), (CALLS, LEDGER)))
