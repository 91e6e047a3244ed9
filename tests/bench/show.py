"""Figures of any shape for people: lists of records as tables, the rest as lines."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show(title: str, figures: Mapping[str, Any], screen: Console) -> None:
    """Print them under a title."""
    screen.print(title, style="bold")
    for name, value in figures.items():
        if isinstance(value, list):
            screen.print(_table(name, value))
        else:
            screen.print(f"{_words(name)}: {_text(value)}", highlight=False)


def _table(name: str, records: list[dict[str, Any]]) -> Table:
    drawn = Table(title=_words(name), title_justify="left")
    for place, (column, value) in enumerate(records[0].items()):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        drawn.add_column(
            _words(column),
            justify="right" if number else "left",
            style="bold" if not place else None,
        )
    for record in records:
        drawn.add_row(*map(_text, record.values()))
    return drawn


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return str(value)
