"""`nps play …`: what plays do, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: tables, or one JSON object with
`--json`. Exit codes: 0 done, 1 refused, 2 an option is wrong, 75 no instance answers.
"""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from shared.errors import ConfigError
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json

play = typer.Typer(
    name="play",
    help="The plays of the playbook. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@play.callback()
def _group() -> None:
    """Let the group keep its name while it has one command."""


@play.command()
def effect(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="PLAY", help="as the playbook names it")],
    *,
    since: Annotated[str | None, typer.Option(help="drawn since, e.g. 2026-09-01T00:00Z")] = None,
    days: Annotated[int, typer.Option(min=0, help="drawn at least so many days ago")] = 0,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Set those whom a play treated against its hold-out: next score, answers, churn."""
    with explained():
        moment = _moment(since)
        with server(context, url) as at:
            found = at.get(f"/v1/plays/{quote(name, safe='')}/effect", since=moment, days=days)
    if json:
        write_json(found)
        return
    console = Console(highlight=False)
    table = table_of("arm", "customers", "answered again", "next score", "NPS", "churned")
    for arm in found["arms"]:
        table.add_row(
            *map(
                cell,
                (
                    arm["arm"],
                    arm["customers"],
                    _percent(arm["answer_rate"]),
                    _number(arm["next_score"]),
                    "-" if arm["next_nps"] is None else arm["next_nps"],
                    _percent(arm["churn"]),
                ),
            )
        )
    console.print(table)
    for one in found["against_hold_out"]:
        console.print(
            f"{one['arm']} less hold-out: next score {_number(one['next_score'])}, "
            f"answers {_percent(one['answer_rate'])}, churn {_percent(one['churn'])}",
            soft_wrap=True,
        )
    if not found["against_hold_out"]:
        console.print("No hold-out: nothing tells what would have happened without the play.")


def _moment(said: str | None) -> str | None:
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError("--since: write a moment with its zone, e.g. 2026-09-01T00:00Z")
    return moment.isoformat()


def _number(told: dict[str, Any], scale: float = 1, unit: str = "") -> str:
    if told["value"] is None:
        return "-"
    value = f"{told['value'] * scale:.1f}{unit}"
    if told["too_few"]:
        return f"{value} (too few)"
    return f"{value} ({told['low'] * scale:.1f} to {told['high'] * scale:.1f})"


def _percent(told: dict[str, Any]) -> str:
    return _number(told, 100, " %")
