"""`nps config check`: the whole configuration before a roll-out, without a start.

In: a configuration folder. Out: a line for each file and for each thing that is wrong, with file,
line and fix, or with `--json` one JSON object. Nothing is connected to. Exit codes: 0 a start would
take it, 1 it would, and the files do not fit together (or, with `--strict`, there are warnings), 2
a start would refuse it.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from services.configuration.fitting import misfits
from services.configuration.folder import Folder, read_folder
from services.configuration.told import Level, Told, of_error
from shared.errors import ConfigError
from shared.instance import Json
from shared.process import read_settings
from shared.screen import write_json
from shared.settings import Secrets
from shared.times import utc_now

config = typer.Typer(
    name="config",
    help="The configuration as a whole: sources, policy, playbook, targets, access, templates.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

#: Where a setting of the process is, as `file` of what is told.
_ENVIRONMENT: Final = "environment"
_STYLES: Final[dict[Level, str]] = {"mistake": "red", "misfit": "magenta", "warning": "yellow"}


@config.callback()
def about() -> None:
    """Keep `check` a command of its own name, though it is the only one."""


@config.command()
def check(
    context: typer.Context,
    *,
    folder: Annotated[
        Path | None,
        typer.Option("--config", help="the folder (default: NPS_CONFIG or deploy/config)"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit 1 when there are warnings")
    ] = False,
    data: Annotated[
        Path, typer.Option(help="data folder of the embedded default, for secrets it made up")
    ] = Path("data"),
    json: Json = False,
) -> None:
    """Read every file as a start does, then hold them together: mistakes with file, line, fix."""
    try:
        settings = read_settings(**({} if folder is None else {"config": folder}))
        found = read_folder(settings, Secrets({**_made_up(context, data), **os.environ}))
    except ConfigError as error:
        found = Folder(told=list(of_error("mistake", error, _ENVIRONMENT)))
    told = [*found.told, *_together(found)]
    counts = Counter(one.level for one in told)
    if json:
        write_json(_as_json(found.files, told))
    else:
        _print(found.files, told)
    if counts["mistake"]:
        raise typer.Exit(2)
    raise typer.Exit(1 if counts["misfit"] or (strict and counts["warning"]) else 0)


def _together(found: Folder) -> list[Told]:
    """Hold the files together, if all of them can be read."""
    if not (found.sources and found.policy and found.playbook and found.targets):
        return []
    today = utc_now().date()
    return misfits(found.sources, found.policy, found.playbook, found.targets, today)


def _made_up(context: typer.Context, data: Path) -> dict[str, str]:
    """Read the secrets of the embedded default: whoever composed the commands knows how."""
    return dict(context.obj(data.resolve())) if callable(context.obj) else {}


def _of(file: str, told: list[Told]) -> list[Told]:
    """Take what is told of a file, or of what lies in a folder."""
    return [one for one in told if one.file == file or one.file.startswith(f"{file}/")]


def _print(files: list[str], told: list[Told]) -> None:
    console = Console(highlight=False)
    for file in files:
        levels = Counter(one.level for one in _of(file, told))
        words = ", ".join(_count(level, levels[level]) for level in _STYLES if levels[level])
        style = next((_STYLES[level] for level in _STYLES if levels[level]), "green")
        console.print(Text.assemble(f"{file}: ", (words or "ok", style)), soft_wrap=True)
    for one in sorted(told, key=lambda each: list(_STYLES).index(each.level)):
        head = (one.level, _STYLES[one.level])
        console.print(Text.assemble(head, f" {one.place}: {one.what}"), soft_wrap=True)


def _count(level: Level, count: int) -> str:
    return f"{count} {level}{'' if count == 1 else 's'}"


def _as_json(files: list[str], told: list[Told]) -> dict[str, Any]:
    counts = Counter(one.level for one in told)
    return {
        "files": [
            {"file": file, "ok": not any(one.level != "warning" for one in _of(file, told))}
            for file in files
        ],
        "counts": {f"{level}s": counts[level] for level in _STYLES},
        "told": [
            {"level": one.level, "file": one.file, "line": one.line, "what": one.what}
            for one in told
        ],
    }
