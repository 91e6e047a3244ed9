"""`nps template lint`: check the templates of a mail target as their readers will see them.

In: a folder of templates; nothing is sent and nothing is asked. Out: one line for each mistake, or
with `--json` one object on standard output. Exit codes: 0 none, 1 some, 2 the folder is not what a
start would take.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.dispatcher.platforms.smtp.lint import lint
from services.dispatcher.platforms.smtp.shelf import Sheet, Shelf, Unwritable
from services.dispatcher.targets.wired import read_shelf
from shared.errors import ConfigError
from shared.instance import Json
from shared.process import read_settings
from shared.screen import write_json

template = typer.Typer(
    name="template",
    help="Templates of mail targets: read as their readers will.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

#: Values to read a template with; a name that is not here stands for itself.
EXAMPLES: Final[dict[str, Any]] = {
    "brand": "Maison Exemple",
    "delivery_id": "5f1d7c1e-7a53-5b0e-9c55-0d2f4c6b8a02",
    "action": "reassurance",
    "variant": "default",
    "unsubscribe_url": "https://shop.example/stop/5f1d7c1e",
    "name": "Claire",
    "first_name": "Claire",
    "signed_by": "Camille Roux",
    "signed_by_role": "Customer care",
    "reply_to": "care@shop.example",
    "coupon": "MERCI-2026",
    "score": 9,
}


@template.callback()
def about() -> None:
    """Keep `lint` a command of its own name, though it is the only one."""


@template.command(name="lint")
def lint_folder(
    folder: Annotated[
        Path | None, typer.Argument(help="the templates (default: `templates` of NPS_CONFIG)")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Find what a careful reader would: contrast, links, tu and vous, two parts that differ."""
    try:
        shelf = read_shelf(folder or read_settings().config / "templates")
    except ConfigError as error:
        if json:
            write_json({"errors": str(error).splitlines(), "mistakes": [], "templates": 0})
        else:
            sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    found = {f"{s.template}.{s.language}": tuple(mistakes(shelf, s)) for s in shelf.sheets}
    count = sum(map(len, found.values()))
    if json:
        told = [{"template": name, "mistake": one} for name in found for one in found[name]]
        write_json({"errors": [], "mistakes": told, "templates": len(found)})
    else:
        for name, wrong in found.items():
            for one in wrong:
                typer.echo(f"{name}: {one}")
        typer.echo(f"{len(found)} templates, {count} mistakes")
    raise typer.Exit(1 if count else 0)


def mistakes(shelf: Shelf, sheet: Sheet) -> Iterator[str]:
    """Yield what is wrong with a template, with all that it may be told and with the least."""
    needed = shelf.needs(sheet.template)
    named = needed | shelf.optional(sheet)
    everything = {name: EXAMPLES.get(name, _example(name)) for name in sorted(named)}
    least = {name: value for name, value in everything.items() if name in needed}
    told: set[str] = set()
    for values in (everything, least):
        try:
            wrong = lint(shelf.write(sheet, values))
        except Unwritable as error:
            wrong = (str(error),)
        for one in wrong:
            if one not in told:
                told.add(one)
                yield one


def _example(name: str) -> str:
    return f"https://shop.example/{name}" if name.endswith("url") else f"[{name}]"
