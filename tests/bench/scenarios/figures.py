"""Figures and data quality on a large base: how long each question takes, beside a bare count.

In: how many answers. Out: how fast the sweep reads the customers, and for each question the median
time of its whole HTTP answer in process, with the ratio to a bare count of the same period's
answers, taken in turns in the same run.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import connect
from tests.bench.answers import seed_answers
from tests.builders.facts import shipped_policy
from tests.builders.figures import Figures
from tests.builders.sweeping import sweep

ABOUT = "each question of GET /v1/nps and /v1/data-quality on a base of answers"
BARE: Final = "bare: count the answers of the period"
#: Half the base: its answers are spread over the half year before.
_NOW: Final = datetime(2026, 11, 22, 7, tzinfo=UTC)
_QUARTER: Final = {"since": "2026-08-24", "until": "2026-11-21"}
_ALL: Final = {"since": "2026-05-01", "until": "2026-11-21"}
_QUESTIONS: Final[dict[str, dict[str, str]]] = {
    "score": {**_QUARTER, "show": "score"},
    "score of one survey": {**_QUARTER, "show": "score", "survey": "relational"},
    "score, compared": {**_QUARTER, "show": "score", "compare": "previous"},
    "by store": {**_QUARTER, "show": "score", "by": "attribute:store"},
    "by answer": {**_QUARTER, "show": "score", "by": "answer:reasons"},
    "moves": {**_QUARTER, "show": "moves"},
    "churn": {**_QUARTER, "show": "churn"},
    "response": {**_QUARTER, "show": "response"},
    "loop": {**_QUARTER, "show": "loop"},
    "everything": _QUARTER,
    "all answers: score": {**_ALL, "show": "score"},
    "all answers: by store": {**_ALL, "show": "score", "by": "attribute:store"},
    "all answers: moves, churn": {**_ALL, "show": "moves,churn"},
    "all answers: everything": _ALL,
}
_QUALITY: Final = {
    "data quality": "/v1/data-quality",
    "data quality: a page": "/v1/data-quality/missing_tone",
    "data quality: duplicates": "/v1/data-quality/duplicates",
}
_COUNT: Final = text("SELECT count(*) FROM answers WHERE answered_at >= :since AND score >= 0")

_TOUCH: Final = text("""
    UPDATE profiles SET version = version + 1
    WHERE customer_id IN (SELECT customer_id FROM profiles LIMIT :most)
""")


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a base, and how often each question is asked."""

    answers: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One question; `to_the_bare`: its time to that of the count of the same run."""

    question: str
    seconds: float
    to_the_bare: float


@dataclass(frozen=True, slots=True)
class Told:
    """Every question, and how fast customers were read, all of them and a few that changed."""

    customers: int
    read_per_s: float
    read_cpu_us: float
    changed_read_per_s: float
    asked: Sequence[Asked]
    wanted: str = "each usual question well under a second at 1 million answers"


async def play(database: str, plan: Plan, tell: Callable[[str], None]) -> Told:
    """Play it on a database of its own."""
    tell(f"{plan.answers:,} answers are written")
    customers = await seed_answers(database, plan.answers, _NOW)
    engine = connect(database, "segmenter")
    figures = Figures(engine, shipped_policy().value, _NOW)
    try:
        tell(f"{customers:,} customers are read")
        took, cpu = await _read(engine)
        changed = min(customers, 2_000)
        again = await _change(engine, changed)
        await _vacuum(engine)
        asked = await _ask_all(figures, plan.rounds, tell)
    finally:
        await figures.close()
    return Told(customers, customers / took, cpu / customers * 1e6, changed / again, asked)


async def _read(engine: AsyncEngine) -> tuple[float, float]:
    """Read whoever is to be read; returns seconds, and those of this process's CPU."""
    started, cpu = time.perf_counter(), time.process_time()
    await sweep(engine, lambda: _NOW).catch_up()
    return time.perf_counter() - started, time.process_time() - cpu


async def _change(engine: AsyncEngine, customers: int) -> float:
    """Touch so many customers, and tell how long it takes to read them."""
    async with engine.begin() as connection:
        await connection.execute(_TOUCH, {"most": customers})
    return (await _read(engine))[0]


async def _vacuum(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("SET statement_timeout = 0"))
        await plain.execute(text("VACUUM ANALYZE"))


async def _ask_all(figures: Figures, rounds: int, tell: Callable[[str], None]) -> list[Asked]:
    """Ask everything in turns; the first time of each, with cold caches, does not count."""
    quarter, everything = _NOW - timedelta(days=90), _NOW - timedelta(days=200)
    jobs: dict[str, Callable[[], Awaitable[Any]]] = {
        BARE: lambda: _bare(figures.engine, quarter),
        f"{BARE}: all": lambda: _bare(figures.engine, everything),
    }
    for name, query in _QUESTIONS.items():
        jobs[name] = lambda query=query: figures.ask(**query)  # type: ignore[misc]
    for name, path in _QUALITY.items():
        jobs[name] = lambda path=path: _page(figures, path)  # type: ignore[misc]
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            await job()
            if number:
                found[name].append(time.perf_counter() - started)
        tell(f"round {number} of {rounds}")
    medians = {name: median(times) for name, times in found.items()}
    return [
        Asked(name, took, took / medians[f"{BARE}: all" if "all" in name.split() else BARE])
        for name, took in medians.items()
    ]


async def _bare(engine: AsyncEngine, since: datetime) -> None:
    async with engine.connect() as connection:
        await connection.scalar(_COUNT, {"since": since})


async def _page(figures: Figures, path: str) -> None:
    answer = await figures.get(path)
    assert answer.status_code == 200, answer.text
