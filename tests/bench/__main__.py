"""`python -m tests.bench COMMAND`: measure the product; `--help` lists the commands.

`every` plays a small turn of all that have bars, and shows one table (`make bench`); `run` plays
ingest beside its bare limits and shows a table (`--json FILE` writes every figure,
too); `fold` gives the segmenter a backlog on a large base, `eligibility` asks it whom to ask;
`figures` asks for figures on one; `outage` stops Kafka under load, `hostile` sends hostile clients
beside good ones; `profile` tells where ingest's CPU goes. The dispatcher's commands are in
`dispatcher_commands`. A new scenario is a file in `scenarios/` and a line in `SCENARIOS`.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from tests.bench import dispatcher_commands, every, table
from tests.bench.measure import Row, measure
from tests.bench.playing import Json, described, play, play_with, progress, screen
from tests.bench.profile import read_profile
from tests.bench.scenarios import eligibility, figures, fold, hostile, ingest, outage
from tests.bench.stage import Plan, open_database, open_stage

SCENARIOS: Final[dict[str, ModuleType]] = {"ingest": ingest}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(every.app)
app.add_typer(dispatcher_commands.app)

Connections = Annotated[list[int], typer.Option(help="how many at once; may be given again")]
Seconds = Annotated[float, typer.Option(min=0.1, max=60, help="of each measurement")]
Shape = Annotated[str, typer.Option(help="`shop` (flat) or `typeform` (nested)")]


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="scenarios; all without")] = None,
    connections: Connections = [32, 128],  # noqa: B006 - Typer reads it, nobody changes it
    processes: Annotated[list[int], typer.Option(help="of a service")] = [1, 2],  # noqa: B006
    seconds: Seconds = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="of everything, taking turns")] = 3,
    shape: Shape = "shop",
    json: Json = None,
) -> None:
    """Measure scenarios beside their bare limits and show the medians."""
    plan = Plan(tuple(connections), tuple(processes), seconds, rounds, shape)
    found = asyncio.run(_run(names or list(SCENARIOS), plan))
    machine = described()
    screen.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for name, rows in found.items():
        screen.print(table.table(f"{name}: {SCENARIOS[name].ABOUT}", rows))
        for group, bar in SCENARIOS[name].BARS.items():
            screen.print(f"wanted at {group}: {bar}")
    if json is not None:
        json.write_text(f"{table.as_json(machine, found)}\n", encoding="utf-8")


async def _run(names: list[str], plan: Plan) -> dict[str, list[Row]]:
    def tell(row: Row) -> None:
        progress.print(
            f"[dim]{row.group} {row.what}: {row.per_s:,.0f}/s, p99 {row.p99_ms:.1f} ms, "
            f"{row.cpu_us:.0f} µs CPU[/dim]",
            highlight=False,
        )

    found: dict[str, list[Row]] = {}
    async with open_stage() as stage:
        for name in names:
            found[name] = list(await SCENARIOS[name].rows(stage, plan, tell))
    return found


@app.command("outage")
def play_outage(
    outage_s: Annotated[float, typer.Option(min=1, help="how long Kafka is away")] = 60.0,
    rate: Annotated[float, typer.Option(min=1, help="webhooks a second")] = 500.0,
    seconds: Annotated[float, typer.Option(min=1, help="before the outage, and after")] = 20.0,
    json: Json = None,
) -> None:
    """Stop Kafka under an even load; compare every profile with that of a run without."""
    play(outage, outage.Plan(outage_s, rate, seconds), json, own_broker=True)


@app.command("fold")
def play_fold(
    customers: Annotated[int, typer.Option(min=1, help="in the base before the first event")] = (
        1_000_000
    ),
    events: Annotated[int, typer.Option(min=1000, help="of each backlog")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="backlogs of each contestant")] = 2,
    json: Json = None,
) -> None:
    """Let the segmenter work off backlogs on a large base, beside what has no rules."""
    play(fold, fold.Plan(customers, events, rounds), json)


@app.command("figures")
def play_figures(
    answers: Annotated[int, typer.Option(min=1000, help="in the base")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="of every question, taking turns")] = 3,
    json: Json = None,
) -> None:
    """Ask every question of figures and data quality on a large base."""

    async def ask(plan: figures.Plan, tell: Callable[[str], None]) -> Any:
        async with open_database() as database:
            return await figures.play(database, plan, tell)

    play_with(figures, figures.Plan(answers, rounds), ask, json)


@app.command("eligibility")
def play_eligibility(
    customers: Annotated[int, typer.Option(min=1, help="in the base")] = 1_000_000,
    questions: Annotated[int, typer.Option(min=1, help="about one person, each round")] = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="of each kind, taking turns")] = 3,
    rate: Annotated[float, typer.Option(min=1, help="answers coming in a second")] = 100.0,
    json: Json = None,
) -> None:
    """Ask the segmenter whether people may be asked: one, a thousand, one while answers come in."""
    play(eligibility, eligibility.Plan(customers, questions, rounds, rate), json)


@app.command("hostile")
def play_hostile(
    rate: Annotated[float, typer.Option(min=1, help="good webhooks a second")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="of each half of a round")] = 15.0,
    rounds: Annotated[int, typer.Option(min=1, help="without and with, in turns")] = 3,
    json: Json = None,
) -> None:
    """Measure good traffic without and with 2 000 half-open and two pouring clients."""
    play(hostile, hostile.Plan(rate, seconds, rounds), json)


@app.command()
def profile(
    connections: Annotated[int, typer.Option()] = 32,
    seconds: Seconds = 15.0,
    shape: Shape = "shop",
    top: Annotated[int, typer.Option(help="lines of each ranking")] = 40,
) -> None:
    """Tell where ingest's CPU goes, in µs per answer."""
    asyncio.run(_profile(Plan((connections,), (1,), seconds, 1, shape), top))


async def _profile(plan: Plan, top: int) -> None:
    async with open_stage() as stage:
        stacks = stage.folder / "stacks.jsonl"
        process = stage.system.process(
            "tests.bench.sampled", "services.ingest", str(stacks), service="ingest"
        )
        bare = stage.bare("answer", count=1)
        rows = {}
        for what, processes in ((ingest.ANSWER, bare), (ingest.INGEST, [process])):
            async with stage.running(processes):
                order = ingest.order(stage, plan, processes, plan.connections[0])
                rows[what] = await measure(
                    "1", what, order, plan.seconds, processes, behind=stage.behind
                )
        found = read_profile(stacks)
    for row in rows.values():
        screen.print(
            f"{row.what}: {row.per_s:,.0f}/s, p99 {row.p99_ms:.1f} ms, "
            f"{row.cpu_us:.0f} µs CPU per answer, cores of others {row.others:.2f}"
        )
    screen.print(f"{found.samples} samples")
    row = rows[ingest.INGEST]
    each = row.cpu_us / max(1, found.samples)
    for title, counts in (
        ("own, with the standard library it calls", found.own),
        ("with all it calls", found.functions),
        ("innermost lines", found.lines),
    ):
        drawn = Table(title=title)
        drawn.add_column("µs per answer", justify="right")
        drawn.add_column("where")
        for name, count in counts.most_common(top):
            drawn.add_row(f"{count * each:.1f}", name)
        screen.print(drawn)


if __name__ == "__main__":
    # It tells every attempt to reach a broker that is still starting.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Told to end, by whatever means: stop the servers that we started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
