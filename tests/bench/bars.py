"""What each scenario's figures say to its bars: a line per bar. Pure.

In: what a scenario found. Out: figure, what is wanted, what was got, its ratio to the bare limit of
the same run (None: it has none), and whether it is reached. What is wanted is wanted of the full
sizes: of smaller ones it is a hint, and the sizes stand beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.bench import table
from tests.bench.measure import Row
from tests.bench.scenarios import (
    beside,
    deliveries,
    eligibility,
    figures,
    fold,
    hostile,
    ingest,
    journey,
    ledger,
    outage,
    slow,
    updates,
)
from tests.bench.turns import Ratios, Turn

#: A ledger a thousand times as large is "not slower" within what two runs of one size differ by.
_NEAR: Final = 1.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One line. `got` in the unit that `wanted` names; `to_the_bare` of the same figure."""

    figure: str
    wanted: str
    got: float
    to_the_bare: float | None
    reached: bool


def _least(figure: str, wanted: float, unit: str, got: float, bare: float | None) -> Bar:
    return Bar(figure, f"≥ {wanted:,g} {unit}".rstrip(), got, bare, got >= wanted)


def _most(figure: str, wanted: float, unit: str, got: float, bare: float | None) -> Bar:
    return Bar(figure, f"≤ {wanted:,g} {unit}".rstrip(), got, bare, got <= wanted)


def of_ingest(rows: Sequence[Row]) -> Iterator[Bar]:
    """Read the medians; beside them what waits for Kafka and does nothing else."""
    known = {(row.group, row.what): row for row in table.middles(rows)}
    for (group, what), ours in known.items():
        if what != ingest.INGEST:
            continue
        bare = known[group, ingest.KAFKA]
        if group.startswith("1 /"):
            rate = ours.per_s / bare.per_s
            yield _least(f"{group}: answers", 3000, "/s", ours.per_s, rate)
            yield _most(f"{group}: p99", 25, "ms", ours.p99_ms, ours.p99_ms / bare.p99_ms)
            yield _most(f"{group}: CPU", 250, "µs", ours.cpu_us, ours.cpu_us / bare.cpu_us)
        else:
            yield _least(
                f"{group}: answers (stretch)", 7900, "/s", ours.per_s, ours.per_s / bare.per_s
            )


def of_fold(found: fold.Fold) -> Iterator[Bar]:
    """Read how fast a backlog is worked off."""
    per_s = _rate(found.turns, fold.SEGMENTER)
    yield _least("events of one process", 4000, "/s", per_s, found.rate_to_the_bare)


def of_eligibility(found: eligibility.Eligibility) -> Iterator[Bar]:
    """Read the delays of a question about one person, alone and while answers come in."""

    def p99(what: str) -> float:
        return median(one.p99_ms for one in found.rounds if one.what == what)

    bare = p99(eligibility.BARE)
    for what in dict.fromkeys(one.what for one in found.rounds):
        if what.startswith("1 person"):
            yield _most(f"{what}: p99", 20, "ms", p99(what), p99(what) / bare)


def of_figures(found: figures.Told) -> Iterator[Bar]:
    """Read the slowest of the usual questions: those of a quarter."""
    usual = [
        one
        for one in found.asked
        if not one.question.startswith(figures.BARE) and "all" not in one.question.split()
    ]
    slowest = max(usual, key=lambda one: one.seconds)
    name = f"the slowest question: {slowest.question}"
    yield _most(name, 1, "s", slowest.seconds, slowest.to_the_bare)


def of_deliveries(found: deliveries.Deliveries) -> Iterator[Bar]:
    """Read what is planned and sent at the same time."""
    per_s = _rate(found.turns, deliveries.OURS)
    bare = _ratio(found.ratios, deliveries.OURS, deliveries.LEDGER)
    yield _least("deliveries of one process", 1500, "/s", per_s, bare)


def of_updates(found: updates.Updates) -> Iterator[Bar]:
    """Read the push itself."""
    per_s = _rate(found.turns, "sending")
    bare = _ratio(found.ratios, "sending", updates.LEDGER)
    yield _least("updates through a batch endpoint", 10_000, "/s", per_s, bare)


def of_slow(found: slow.Slow) -> Iterator[Bar]:
    """Read which part of the calls at once is kept going."""
    bare = median(one.share for one in found.turns if one.what == slow.BARE)
    yield _least("of calls at once ÷ delay", 0.95, "", found.share, found.share / bare)


def of_beside(found: beside.Beside) -> Iterator[Bar]:
    """Read what a bad neighbour costs; a working one is the bare limit."""
    for what, ratio in (("slow", found.slow_to_working), ("dead", found.dead_to_working)):
        yield _most(f"p99 beside a {what} target to a working one", 1.2, "", ratio, ratio)


def of_journey(found: journey.Journey) -> Iterator[Bar]:
    """Read each rate; nothing of ours is left out of a journey, so it has no bare limit."""
    for rate in dict.fromkeys(turn.rate for turn in found.turns):
        turns = [turn for turn in found.turns if turn.rate == rate]
        p50, p99 = (median(getattr(t, name) for t in turns) for name in ("p50_ms", "p99_ms"))
        yield _most(f"at {rate:g}/s: p50", 50, "ms", p50, None)
        yield _most(f"at {rate:g}/s: p99", 250, "ms", p99, None)
        yield _most(f"at {rate:g}/s: never came", 0, "", sum(t.missing for t in turns), None)


def of_ledger(found: ledger.Ledger) -> Iterator[Bar]:
    """Read the large ledger to the small one."""
    ratio = found.claim_ratio
    yield _most("a claim on the large ledger to the small one", _NEAR, "", ratio, ratio)


def of_outage(found: outage.Outage) -> Iterator[Bar]:
    """Read how everybody was answered, and how every profile ended."""
    longest = max(phase.longest_ms for phase in found.phases) / 1e3
    usual = next(phase for phase in found.phases if phase.name == "no outage").longest_ms / 1e3
    refused = sum(phase.sent - phase.statuses.get(202, 0) for phase in found.phases)
    yield _most("the longest answer", 5, "s", longest, longest / usual if usual else None)
    yield _most("not answered 202", 0, "", refused, None)
    yield _most("profiles that ended otherwise", 0, "", found.differing + found.wrong, None)


def of_hostile(found: hostile.Hostile) -> Iterator[Bar]:
    """Read what good traffic notices of it, and how long it was borne with."""
    borne = max(max(one.half_open_s, one.headers_s, one.body_s) for one in found.borne)
    yield _most("p99 of good traffic to that without", 2, "", found.ratio, found.ratio)
    yield _most("hostile clients gone after", 15, "s", borne, None)
    yield _most("memory more", 50, "MB", found.grown_mb, None)


def _rate(turns: Sequence[Turn], what: str) -> float:
    return median(turn.per_s for turn in turns if turn.what == what)


def _ratio(found: Sequence[Ratios], ours: str, bare: str) -> float:
    return next(one.rate for one in found if (one.of, one.to) == (ours, bare))


#: Scenario → how its figures are read.
READERS: Final[Mapping[str, Callable[[Any], Iterator[Bar]]]] = {
    "ingest": of_ingest,
    "fold": of_fold,
    "eligibility": of_eligibility,
    "figures": of_figures,
    "deliveries": of_deliveries,
    "updates": of_updates,
    "slow": of_slow,
    "beside": of_beside,
    "journey": of_journey,
    "ledger": of_ledger,
    "hostile": of_hostile,
    "outage": of_outage,
}
