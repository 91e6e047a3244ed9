"""The table of values in the chart's README, made from the comments of values.yaml.

In: the text of values.yaml, where `# --` begins the description of the key below it. Out: a row per
described key: its path, its default as JSON, its description.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

BEGIN: Final = "<!-- values: begin (made from values.yaml) -->"
END: Final = "<!-- values: end -->"
_KEY: Final = re.compile(r"^( *)([A-Za-z]+):")
_SAID: Final = re.compile(r"^ *# -- (.*)")
_MORE: Final = re.compile(r"^ *# (.*)")


@dataclass(frozen=True)
class Row:
    """One value as the table shows it."""

    path: str
    default: object
    said: str


def rows(text: str) -> Iterator[Row]:
    """Read the described keys, in the order of the file."""
    values: Any = yaml.safe_load(text)
    path: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        if begun := _SAID.match(line):
            said = [begun[1]]
        elif said and (more := _MORE.match(line)):
            said.append(more[1])
        elif key := _KEY.match(line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if said:
                yield Row(".".join(path), _at(values, path), " ".join(said))
            said = []
        else:
            said = []


def undescribed(text: str) -> set[str]:
    """Name the values that no row covers, itself or by what it is in."""
    told = {row.path for row in rows(text)}
    return {
        path
        for path in _leaves(yaml.safe_load(text), "")
        if not any(path == known or path.startswith(f"{known}.") for known in told)
    }


def table(text: str) -> str:
    """Write the table, between the two marks by which it is found."""
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for row in rows(text):
        default = json.dumps(row.default, ensure_ascii=False).replace("|", "\\|")
        lines.append(f"| `{row.path}` | `{default}` | {row.said.replace('|', chr(92) + '|')} |")
    return "\n".join([BEGIN, *lines, END])


def _at(values: Any, path: list[str]) -> object:
    for key in path:
        values = values[key]
    return values


def _leaves(values: Any, path: str) -> Iterator[str]:
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path
