"""Points of an explanation, and saying them in a language. Pure.

A point is a code with values; its sentence is the language's template of that code. There is no
other text: what has no template cannot be said, and a test looks for every code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.events.vocabulary import Value
from shared.times import iso


@dataclass(frozen=True, slots=True)
class Term:
    """A closed word of ours, such as the segment `detractor`.

    A name that the policy made up (a theme, a family) has no translation and is said as it is.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """A number of something, such as days."""

    number: int
    unit: str


Said = str | int | float | datetime | Term | Count | Sequence["Said"] | None


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to say; `at` is the moment that it is about, for what is dated."""

    code: str
    values: Mapping[str, Said] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class Words:
    """A language: sentence by code, word by `kind.name`, units as one and as several.

    `date` is the template of a moment; `first` is how the first day of a month is written, `last`
    joins the last two of several; `single` are the numbers that are said as one.
    """

    sentences: Mapping[str, str]
    terms: Mapping[str, str]
    units: Mapping[str, tuple[str, str]]
    months: tuple[str, ...]
    date: str
    first: str
    last: str
    single: frozenset[int]


def sentence(point: Point, words: Words, zone: ZoneInfo) -> str:
    """Say a point; moments are told in `zone`."""
    values = {name: _said(value, words, zone) for name, value in point.values.items()}
    if point.at is not None:
        values["at"] = _moment(point.at, words, zone)
    told = words.sentences[point.code].format_map(values)
    return told[:1].upper() + told[1:]


def plain(value: Said) -> Value:
    """Write a value for a program."""
    if isinstance(value, Term):
        return value.name
    if isinstance(value, Count):
        return value.number
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, str | int | float) or value is None:
        return value
    return [str(plain(one)) for one in value]


def _said(value: Said, words: Words, zone: ZoneInfo) -> str:
    if isinstance(value, Term):
        return words.terms.get(f"{value.kind}.{value.name}", value.name)
    if isinstance(value, Count):
        one, several = words.units[value.unit]
        return f"{value.number} {one if value.number in words.single else several}"
    if isinstance(value, datetime):
        return _moment(value, words, zone)
    if isinstance(value, str | int | float) or value is None:
        return f"{value:g}" if isinstance(value, float) else str(value)
    *others, last = [_said(one, words, zone) for one in value]
    return f"{', '.join(others)} {words.last} {last}" if others else last


def _moment(at: datetime, words: Words, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    day = words.first if local.day == 1 else str(local.day)
    return words.date.format(
        day=day,
        month=words.months[local.month - 1],
        year=local.year,
        hour=f"{local.hour:02}",
        minute=f"{local.minute:02}",
    )
