"""`nps customer quality`: what is wrong with the customer base, at a running instance.

In: the instance's address and a token from NPS_TOKEN. Out: counts, or the customers of one kind,
in words or with `--json` as one JSON object on standard output. Exit codes: 0 done, 1 refused, 2 a
setting or an option is wrong, 75 no instance answers.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from services.segmenter.cli.merge import show_preview
from services.segmenter.quality.quality import KINDS
from shared.instance import HERE, Json, Server, Url, explained, server
from shared.screen import cell, table_of, write_json

_PATH: Final = "/v1/data-quality"
_PAGE: Final = 200
_DUPLICATES: Final = "duplicates"
What = Enum("What", {name: name for name in (*KINDS, _DUPLICATES)})  # type: ignore[misc]


def quality(
    context: typer.Context,
    what: Annotated[What | None, typer.Argument(help="list these; none: count all")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="list at most so many")] = 100,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="duplicates only from this confidence")
    ] = 0.0,
    preview: Annotated[
        bool, typer.Option("--preview", help="duplicates with what a merge would bring")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Count what is missing, wrong or old in the customer base, or list whom it concerns."""
    with explained(), server(context, url) as at:
        if what is None:
            found = at.get(_PATH)
        elif what.value == _DUPLICATES:
            asked = {"least": least, "preview": preview or None}
            found = {"pairs": _some(_paged(at, f"{_PATH}/{_DUPLICATES}", "pairs", asked), limit)}
        else:
            pages = _paged(at, f"{_PATH}/{what.value}", "customers", {})
            found = {"kind": what.value, "customers": _some(pages, limit)}
    if json:
        write_json(found)
    else:
        _show(Console(highlight=False), found)


def _paged(at: Server, path: str, name: str, asked: dict[str, Any]) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        page = at.get(path, cursor=cursor, limit=_PAGE, **asked)
        yield from page[name]
        cursor = page["next"]
        if cursor is None:
            return


def _some(items: Iterator[Any], most: int) -> list[Any]:
    """Take the first ones; no page is asked for that is not needed."""
    return [item for _, item in zip(range(most), items, strict=False)]


def _show(console: Console, found: dict[str, Any]) -> None:
    if "counts" in found:
        table = table_of("", "customers")
        for kind, count in found["counts"].items():
            table.add_row(*map(cell, (kind.replace("_", " "), count)))
        table.add_row("suspected duplicates", cell(f"{found['suspected_duplicates']} pairs"))
        console.print(table)
        console.print(f"of {found['customers']} customers, as of {found['as_of']}")
    elif "pairs" in found:
        for pair in found["pairs"]:
            console.print(cell(f"{pair['confidence']:.2f}  {'  '.join(pair['customers'])}"))
            reasons = "; ".join(reason["words"] for reason in pair["reasons"])
            console.print(cell(f"      {reasons}"), soft_wrap=True)
            if pair["outcome"]:
                show_preview(console, pair["outcome"])
        if not found["pairs"]:
            console.print("no two customers look like one person")
        else:
            console.print("What would come out: nps customer merge ID ID --preview")
    else:
        for customer in found["customers"]:
            console.print(cell(customer))
        if not found["customers"]:
            console.print("nobody")
