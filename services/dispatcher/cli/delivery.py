"""`nps delivery …`: the ledger, doubts, and changing many deliveries, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: lines, or with `--json` one JSON object.
Exit codes: 0 done, 1 refused, 2 an option is wrong, 75 no instance answers.
"""

from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from shared.errors import ConfigError
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import cell, table_of, write_json
from shared.typed import time_of

delivery = typer.Typer(
    name="delivery",
    help="Messages and alerts: what became of each, and what to do about it. NPS_TOKEN holds the "
    "token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_PAGE: Final = 500
Target = Annotated[str | None, typer.Option(help="only of this target")]
Play = Annotated[str | None, typer.Option(help="only of this play")]
Since = Annotated[
    str | None, typer.Option(help="only in this state since then: 2026-11-20, 12h or 3d")
]
Until = Annotated[str | None, typer.Option(help="only in this state before then")]
Reason = Annotated[str | None, typer.Option(help="only where the reason holds these words")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="at most so many")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only count; nothing is changed")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="ids of deliveries")]


@delivery.command(name="list")
def list_deliveries(
    context: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(help="only in this state")] = None,
    target: Target = None,
    play: Play = None,
    customer: Annotated[str | None, typer.Option(help="only hers, by her id")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, the newest")] = 50,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """List deliveries, the newest first, each with its state and the reason."""
    with explained(), server(context, url) as at:
        asked = {"state": state, "target": target, "play": play}
        who = None if customer is None else _id(customer)
        rows = _rows(at, limit, {**asked, "customer_id": who})
    if json:
        write_json({"deliveries": rows})
        return
    table = table_of("id", "state", "play", "target", "reason")
    for row in rows:
        names = ("id", "state", "play", "target", "reason")
        table.add_row(*(cell(row[name]) for name in names))
    Console(highlight=False).print(table if rows else "no delivery is chosen")


@delivery.command()
def show(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="ID", help="id of the delivery")],
    *,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Show one delivery with every change: when, why and by whom."""
    with explained(), server(context, url) as at:
        found = at.get(f"/v1/deliveries/{_id(one)}")
    _tell(found, json=json)


@delivery.command()
def settle(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="ID", help="id of the delivery")],
    *,
    sent: Annotated[
        bool, typer.Option("--sent", help="it reached her: accept it as it is")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="it did not: send it again")] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """End a doubt: it was sent, or shall be sent again with its gates asked anew."""
    with explained():
        if sent == again:
            raise ConfigError("say --sent or --again")
        with server(context, url) as at:
            outcome = {"outcome": "sent" if sent else "again"}
            found = at.post(f"/v1/deliveries/{_id(one)}/settle", outcome)
    _tell(found, json=json)


