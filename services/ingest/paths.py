"""Where a field is in a payload: paths, read once at start into closures.

    form_response.token                                a key in a key
    data."question.with dots".value                    keys with dots, brackets or quotes: quoted
    form_response.answers[field.ref=nps_score].number  the list element whose key equals a value
    rows[0].id                                         a place in a list (answers: never by place)
    header:X-Survey                                    a request header

In: the text of a path. Out: a function payload → value, or `MISSING`. Pure.
"""

import re
from dataclasses import dataclass

from services.ingest.payload import MISSING, Payload, Pick

__all__ = ["MISSING", "Payload", "Pick", "compile_path", "quote"]


@dataclass(frozen=True, slots=True)
class _Key:
    name: str


@dataclass(frozen=True, slots=True)
class _Place:
    number: int


@dataclass(frozen=True, slots=True)
class _Where:
    """The element whose value under `keys` equals `value`; `index` names the list and the keys."""

    keys: tuple[str, ...]
    value: str
    index: str


_Step = _Key | _Place | _Where

_BARE = re.compile(r'[^.\[\]"=]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"[0-9]{1,6}(?=\])")
_HEADER = re.compile(r"header:([A-Za-z0-9-]+)")


def quote(name: str) -> str:
    """Write a key or value so that nothing in it is read as part of a path."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def compile_path(text: str) -> Pick:
    """Read a path. Raises ValueError saying what is wrong and where."""
    if match := _HEADER.fullmatch(text):
        name = match[1].lower()
        return lambda payload: _said(payload.headers.get(name))
    steps = _Reader(text).steps()
    if all(isinstance(step, _Key) for step in steps):
        return _keys_only(tuple(step.name for step in steps if isinstance(step, _Key)))
    return _any(steps)


def _said(value: str | None) -> object:
    return MISSING if value is None else value


class _Reader:
    """Reads one path from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def steps(self) -> tuple[_Step, ...]:
        steps: list[_Step] = []
        if not self._next_is("["):
            steps.append(_Key(self._name()))
        while self._at < len(self._text):
            before = self._text[: self._at]
            if self._take("."):
                steps.append(_Key(self._name()))
            elif self._take("["):
                steps.append(self._selector(before))
            else:
                raise self._wrong("expected '.' or '['")
        return tuple(steps)

    def _selector(self, before: str) -> _Step:
        if match := _NUMBER.match(self._text, self._at):
            self._at = match.end() + 1
            return _Place(int(match[0]))
        start = self._at
        keys = [self._name()]
        while self._take("."):
            keys.append(self._name())
        asked = self._text[start : self._at]
        if not self._take("="):
            raise self._wrong("expected '=' and the value that the key must have")
        value = self._quoted()
        if value is None:
            end = self._text.find("]", self._at)
            value = self._text[self._at : end] if end > self._at else ""
            self._at += len(value)
        if not value or not self._take("]"):
            raise self._wrong("expected a value and ']'")
        return _Where(tuple(keys), value, f"{before}[{asked}]")

    def _name(self) -> str:
        quoted = self._quoted()
        if quoted is not None:
            return quoted
        match = _BARE.match(self._text, self._at)
        if match is None:
            raise self._wrong("expected a key (quote keys that hold . [ ] = or quotes)")
        self._at = match.end()
        return match[0]

    def _quoted(self) -> str | None:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return re.sub(r"\\(.)", r"\1", match[1])

    def _next_is(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _take(self, mark: str) -> bool:
        found = self._next_is(mark)
        self._at += found
        return found

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"path {self._text!r}, character {self._at + 1}: {what}")


def _keys_only(names: tuple[str, ...]) -> Pick:
    """Nearly every path is keys alone: the loop without a look at the kind of step."""

    def pick(payload: Payload) -> object:
        return _descend(payload.body, names)

    return pick


def _descend(value: object, names: tuple[str, ...]) -> object:
    for name in names:
        if not isinstance(value, dict):
            return MISSING
        value = value.get(name, MISSING)
    return value


def _any(steps: tuple[_Step, ...]) -> Pick:
    def pick(payload: Payload) -> object:
        value = payload.body
        for step in steps:
            if isinstance(step, _Key):
                value = value.get(step.name, MISSING) if isinstance(value, dict) else MISSING
            elif not isinstance(value, list):
                return MISSING
            elif isinstance(step, _Place):
                value = value[step.number] if step.number < len(value) else MISSING
            else:
                value = _indexed(payload, step, value).get(step.value, MISSING)
        return value

    return pick


def _indexed(payload: Payload, step: _Where, elements: list[object]) -> dict[str, object]:
    """Index a list by a key, once per payload; of two elements with one value the first counts."""
    index = payload.indexes.get(step.index)
    if index is None:
        index = payload.indexes[step.index] = {}
        for element in elements:
            value = _descend(element, step.keys)
            if isinstance(value, bool):
                index.setdefault("true" if value else "false", element)
            elif isinstance(value, str | int):
                index.setdefault(str(value), element)
    return index
