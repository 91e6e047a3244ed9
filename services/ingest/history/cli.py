"""`nps import`: history from a file, told to a running instance.

In: a file, the instance's address and a token from NPS_TOKEN. Out: what became of its rows, in
words or with `--json` as one JSON object. Exit codes: 0 all rows were read, 1 some were refused,
2 a setting, an option or the file is wrong, 75 no instance answers, 130 stopped by a person.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, get_args

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.prompt import Prompt
from rich.text import Text

from services.ingest.history.file import Format, RowsFile, look_at
from services.ingest.history.importing import Importing, Tally, refused_path
from shared.errors import ConfigError
from shared.events.feedback import Provenance
from shared.instance import HERE, Json, Url, explained, server
from shared.screen import cell, table_of, write_json

_MOST_RULES: Final = 10


def import_rows(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help="a .csv or .jsonl file")],
    source: Annotated[str, typer.Option(help="the source whose `columns` (or keys) read a row")],
    provenance: Annotated[
        Provenance | None,
        typer.Option(help="where the data comes from; asked if not given"),
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="of the file: utf-8, latin-1, cp1252, utf-16")
    ] = "utf-8",
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, typer.Option(help="if the name does not say it")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would become of it, and change nothing")
    ] = False,
    url: Url = HERE,
    json: Json = False,
) -> None:
    """Tell the past from a file: attributes are built, and nobody is contacted for it.

    Stopped, it goes on where it was when the same command is run again, on any machine. Refused
    rows are written to a file beside it.
    """
    with explained():
        whence = provenance or _asked_provenance()
        looked = look_at(file, encoding=encoding, format_=format)
        total = sum(1 for _ in looked.rows())
        with server(context, url) as at, _bar(total, quiet=json) as moved:
            run = Importing(at, looked, source, whence, dry_run=dry_run, moved=moved)
            try:
                tally = run.run(total)
            except KeyboardInterrupt:
                sys.stderr.write("stopped: run the same command to go on from there\n")
                raise typer.Exit(130) from None
    _tell_import(tally, total, looked, dry_run=dry_run, json=json)
    raise typer.Exit(1 if tally.refused else 0)


def _asked_provenance() -> Provenance:
    """Ask the person at the terminal; nobody there must say it beforehand."""
    if not sys.stdin.isatty():
        raise ConfigError("--provenance: say own, partner or bought: consents depend on it")
    choice: Provenance = Prompt.ask(
        "Where does this data come from?", choices=list(get_args(Provenance))
    )  # type: ignore[assignment]
    return choice


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error, where a terminal is."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disabled = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disabled) as progress:
        task = progress.add_task("rows", total=total)
        yield lambda done: progress.update(task, completed=done)


def _tell_import(tally: Tally, total: int, file: RowsFile, *, dry_run: bool, json: bool) -> None:
    rules = [
        {"path": path, "rule": rule, "rows": rows}
        for (path, rule), rows in tally.rules.most_common()
    ]
    refused_to = str(refused_path(file)) if tally.refused else None
    if json:
        write_json(
            {
                "dry_run": dry_run,
                "sha256": file.sha256,
                "rows": total,
                "before": tally.before,
                "told": tally.told,
                "ignored": dict(tally.ignored),
                "refused": tally.refused,
                "erased": tally.erased,
                "rules": rules,
                "refused_to": refused_to,
            }
        )
        return
    console = Console(highlight=False)
    done = "would be told" if dry_run else "told"
    told_before = f", {tally.before} told before" if tally.before else ""
    console.print(f"{total} rows: {tally.told} {done}{told_before}, {tally.refused} refused")
    if tally.erased:
        console.print(f"{tally.erased} of people who were erased: nothing is told of them")
    for reason, rows in tally.ignored.most_common():
        console.print(Text(f"{rows} ignored: {reason}"))
    table = table_of("rows", "path", "rule")
    for one in rules[:_MOST_RULES]:
        table.add_row(*map(cell, (one["rows"], one["path"], one["rule"])))
    if rules:
        console.print(table)
        console.print(Text(f"The refused rows are in {refused_to}"), soft_wrap=True)
