"""Every scenario that has bars, one small turn of each, and one table of all bars.

In: by how much the usual sizes are multiplied. Out: for each scenario its sizes, and each of its
bars: wanted, got, ratio to the bare limit of the same run, reached or not. A scenario that fails is
a line, too, and keeps none of the others from being played.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from tests.bench import stage as staging
from tests.bench.bars import READERS, Bar
from tests.bench.playing import Json, described, progress, screen
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
from tests.bench.stage import Servers, database_on, open_servers, open_stage_on

app: Final = typer.Typer()
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario: its sizes, its bars, how long it took; `failed`: why there are none."""

    scenario: str
    sizes: Mapping[str, Any]
    seconds: float
    bars: Sequence[Bar] = ()
    failed: str | None = None


def plans(scale: float) -> dict[str, Any]:
    """Tell the sizes of each scenario: at 1 all of them take some ten to fifteen minutes."""

    def some(count: int, least: int) -> int:
        return max(least, round(count * scale))

    short = max(0.5, 4 * scale)
    return {
        "ingest": staging.Plan((32,), (1,), short, 2, distinct=some(20_000, 50)),
        "fold": fold.Plan(some(100_000, 1_000), some(10_000, 1_000), 1),
        "eligibility": eligibility.Plan(some(100_000, 1_000), some(600, 20), 1, 100.0),
        "figures": figures.Plan(some(100_000, 1_000), 1),
        "deliveries": deliveries.Plan(some(2_000, 20), 64, 1),
        "updates": updates.Plan(some(6_000, 100), 100, 16, 1),
        "slow": slow.Plan(200, 64, some(2_000, 200), 1),
        "beside": beside.Plan(100.0, 50.0, short, 1),
        "journey": journey.Plan((max(10.0, 500 * min(1.0, scale)),), short, 1),
        "ledger": ledger.Plan(some(10_000, 1_000), some(500_000, 10_000), 64, 12),
        "hostile": hostile.Plan(200.0, short, 1, half_open=some(2_000, 20)),
        "outage": outage.Plan(max(2.0, 10 * scale), max(20.0, 200 * min(1.0, scale)), short),
    }


async def played(servers: Servers, chosen: Mapping[str, Any], tell: Tell) -> list[Played]:
    """Play the chosen scenarios one after another, each on tables and topics of its own."""
    found = []
    for name, plan in chosen.items():
        tell(f"{name}: {_sizes(plan)}")
        started = time.monotonic()
        try:
            result = await _play(name, plan, servers, tell)
            bars, failed = tuple(READERS[name](result)), None
        except Exception as error:
            bars, failed = (), f"{type(error).__name__}: {error}"
            tell(f"{name} failed: {failed}")
        found.append(Played(name, asdict(plan), time.monotonic() - started, bars, failed))
    return found


async def _play(name: str, plan: Any, servers: Servers, tell: Tell) -> Any:
    if name in ("figures", "ledger"):
        schema, scenario = {"figures": ("segmenter", figures), "ledger": ("dispatcher", ledger)}[
            name
        ]
        async with database_on(servers.database, schema) as database:
            return await scenario.play(database, plan, tell)
    folder = servers.folder / name
    async with open_stage_on(
        folder, servers.database, servers.kafka, servers.behind, servers.broker
    ) as stage:
        if name == "ingest":
            return await ingest.rows(stage, plan, lambda _row: None)
        return await _ON_STAGE[name].play(stage, plan, tell)


_ON_STAGE: Final[Mapping[str, Any]] = {
    "fold": fold,
    "eligibility": eligibility,
    "deliveries": deliveries,
    "updates": updates,
    "slow": slow,
    "beside": beside,
    "journey": journey,
    "hostile": hostile,
    "outage": outage,
}


def drawn(found: Sequence[Played]) -> Table:
    """Draw all bars; a scenario's sizes stand over its lines."""
    table = Table(caption="medians; what is wanted is wanted of the full sizes: docs/bench.md")
    for name in ("figure", "wanted", "got", "to the bare", "reached"):
        table.add_column(name, justify="left" if name in ("figure", "wanted") else "right")
    for one in found:
        table.add_section()
        table.add_row(f"[bold]{one.scenario}[/bold] [dim]{_sizes(one.sizes)}[/dim]")
        if one.failed is not None:
            table.add_row("  not measured", "", "", "", "failed")
        for bar in one.bars:
            bare = "-" if bar.to_the_bare is None else f"{bar.to_the_bare:.2f}"
            reached = "yes" if bar.reached else "no"
            table.add_row(f"  {bar.figure}", bar.wanted, _number(bar.got), bare, reached)
    return table


def _number(got: float) -> str:
    return f"{got:,.0f}" if got >= 100 or got == round(got) else f"{got:,.2f}"


def _sizes(plan: Any) -> str:
    known = plan if isinstance(plan, Mapping) else asdict(plan)
    return ", ".join(f"{name.replace('_', ' ')} {_size(value)}" for name, value in known.items())


def _size(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " / ".join(map(_size, value))
    return (
        f"{value:,g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


@app.command("every")
def play_every(
    scale: Annotated[
        float, typer.Option(min=0.001, help="sizes and seconds, to those of ten to fifteen minutes")
    ] = 1.0,
    only: Annotated[list[str] | None, typer.Option(help="a scenario; may be given again")] = None,
    json: Json = None,
) -> None:
    """Play a small turn of every scenario that has bars, and show them in one table."""
    known = plans(scale)
    unknown = sorted(set(only or ()) - set(known))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose among {', '.join(known)}")
    chosen = {name: plan for name, plan in known.items() if not only or name in only}

    def tell(what: str) -> None:
        progress.print(f"[dim]{what}[/dim]", highlight=False)

    async def playing() -> list[Played]:
        async with open_servers(own_broker="outage" in chosen) as servers:
            return await played(servers, chosen, tell)

    machine = described()
    found = asyncio.run(playing())
    screen.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    screen.print(drawn(found))
    for one in found:
        if one.failed is not None:
            screen.print(f"{one.scenario}: {one.failed}", highlight=False, markup=False)
    if json is not None:
        told = {"machine": machine, "scale": scale, "scenarios": [asdict(one) for one in found]}
        json.write_text(f"{dumps(told, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    if any(one.failed is not None for one in found):
        raise typer.Exit(1)
