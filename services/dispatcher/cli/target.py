"""`nps target …`: how targets stand, and pausing, resuming or draining them, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: lines, or with `--json` one JSON object.
Exit codes: 0 done, 1 refused, 2 an option is wrong, 75 no instance answers.
"""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from services.dispatcher.brakes.rates import rate_of
from shared.errors import ConfigError
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json

target = typer.Typer(
    name="target",
    help="The campaign platforms: how each stands and why. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(metavar="TARGET", help="its name in targets.yaml")]
Reason = Annotated[str, typer.Option(help="why; kept with your token's name and the time")]
#: Where no reason is given: that it was said here.
_HERE = "said at the command line"


@target.command(name="list")
def list_targets(context: typer.Context, *, url: Url = HERE, json: Json = False) -> None:
    """List targets: how each stands, what waits for it, and why it is not called."""
    with explained(), server(context, url) as at:
        found = at.get("/v1/targets")
    if json:
        write_json(found)
        return
    table = table_of(
        "target", "state", "waiting", "pushes", "refused", "doubt", "parked", "failed", "why"
    )
    for each in found["targets"]:
        shares = [one["share"] for one in each["breakers"].values() if one["calls"]]
        share = f"{max(shares):.0%}" if shares else ""
        kinds = ("waiting", "pushes", "profiles_refused", "in_doubt", "parked")
        numbers = (each[name] for name in kinds)
        row = (each["name"], each["state"], *numbers, share, _why(each))
        table.add_row(*(cell(value) for value in row))
    Console(highlight=False).print(table)


@target.command()
def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]…", help="else all that are enabled")
    ] = None,
    *,
    accept: Annotated[
        bool, typer.Option("--accept", help="take the fields as they are now for right: no drift")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Look at platforms now: credentials, fields, values, templates. Exit 1: something is wrong."""
    with explained(), server(context, url) as at:
        if accept and not names:
            raise ConfigError("--accept: name the targets whose fields are right as they are")
        wanted = names or [each["name"] for each in at.get("/v1/targets")["targets"]]
        found = [
            at.post(f"/v1/targets/{quote(name, safe='')}/check", {"accept": accept})
            for name in wanted
        ]
    if json:
        write_json({"reports": found})
    else:
        for each in found:
            _print_report(each)
    if any(each["findings"] for each in found):
        raise typer.Exit(1)


def _print_report(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if not report["looked"]:
        console.print(
            Text(f"{report['target']}: not looked at: its preset knows no look, or it is in shadow")
        )
    elif not report["findings"]:
        console.print(Text(f"{report['target']}: all is there"))
    for one in report["findings"]:
        words = f"{report['target']}: {one['reason'].replace('_', ' ')}: {one['what']}"
        console.print(Text(words), soft_wrap=True)


@target.command()
def pause(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = _HERE,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Begin no more calls to a target until somebody resumes it; a restart does not."""
    _say(context, url, name, "pause", {"reason": reason}, json=json)


@target.command()
def resume(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = _HERE,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Call a target again at full speed, whatever kept it: a person, its account, a breaker."""
    _say(context, url, name, "resume", {"reason": reason}, json=json)


@target.command()
def drain(
    context: typer.Context,
    name: Name,
    *,
    rate: Annotated[str, typer.Option(help="no faster than this: 5/s, 30/min, 200/h")],
    reason: Reason = _HERE,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Call a target again no faster than a rate, until nothing is due; then at full speed."""
    with explained():
        try:
            rate_of(rate)
        except ValueError as error:
            raise ConfigError(f"--rate: {error}") from None
    _say(context, url, name, "drain", {"reason": reason, "rate": rate.strip()}, json=json)


@target.command(name="redrive-profiles")
def redrive_profiles(
    context: typer.Context,
    name: Name,
    *,
    state: Annotated[
        list[str] | None, typer.Option(help="rejected or parked (default: both); repeatable")
    ] = None,
    reason_contains: Annotated[
        str | None, typer.Option(help="only where the refusal holds these words")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="at most so many")] = 1_000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only count; nothing is changed")
    ] = False,
    reason: Reason = _HERE,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Push profiles again that the platform refused, once what refused them is mended."""
    wish: dict[str, Any] = {"reason": reason, "limit": limit, "dry_run": dry_run}
    if state:
        wish["state"] = state
    if reason_contains:
        wish["reason_contains"] = reason_contains
    with explained(), server(context, url) as at:
        found = at.post(f"/v1/targets/{quote(name, safe='')}/redrive-profiles", wish)
    if json:
        write_json(found)
        return
    words = "would be pushed again" if dry_run else "are pushed again"
    console = Console(highlight=False)
    if not found["changed"] and not found["left"]:
        console.print("no refused profile is chosen")
    for kind, reasons in found["reasons"].items():
        for why, count in reasons.items():
            console.print(Text(f"{count} {words}; {kind}: {why}"), soft_wrap=True)
    for why, count in found["left"].items():
        console.print(Text(f"{count} left: {why}"), soft_wrap=True)
    if found["more"]:
        console.print("there are more: ask again, or raise --limit")


def _say(
    context: typer.Context, url: str, name: str, what: str, said: dict[str, Any], *, json: bool
) -> None:
    with explained(), server(context, url) as at:
        found = at.post(f"/v1/targets/{quote(name, safe='')}/{what}", said)
    if json:
        write_json(found)
        return
    shown = found["target"]
    why = f": {_why(shown)}" if _why(shown) else ""
    Console(highlight=False).print(Text(f"{shown['name']} is {shown['state']}{why}"))


def _why(shown: dict[str, Any]) -> str:
    """Say why a target is not called at full speed."""
    parts = [shown["reason"], shown["rate"] and f"at {shown['rate']}"]
    parts += [shown["by"] and f"by {shown['by']}"]
    parts += [shown["until"] and f"until {shown['until'][:16].replace('T', ' ')}"]
    return ", ".join(part for part in parts if part)
