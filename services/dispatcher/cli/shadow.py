"""`nps shadow report`: targets in shadow beside the tool that sends now, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: lines, or with `--json` one JSON object.
Exit codes: 0 done, 1 refused, 2 an option is wrong, 75 no instance answers.
"""

from typing import Annotated, Final

import typer
from rich.console import Console

from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json
from shared.typed import time_of

shadow = typer.Typer(
    name="shadow",
    help="Targets in shadow (targets.yaml: `shadow: true`): all but the sending. NPS_TOKEN holds "
    "the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_OURS: Final = ("play", "template", "target", "channel", "both", "only_ours")
_THEIRS: Final = ("target", "channel", "contact_class", "both", "only_theirs")


@shadow.callback()
def _group() -> None:
    """Keep `report` a command of the group though it is the only one."""


@shadow.command()
def report(
    context: typer.Context,
    *,
    since: Annotated[
        str | None, typer.Option(help="from then on: 2026-11-20, 12h or 3d (default 7d)")
    ] = None,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Compare what would have been sent with what the present tool sent, per play and template."""
    with explained():
        start = time_of(since)
        with server(context, url) as at:
            found = at.get("/v1/shadow", since=start)
    if json:
        write_json(found)
        return
    console = Console(highlight=False)
    console.print(
        f"since {found['since']}: {found['both']} sent by both, {found['only_ours']} only by us, "
        f"{found['only_theirs']} only by them",
        soft_wrap=True,
    )
    ours = table_of("play", "template", "target", "channel", "both", "only ours")
    for one in found["ours"]:
        ours.add_row(*(cell(one[name]) for name in _OURS))
    theirs = table_of("their target", "channel", "class", "both", "only theirs")
    for one in found["theirs"]:
        theirs.add_row(*(cell(one[name]) for name in _THEIRS))
    console.print(ours)
    console.print(theirs)
    if not found["shadows"]:
        console.print("No target is in shadow: set `shadow: true` in targets.yaml.")
    if not found["complete"]:
        console.print("Not all could be compared: choose a later --since.")
