"""A folder of lists in a test: its carrier, and its files read as their users' programs do."""

import csv
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from services.dispatcher.calls.calls import Idempotency
from services.dispatcher.platforms.deals import Names
from services.dispatcher.platforms.fields import Written
from services.dispatcher.platforms.file.carrier import FileCarrier
from services.dispatcher.platforms.file.folder import Folder
from services.dispatcher.platforms.file.rows import Style, columns
from services.dispatcher.platforms.wired import load_wired
from tests.builders.platforms import NOW

MESSAGE = {"first_name": Written(field="first_name"), "nps_comment": Written(field="comment")}


def style(**changes: Any) -> Style:
    """Make a style with the columns of the tests' target."""
    given = {"columns": columns(["first_name", "comment"]), "delimiter": ",", "bom": False}
    return Style(**{**given, **changes})


def folder(place: Path, **changes: Any) -> Folder:
    """Make the files of a target named `calls`."""
    return Folder(place, "calls", style(**changes))


def list_carrier(
    place: Path,
    *,
    at: datetime = NOW,
    zone: str = "UTC",
    shadow: bool = False,
    **changes: Any,
) -> FileCarrier:
    """Make the carrier of a target named `calls`."""
    preset = load_wired("csv")
    return FileCarrier(
        "calls",
        folder(place, **changes),
        preset=preset,
        style=style(**changes),
        names=Names(message=MESSAGE),
        zone=ZoneInfo(zone),
        idempotency=Idempotency("look"),
        clock=lambda: at,
        shadow=shadow,
    )


def read(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a file as a program does that knows its delimiter."""
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter, strict=True))


def files(place: Path, pattern: str = "*") -> dict[str, bytes]:
    """Return what lies in a folder."""
    return {file.name: file.read_bytes() for file in place.glob(pattern)}


def modes(place: Path) -> dict[str, int]:
    """Return who may do what with the files of a folder."""
    return {file.name: file.stat().st_mode & 0o777 for file in place.iterdir()}
