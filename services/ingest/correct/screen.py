"""What operators' commands read and write alike: moments, tables, one JSON object."""

import sys

import orjson
from rich.table import Table
from rich.text import Text

from services.ingest.correct.ago import moment
from shared.errors import ConfigError
from shared.times import iso, utc_now


def time_of(text: str | None, option: str = "--since") -> str | None:
    """Read a moment as typed for an option. Raises `ConfigError`."""
    if text is None:
        return None
    try:
        return iso(moment(text, utc_now()))
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{option}: {error}") from None


def write_json(content: object) -> None:
    """Write one JSON object on standard output."""
    sys.stdout.write(orjson.dumps(content).decode() + "\n")


def table_of(*columns: str) -> Table:
    """Begin a table that reads at 80 columns and where nothing is a terminal."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        # An id is copied: it is never cut.
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    return table


def why(path: object, rule: object) -> Text:
    """Write where and why a message was not understood, on a line of its own below its row."""
    text = f"  {path}: {rule}" if path else f"  {rule or ''}"
    return Text(text.rstrip(), style="dim")


def cell(value: object) -> Text:
    """Take a value as plain text: what a platform sent is no markup."""
    return Text("" if value is None else str(value))
