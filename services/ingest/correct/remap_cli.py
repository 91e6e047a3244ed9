"""`nps source remap`: what a corrected mapping makes of answers that were told wrongly.

In: a source, since when, the instance's address and a token from NPS_TOKEN. Out: the differences,
in words or with `--json` as one JSON object; with `--publish` they are told. Exit codes: 0 all that
differs can be told, 1 some of it cannot, 2 a setting or an option is wrong, 75 nobody answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import cell, table_of, write_json
from shared.typed import time_of

_NOT_SAID: Final = "(not said)"


@dataclass
class _Tally:
    """What was found so far."""

    read: int = 0
    changed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    stays: set[str] = field(default_factory=set)

    def count(self, body: Mapping[str, Any]) -> None:
        """Count one body that differs."""
        if body["refused"]:
            self.refused[body["refused"]] += 1
        else:
            self.changed += 1
        for change in body["changes"]:
            for one in change["differences"]:
                self.fields[one["field"]] += 1
                if one["stays"]:
                    self.stays.add(one["field"])


def remap_source(
    context: typer.Context,
    *,
    source: Annotated[str, typer.Argument(help="the source whose mapping was corrected")],
    since: Annotated[str, typer.Option(help="what came since then: 2026-11-20, 12h or 3d")],
    until: Annotated[str | None, typer.Option(help="and before then")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="every value, then and now")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="tell the revisions; else only show them")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Read kept bodies by the mapping in use, show what differs, and tell it when asked to.

    What is shown holds what customers said.
    """
    tally, shown, console = _Tally(), list[Any](), Console(highlight=False)
    with explained():
        wanted = {
            "since": time_of(since),
            "until": time_of(until, "--until"),
            "dry_run": not publish,
        }
        with server(context, url) as at:
            for body in _bodies(at, source, wanted, tally):
                tally.count(body)
                if diff and json:
                    shown.append(body)
                elif diff:
                    _show(console, body)
    if json:
        write_json(
            {
                "source": source,
                "published": publish,
                "read": tally.read,
                "changed": tally.changed,
                "refused": tally.refused.total(),
                "reasons": dict(tally.refused),
                "fields": dict(tally.fields),
                "stays": sorted(tally.stays),
                **({"bodies": shown} if diff else {}),
            }
        )
    else:
        _tell(console, tally, published=publish)
    raise typer.Exit(1 if tally.refused else 0)


def _bodies(
    at: Server, source: str, wanted: Mapping[str, Any], tally: _Tally
) -> Iterator[dict[str, Any]]:
    cursor: int | None = 0
    while cursor is not None:
        page = at.post(f"/v1/sources/{source}/remap", {**wanted, "cursor": cursor})
        tally.read += page["read"]
        yield from page["bodies"]
        cursor = page["next"]


def _show(console: Console, body: Mapping[str, Any]) -> None:
    name = body["response_id"] or f"a batch of {len(body['changes'])} that differ"
    console.print(Text(f"{body['received_at'][:19]}  {name}", style="bold"))
    if body["refused"]:
        console.print(Text(f"  stays: {body['refused']}", style="red"))
    for change in body["changes"]:
        if not change["differences"] and change["event_id"]:
            console.print(Text(f"  {change['type']}: understood now"))
        for one in change["differences"]:
            sides = [str(one[side]) if side in one else _NOT_SAID for side in ("old", "new")]
            kept = "  (readers keep the old one)" if one["stays"] else ""
            console.print(Text(f"  {one['field']}: {' → '.join(sides)}{kept}"), soft_wrap=True)


def _bodies_in(number: int) -> str:
    return "1 body" if number == 1 else f"{number} bodies"


def _tell(console: Console, tally: _Tally, *, published: bool) -> None:
    if tally.fields:
        table = table_of("field", "bodies", "")
        for name, count in tally.fields.most_common():
            note = "readers keep some old values" if name in tally.stays else ""
            table.add_row(*map(cell, (name, count, note)))
        console.print(table)
    done = "told anew" if published else "would be told anew"
    told = _bodies_in(tally.changed)
    console.print(f"{_bodies_in(tally.read)} of another mapping read; {told} {done}")
    for reason, count in tally.refused.most_common():
        stays = "stays" if count == 1 else "stay"
        console.print(Text(f"{_bodies_in(count)} {stays}: {reason}"), soft_wrap=True)
    if tally.changed and not published:
        console.print("Nothing was changed: add --publish to tell them.")
