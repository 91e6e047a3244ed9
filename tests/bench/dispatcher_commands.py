"""The commands that measure the dispatcher: a scenario each; `--json FILE` writes every figure."""

from typing import Annotated, Final

import typer

from tests.bench.playing import Json, play
from tests.bench.scenarios import deliveries

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
