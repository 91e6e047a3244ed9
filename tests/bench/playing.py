"""Playing one scenario that has a shape of its own, and showing what came of it.

In: a scenario and its plan. Out: its figures on the screen and, where asked, every one as JSON.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.bench import machine
from tests.bench.show import show
from tests.bench.stage import open_stage

#: A table that is cut because nobody looks at it live helps nobody.
screen = Console() if sys.stdout.isatty() else Console(width=130)
progress = Console(stderr=True)

Json = Annotated[Path | None, typer.Option(help="write every figure here")]


def described() -> dict[str, str | int]:
    """Say on which machine this is, and when."""
    return {**machine.described(), "at": datetime.now(UTC).isoformat(timespec="seconds")}


def play(scenario: ModuleType, plan: Any, json: Path | None, *, own_broker: bool = False) -> None:
    """Play a scenario on a stage."""

    async def on_stage(plan: Any, tell: Callable[[str], None]) -> Any:
        async with open_stage(own_broker=own_broker) as stage:
            return await scenario.play(stage, plan, tell)

    play_with(scenario, plan, on_stage, json)


def play_with(
    scenario: ModuleType,
    plan: Any,
    playing: Callable[[Any, Callable[[str], None]], Coroutine[Any, Any, Any]],
    json: Path | None,
) -> None:
    """Play a scenario by a function that knows what it needs."""

    def tell(what: str) -> None:
        progress.print(f"[dim]{what}[/dim]", highlight=False)

    load = os.getloadavg()[0]
    found = asdict(asyncio.run(playing(plan, tell)))
    everything = {**described(), "load_at_start": round(load, 2), "plan": asdict(plan), **found}
    show(f"{scenario.__name__.rpartition('.')[2]}: {scenario.ABOUT}", everything, screen)
    if json is not None:
        json.write_text(f"{dumps(everything, indent=2)}\n", encoding="utf-8")
