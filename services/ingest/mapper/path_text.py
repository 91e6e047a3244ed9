"""The text of a path, read into its steps.

In: what stands in a mapping. Out: steps that `paths` makes closures of, or ValueError saying what
is wrong at which character. Pure.
"""

import re
from dataclasses import dataclass
from typing import Final

#: The keys that lead from a map to a map in it, and so on.
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """The value under a key of a map."""

    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """The element at a place of a list, counted from 0."""

    number: int


@dataclass(frozen=True, slots=True)
class Where:
    """The element whose value under one of `keys` equals `value`; `index` names list and keys."""

    keys: tuple[Names, ...]
    value: str
    index: str


@dataclass(frozen=True, slots=True)
class Labels:
    """What to put for ids of options: the `text` of those among `options` whose `id` they are."""

    options: Names
    id: Names
    text: Names


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of these that says something; only at the end of a path."""

    options: tuple[tuple[Names, Labels | None], ...]


Step = Key | Place | Where | FirstOf

#: A key without quotes ends before these: in a path, in a selector, in braces.
_BARE: Final = re.compile(r'[^.\[\]"={}]+')
_BARE_IN_LIST: Final = re.compile(r'[^.\[\]"={},]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,6}(?=\])")


def quote(name: str) -> str:
    """Write a key or value so that nothing in it is read as part of a path."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_steps(text: str, before: str = "") -> tuple[Step, ...]:
    """Read a path; `before` is what stood before it (`root:`). Raises ValueError."""
    return _Reader(before + text, len(before)).steps()


class _Reader:
    """Reads one path from left to right."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._at = start

    def steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        if not self._next_is("["):
            steps.append(Key(self._name(_BARE)))
        while self._at < len(self._text):
            before = self._text[: self._at]
            if self._take(".{"):
                steps.append(FirstOf(self._alternatives()))
                self._must_take("}", "expected ',' or '}'")
                if self._at < len(self._text):
                    raise self._wrong("expected the end: alternatives stand last")
            elif self._take("."):
                steps.append(Key(self._name(_BARE)))
            elif self._take("["):
                steps.append(self._selector(before))
            else:
                raise self._wrong("expected '.' or '['")
        return tuple(steps)

    def _selector(self, before: str) -> Step:
        if match := _NUMBER.match(self._text, self._at):
            self._at = match.end() + 1
            return Place(int(match[0]))
        start = self._at
        keys = self._listed()
        asked = self._text[start : self._at]
        self._must_take("=", "expected '=' and the value that the key must have")
        value = self._quoted()
        if value is None:
            end = self._text.find("]", self._at)
            value = self._text[self._at : end] if end > self._at else ""
            self._at += len(value)
            if not value:
                raise self._wrong("expected a value and ']'")
        self._must_take("]", "expected a value and ']'")
        return Where(keys, value, f"{before}[{asked}]")

    def _listed(self) -> tuple[Names, ...]:
        """Read `a.b,c`: dotted keys, one or several."""
        options = [self._dotted()]
        while self._take(","):
            options.append(self._dotted())
        return tuple(options)

    def _alternatives(self) -> tuple[tuple[Names, Labels | None], ...]:
        """Read `a.b,value=options[id].text`."""
        found: list[tuple[Names, Labels | None]] = []
        while not found or self._take(","):
            names = self._dotted()
            found.append((names, self._labels() if self._take("=") else None))
        return tuple(found)

    def _labels(self) -> Labels:
        options = self._dotted()
        self._must_take("[", "expected '[' and the key that an option's id is under")
        key = self._dotted()
        self._must_take("].", "expected '].' and the key that an option's text is under")
        return Labels(options, key, self._dotted())

    def _dotted(self) -> Names:
        names = [self._name(_BARE_IN_LIST)]
        while self._take("."):
            names.append(self._name(_BARE_IN_LIST))
        return tuple(names)

    def _name(self, bare: re.Pattern[str]) -> str:
        quoted = self._quoted()
        if quoted is not None:
            return quoted
        match = bare.match(self._text, self._at)
        if match is None:
            raise self._wrong("expected a key (quote keys that hold . , [ ] { } = or quotes)")
        self._at = match.end()
        return match[0]

    def _quoted(self) -> str | None:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL)

    def _next_is(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _take(self, mark: str) -> bool:
        found = self._next_is(mark)
        self._at += len(mark) if found else 0
        return found

    def _must_take(self, mark: str, what: str) -> None:
        if not self._take(mark):
            raise self._wrong(what)

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"path {self._text!r}, character {self._at + 1}: {what}")
