"""One thing that a check of the configuration tells.

In: the lines of a `ConfigError`, or a place in a file that was read. Out: values that are shown to
a person or written as JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.errors import ConfigError
from shared.settings import Loaded

#: `mistake`: a start would refuse it · `misfit`: each file is right by itself, and together they do
#: not do what is written · `warning`: maybe not meant, or not to be told on this machine.
Level = Literal["mistake", "misfit", "warning"]

_PLACED: Final = re.compile(r"(?P<file>[^:]+):(?:(?P<line>\d+):)? (?P<what>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Told:
    """One line; `file` is `environment` for what no file says."""

    level: Level
    file: str
    line: int | None
    what: str

    @property
    def place(self) -> str:
        """Say where, as editors and terminals jump to it."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


def of_error(level: Level, error: ConfigError | str, file: str) -> Iterator[Told]:
    """Take the lines of an error apart; one without a place of its own is about `file`."""
    for text in str(error).splitlines():
        found = _PLACED.fullmatch(text)
        if found and (found["line"] or found["file"] == file or found["file"].endswith(".j2")):
            line = int(found["line"]) if found["line"] else None
            yield Told(level, found["file"], line, found["what"])
        else:
            yield Told(level, file, None, text)


def at(level: Level, loaded: Loaded[Any], location: tuple[int | str, ...], what: str) -> Told:
    """Tell something of a place in a file that was read."""
    return next(of_error(level, loaded.told(location, what), str(loaded.path)))
