"""`nps quarantine …`: what was not understood, and reading it again, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: lines, or with `--json` one JSON object
on standard output. Exit codes: 0 done, 1 something is not understood still or was refused, 2 a
setting or an option is wrong, 75 no instance answers.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from services.ingest.correct.screen import why
from shared.errors import ConfigError
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import write_json
from shared.typed import time_of

quarantine = typer.Typer(
    name="quarantine",
    help="Messages that were authentic and could not be mapped. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Source = Annotated[str | None, typer.Option(help="only of this source")]
Rule = Annotated[str | None, typer.Option(help="only what failed this rule, in its words")]
Since = Annotated[str | None, typer.Option(help="only what came since then: 2026-11-20, 12h or 3d")]
Ids = Annotated[list[str] | None, typer.Argument(help="ids of rows")]
_PAGE: Final = 100


@quarantine.command(name="list")
def list_rows(
    context: typer.Context,
    *,
    source: Source = None,
    rule: Rule = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, the newest")] = 50,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """List rows, the newest first: where and why, never what."""
    with explained(), server(context, url) as at:
        rows = list(_rows(at, limit, source=source, rule=rule, since=time_of(since)))
    if json:
        write_json({"rows": rows})
        return
    console = Console(highlight=False)
    if not rows:
        console.print("nothing is in quarantine")
    for row in rows:
        received = f"{row['received_at'][:16].replace('T', ' ')}"
        console.print(Text(f"{row['id']}  {received}  {row['source']}"), soft_wrap=True)
        console.print(why(row["path"], row["rule"]), soft_wrap=True)


@quarantine.command()
def show(
    context: typer.Context,
    row: Annotated[str, typer.Argument(help="id of the row")],
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Show one row with its body. It may hold a customer's words: secrets only are struck out."""
    with explained(), server(context, url) as at:
        shown = at.get(f"/v1/quarantine/{_id(row)}")
    if json:
        write_json(shown)
        return
    console = Console(highlight=False)
    for key in ("id", "source", "received_at", "path", "rule", "mapping", "content_type", "query"):
        console.print(Text(f"{key:<13}{shown[key]}"))
    for name, value in shown["headers"].items():
        console.print(Text(f"{name}: {value}"))
    console.print()
    console.print(Text(shown["body"]), soft_wrap=True)
    if len(shown["body"].encode()) < shown["bytes"]:
        console.print(f"… of {shown['bytes']} bytes")


@quarantine.command()
def remap(
    context: typer.Context,
    *,
    ids: Ids = None,
    source: Source = None,
    rule: Rule = None,
    since: Since = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="tell what is understood now; else only show it")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Read rows again with the mapping in use: what would be told, and what fails still."""
    with explained(), server(context, url) as at:
        rows = list(
            _again(
                at,
                {
                    "ids": [_id(each) for each in ids or ()],
                    "source": source,
                    "rule": rule,
                    "since": time_of(since),
                    "dry_run": not publish,
                },
            )
        )
    _end(rows, published=publish, json=json)


@quarantine.command()
def replay(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(help="ids of rows")],
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Tell these rows now, also those that the bus did not take."""
    with explained(), server(context, url) as at:
        wanted = [_id(each) for each in ids]
        rows = list(_again(at, {"ids": wanted, "dry_run": False}))
    _end(rows, published=True, json=json)


def _rows(at: Server, limit: int, **filters: str | None) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    left = limit
    while left:
        page = at.get("/v1/quarantine", limit=min(left, _PAGE), cursor=cursor, **filters)
        yield from page["rows"]
        left -= len(page["rows"])
        cursor = page["next"]
        if cursor is None:
            return


def _again(at: Server, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read rows again: those named, a hundred at a time, else page by page."""
    left = list(dict.fromkeys(wanted.get("ids", ())))
    if left:
        while left:
            some = {**wanted, "ids": left[:_PAGE]}
            rows = at.post("/v1/quarantine/remap", some)["rows"]
            yield from rows
            # A page may be cut short while a dependency is away.
            done = {row["id"] for row in rows}
            left = [each for each in left if each not in done]
        return
    cursor: str | None = None
    while True:
        page = at.post("/v1/quarantine/remap", {**wanted, "limit": _PAGE, "cursor": cursor})
        yield from page["rows"]
        cursor = page["next"]
        if cursor is None:
            return


def _end(rows: Sequence[dict[str, Any]], *, published: bool, json: bool) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    if json:
        write_json({"published": published, "counts": counts, "rows": rows})
    else:
        console = Console(highlight=False)
        if not rows:
            console.print("no row is chosen")
        for row in rows:
            state = row["state"] if published else _WOULD[row["state"]]
            console.print(Text(f"{row['id']}  {row['source']}  {state}"), soft_wrap=True)
            if row["rule"]:
                console.print(why(row["path"], row["rule"]), soft_wrap=True)
        console.print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        if rows and not published:
            console.print("Nothing was changed: add --publish to tell them.")
    raise typer.Exit(1 if counts.get("failed") or counts.get("gone") else 0)


def _id(text: str) -> str:
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise ConfigError("give the id of a row, as `nps quarantine list` shows it") from None


_WOULD: Final = {
    "told": "would be told",
    "fetching": "would be fetched",
    "ignored": "would be ignored",
    "erased": "of somebody erased: would go",
    "failed": "fails",
    "gone": "gone",
}
