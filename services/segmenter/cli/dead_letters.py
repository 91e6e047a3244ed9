"""`nps dead-letters …`: what was refused for good and why, and telling it again once mended.

In: the address of an instance with the segmenter and a token from NPS_TOKEN. Out: counts, in words
or with `--json` as one JSON object on standard output; what letters hold only with `--show`. Exit
codes: 0 done, 1 refused, 2 a setting or an option is wrong, 75 no instance answers.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from shared.errors import ConfigError
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import cell, table_of, write_json
from shared.times import utc_now
from shared.typed import time_of

dead_letters = typer.Typer(
    name="dead-letters",
    help="Records that no consumer could handle. NPS_TOKEN holds the token.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

TOPICS: Final = (FEEDBACK, DECISIONS, OUTCOMES)
TopicName = Annotated[str | None, typer.Option("--topic", help=f"only of {', '.join(TOPICS)}")]
Reason = Annotated[str | None, typer.Option(help="only with these words in the reason")]
Since = Annotated[str | None, typer.Option(help="only refused since then: 2026-11-20, 12h or 3d")]
#: Of one call.
_PAGE: Final = 100


@dead_letters.command(name="list")
def list_letters(
    context: typer.Context,
    *,
    topic: TopicName = None,
    reason: Reason = None,
    since: Since = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="each with what it holds: a customer's words and addresses"),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="with --show: at most so many")] = 20,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Count dead letters by topic and reason."""
    with explained():
        query = {"reason": reason, "since": time_of(since)}
        with server(context, url) as at:
            if show:
                letters = list(_letters(at, _topics(topic), limit, query))
            else:
                found = at.get("/v1/dead-letters", topic=topic and _topics(topic)[0], **query)
    if show:
        _write_letters(letters, json=json)
    elif json:
        write_json(found)
    else:
        _write_groups(found, utc_now())


@dead_letters.command()
def replay(
    context: typer.Context,
    *,
    topic: TopicName = None,
    reason: Reason = None,
    since: Since = None,
    limit: Annotated[
        int,
        typer.Option(
            min=1,
            help="at most so many, the oldest. First a few: more than twenty that are refused "
            "again within ten minutes stop the consumer",
        ),
    ] = 10,
    again: Annotated[
        bool, typer.Option("--again", help="also those that were told again already")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count them")] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Tell dead letters again, each once: on the topic it came from, with its own key and bytes."""
    with explained():
        wish = {"again": again, "dry_run": dry_run, "since": time_of(since)}
        wish |= {"reason": reason or ""}
        with server(context, url) as at:
            done, left = [], limit
            for name in _topics(topic):
                one = _replayed(at, name, left, wish)
                left -= one["told"]
                done.append(one)
    if json:
        write_json({"dry_run": dry_run, "topics": done})
        return
    verb = "would be told again" if dry_run else "told again"
    for one in done:
        if one["told"] or one["left"]:
            more = f", {one['left']} more" if one["left"] else ""
            typer.echo(f"{one['topic']}: {one['told']} {verb}{more}")
    if not any(one["told"] or one["left"] for one in done):
        typer.echo("no dead letter is chosen")


def _replayed(at: Server, topic: str, most: int, wish: dict[str, Any]) -> dict[str, Any]:
    """Tell letters of one topic, page by page; where none may be told, they are counted."""
    path, told, after = f"/v1/dead-letters/{topic}/replay", 0, -1
    while most > told:
        page = at.post(path, {**wish, "after": after, "limit": min(_PAGE, most - told)})
        told += page["told"]
        if not page["told"] or not page["left"] or told == most:
            return {"topic": topic, "told": told, "left": page["left"]}
        after = page["last"]
    page = at.post(path, {**wish, "limit": 1, "dry_run": True})
    return {"topic": topic, "told": 0, "left": page["told"] + page["left"]}


def _letters(
    at: Server, topics: tuple[str, ...], most: int, query: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for topic in topics:
        after: int | None = -1
        while most and after is not None:
            path = f"/v1/dead-letters/{topic}"
            page = at.get(path, after=after, limit=min(most, 20), **query)
            yield from page["letters"]
            most -= len(page["letters"])
            after = page["next"]


def _write_groups(found: dict[str, Any], now: datetime) -> None:
    console = Console(highlight=False)
    if not found["groups"]:
        console.print("no dead letters")
        return
    table = table_of("topic", "waiting", "told again", "oldest", "newest", "reason")
    for one in found["groups"]:
        ages = (_age(one[name], now) for name in ("oldest", "newest"))
        row = (one["topic"], one["waiting"], one["told"], *ages, one["reason"])
        table.add_row(*(cell(each) for each in row))
    console.print(table)
    if found["more"]:
        console.print(f"and {found['more']} more reasons: narrow it by --topic or --reason")


def _write_letters(letters: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        write_json({"letters": letters})
        return
    console = Console(highlight=False)
    if not letters:
        console.print("no dead letters")
    for one in letters:
        told = ", told again" if one["told"] else ""
        place = f"{one['topic']} {one['partition']}/{one['offset']}"
        console.print(Text(f"{place}  {one['dead_at']}{told}"), soft_wrap=True)
        console.print(Text(f"  {one['reason']}"), soft_wrap=True)
        console.print(Text(f"  {one['value']}"), soft_wrap=True)
        if len(one["value"].encode()) < one["bytes"]:
            console.print(f"  … of {one['bytes']} bytes")


def _age(moment: str, now: datetime) -> str:
    """Say how long ago a moment is, in the unit of `--since`."""
    age = now - datetime.fromisoformat(moment)
    for unit, span in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if age >= 2 * span:
            return f"{age // span}{unit}"
    return f"{max(0, age // timedelta(minutes=1))}m"


def _topics(named: str | None) -> tuple[str, ...]:
    if named is None:
        return TOPICS
    if named not in TOPICS:
        raise ConfigError(f"--topic: choose of {', '.join(TOPICS)}")
    return (named,)
