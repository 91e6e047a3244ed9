"""Profile updates through a batch endpoint that answers at once.

In: how many decisions. Out: updates a second and CPU of each, decided and pushed together, and
apart; in turns with the same batches by the same wire for nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.dispatchers import open_bench
from tests.bench.stage import Stage
from tests.bench.turns import Ratios, Turn, ratios

ABOUT = "decisions → the profile wanted → batches → what was reached recorded"
OURS: Final = "dispatcher"
CALLS, LEDGER = "bare: calls", "bare: ledger"
_FIELDS: Final = ("nps_score", "nps_segment", "nps_theme", "nps_answered_at", "language")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many updates each turn has, how many go into a request, and how many are in flight."""

    updates: int
    batch: int
    concurrency: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Updates:
    """Every turn, and the ratios to the bare limits."""

    turns: Sequence[Turn]
    ratios: Sequence[Ratios]
    wanted: str = "≥ 10 000 updates/s through a batch endpoint"


async def play(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Updates:
    """Play it."""

    def targets(sink: str) -> dict[str, Any]:
        crm = {
            "preset": "sandbox",
            "vars": {"url": f"{sink}/after/0", "account": "crm"},
            "allow_private": True,
            "allow_http": True,
            "attributes": {name: name for name in _FIELDS},
            "batch": plan.batch,
            "concurrency": plan.concurrency,
        }
        return {"crm": crm}

    turns: list[Turn] = []
    async with open_bench(stage, targets, []) as bench:
        sent = bench.counter("nps_dispatcher_attempts_total", 'kind="push"', 'outcome="ok"')
        for number in range(plan.rounds):
            turns.append(await bench.bare("calls", "crm", plan.updates, plan.batch))
            turns.append(await bench.bare("ledger", "crm", plan.updates, plan.batch))
            turns.append(await bench.together(f"t{number}", "", plan.updates, sent))
            turns += await bench.apart(f"a{number}", "", "crm", plan.updates, sent)
            for turn in turns[-5:]:
                tell(f"{turn.what}: {turn.per_s:,.0f}/s, {turn.cpu_us:,.0f} µs CPU each")
    return Updates(turns, ratios(turns, (OURS, "sending"), (CALLS, LEDGER)))