@delivery.command()
def redrive(
    context: typer.Context,
    ids: Ids = None,
    *,
    state: Annotated[
        list[str],
        typer.Option(help="rejected, expired, parked, suppressed or superseded; repeatable"),
    ],
    target: Target = None,
    play: Play = None,
    since: Since = None,
    until: Until = None,
    reason_contains: Reason = None,
    limit: Limit = 1_000,
    dry_run: DryRun = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Make deliveries due again, asked anew; past a brake they wait, past the deadline expire."""
    with explained():
        chosen = _chosen(
            ids,
            target=target,
            play=play,
            since=since,
            until=until,
            reason_contains=reason_contains,
        )
        wish = {**chosen, "state": state, "limit": limit, "dry_run": dry_run}
        _change(context, url, "redrive", wish, json=json)


@delivery.command()
def release(
    context: typer.Context,
    ids: Ids = None,
    *,
    target: Target = None,
    play: Play = None,
    since: Since = None,
    until: Until = None,
    reason_contains: Reason = None,
    limit: Limit = 1_000,
    dry_run: DryRun = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Let parked deliveries go that you have looked at: gates are asked anew, no brake."""
    with explained():
        chosen = _chosen(
            ids,
            target=target,
            play=play,
            since=since,
            until=until,
            reason_contains=reason_contains,
        )
        wish = {**chosen, "limit": limit, "dry_run": dry_run}
        _change(context, url, "release", wish, json=json)


@delivery.command()
def cancel(
    context: typer.Context,
    ids: Ids = None,
    *,
    reason: Annotated[str, typer.Option(help="why; kept with your token's name and the time")],
    state: Annotated[
        list[str] | None, typer.Option(help="planned, waiting or parked (default: all)")
    ] = None,
    target: Target = None,
    play: Play = None,
    since: Since = None,
    until: Until = None,
    reason_contains: Reason = None,
    limit: Limit = 1_000,
    dry_run: DryRun = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """End deliveries that wait; what may have been sent is in doubt and keeps its slot."""
    with explained():
        chosen = _chosen(
            ids,
            target=target,
            play=play,
            since=since,
            until=until,
            reason_contains=reason_contains,
        )
        wish = {**chosen, "reason": reason, "limit": limit, "dry_run": dry_run}
        _change(context, url, "cancel", {**wish, "state": state} if state else wish, json=json)


def _rows(at: Server, limit: int, filters: dict[str, str | None]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while len(rows) < limit:
        most = min(limit - len(rows), _PAGE)
        page = at.get("/v1/deliveries", limit=most, after=after, **filters)
        rows += page["deliveries"]
        after = page["next"]
        if after is None:
            break
    return rows


def _tell(found: dict[str, Any], *, json: bool) -> None:
    if json:
        write_json(found)
        return
    console, shown = Console(highlight=False), found["delivery"]
    for name in ("id", "customer_id", "play", "action", "channel", "target", "state", "reason",
                 "attempts", "deadline", "message"):  # fmt: skip
        console.print(Text(f"{name:<12}{shown[name]}"), soft_wrap=True)
    if shown["status_reason"] is not None:
        asked, due = (_when(shown[name]) for name in ("status_asked_at", "status_due"))
        line = f"asked {asked}, next {due}: {shown['status_reason']}"
        console.print(Text(f"{'status':<12}{line}"), soft_wrap=True)
    for each in found["changes"]:
        said = f"{each['state']}: {each['reason']} (by {each['by']})"
        if each["message"] is not None:
            said = f"message {each['message']} {_when(each['occurred_at'])} (by {each['by']})"
        line = f"{_when(each['at'])}  {said}"
        console.print(Text(line), soft_wrap=True)


def _when(at: str | None) -> str:
    return "never" if at is None else at[:19].replace("T", " ")


def _chosen(
    ids: list[str] | None,
    *,
    target: str | None,
    play: str | None,
    since: str | None,
    until: str | None,
    reason_contains: str | None,
) -> dict[str, Any]:
    """Put the filters together; what is not given is left out. Raises `ConfigError`."""
    filters = {
        "ids": [_id(each) for each in ids] if ids else None,
        "target": target,
        "play": play,
        "since": time_of(since, "--since"),
        "until": time_of(until, "--until"),
        "reason_contains": reason_contains,
    }
    return {name: value for name, value in filters.items() if value is not None}


def _change(
    context: typer.Context,
    url: str,
    what: str,
    wish: dict[str, Any],
    *,
    json: bool,
) -> None:
    with server(context, url) as at:
        done = at.post(f"/v1/deliveries/{what}", wish)
    if json:
        write_json(done)
        return
    console = Console(highlight=False)
    would = "would be " if done["dry_run"] else ""
    for state, count in sorted(done["changed"].items()):
        console.print(f"{count} {would}{state}")
        for why, each in sorted(done["reasons"].get(state, {}).items()):
            if state != "planned":
                console.print(Text(f"  {each}: {why}"))
    for why, count in sorted(done["left"].items()):
        console.print(Text(f"{count} left: {why}"))
    if not done["changed"] and not done["left"]:
        console.print("no delivery is chosen")
    if done["more"]:
        console.print("There are more: ask again, or give a higher --limit.")
    if done["dry_run"]:
        console.print("Nothing was changed: leave --dry-run out to do it.")


def _id(said: str) -> str:
    try:
        return str(UUID(said.strip()))
    except ValueError:
        raise ConfigError("give the id of a delivery, as `nps delivery list` shows it") from None
