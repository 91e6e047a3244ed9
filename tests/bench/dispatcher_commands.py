"""The commands that measure the dispatcher: a scenario each; `--json FILE` writes every figure."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from tests.bench.playing import Json, play, play_with
from tests.bench.scenarios import beside, deliveries, journey, ledger, slow, updates
from tests.bench.stage import open_database

app: Final = typer.Typer()

Rounds = Annotated[int, typer.Option(min=1, help="of everything, taking turns")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="calls in flight at once")]


@app.command("deliveries")
def play_deliveries(
    count: Annotated[int, typer.Option(min=10, help="of each turn")] = 6_000,
    concurrency: Concurrency = 64,
    rounds: Rounds = 3,
    json: Json = None,
) -> None:
    """Plan and send deliveries to a sink that answers at once, beside the bare calls."""
    play(deliveries, deliveries.Plan(count, concurrency, rounds), json)


@app.command("updates")
def play_updates(
    count: Annotated[int, typer.Option(min=10, help="of each turn")] = 20_000,
    batch: Annotated[int, typer.Option(min=1, max=100, help="in each request")] = 100,
    concurrency: Concurrency = 16,
    rounds: Rounds = 3,
    json: Json = None,
) -> None:
    """Push profiles through a batch endpoint that answers at once, beside the bare calls."""
    play(updates, updates.Plan(count, batch, concurrency, rounds), json)


@app.command("slow")
def play_slow(
    delay_ms: Annotated[int, typer.Option(min=1, help="of the sink")] = 200,
    concurrency: Concurrency = 64,
    count: Annotated[int, typer.Option(min=10, help="calls of each turn")] = 4_000,
    rounds: Rounds = 3,
    json: Json = None,
) -> None:
    """See whether a slow sink gets as many calls at once as it allows."""
    play(slow, slow.Plan(delay_ms, concurrency, count, rounds), json)


@app.command("beside")
def play_beside(
    rate: Annotated[float, typer.Option(min=1, help="decisions a second for the good one")] = 100.0,
    other_rate: Annotated[float, typer.Option(min=1, help="and for the other")] = 50.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="of each turn")] = 15.0,
    rounds: Rounds = 3,
    json: Json = None,
) -> None:
    """Measure a good target's delays beside others that work, are slow, or are dead."""
    play(beside, beside.Plan(rate, other_rate, seconds, rounds), json)


@app.command("journey")
def play_journey(
    rates: Annotated[
        list[float], typer.Option("--rate", help="responses a second; may be given again")
    ] = [100.0, 200.0, 500.0],  # noqa: B006 - Typer reads it, nobody changes it
    seconds: Annotated[float, typer.Option(min=0.1, help="of each turn")] = 15.0,
    rounds: Rounds = 2,
    json: Json = None,
) -> None:
    """Measure webhook → pushed profile through all three services."""
    play(journey, journey.Plan(tuple(rates), seconds, rounds), json)


@app.command("ledger")
def play_ledger(
    small: Annotated[int, typer.Option(min=1_000, help="rows first")] = 10_000,
    large: Annotated[int, typer.Option(min=1_000, help="rows then")] = 10_000_000,
    calls: Annotated[int, typer.Option(min=1, max=256, help="of each claim")] = 64,
    claims: Annotated[int, typer.Option(min=1, max=25, help="at each size")] = 12,
    json: Json = None,
) -> None:
    """Claim on a small ledger and on one of 10 million rows."""

    async def claiming(plan: ledger.Plan, tell: Callable[[str], None]) -> Any:
        async with open_database("dispatcher") as database:
            return await ledger.play(database, plan, tell)

    play_with(ledger, ledger.Plan(small, large, calls, claims), claiming, json)
