"""What commands write alike: tables that read anywhere, plain cells, one JSON object."""

import sys

import orjson
from rich.table import Table
from rich.text import Text


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


def cell(value: object) -> Text:
    """Take a value as plain text: what a platform sent is no markup."""
    return Text("" if value is None else str(value))
