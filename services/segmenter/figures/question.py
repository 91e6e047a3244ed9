"""What is asked of the figures: survey, period, grouping, comparison. Pure.

In: the parameters as texts. Out: values; or `Unanswerable` with words that name the fix and never
repeat what was sent. A date is a whole day in the policy's default zone, the last one included; a
moment carries its own zone and, as an end, is not included.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, Literal, cast, get_args
from zoneinfo import ZoneInfo

from services.segmenter.policy.alerts import GROUPING
from services.segmenter.policy.attributes import AttributeKind, AttributeType
from services.segmenter.profile.attributes import fitting
from services.segmenter.sweep.portrait import LONGEST

Part = Literal["response", "moves", "churn", "loop"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
#: A quarter: the usual wave of a relational survey.
_DAYS: Final = 90
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
#: A Monday: periods of seven days are weeks, whichever day the connector was installed on.
_ANCHOR: Final = date(2024, 1, 1)
_LONGEST: Final = 512
_VALUE: Final = "value:"
#: The forms of `compare`.
COMPARE: Final = (
    rf"^(previous|value:[^\x00-\x1f\x7f]{{1,{LONGEST}}}"
    r"|(?!value:)[^\x00-\x1f\x7f]{1,64}\.\.[^\x00-\x1f\x7f]{1,64})$"
)
_AS: Final[Mapping[AttributeKind, str]] = {
    "flag": "write value:true or value:false",
    "number": "write value:NUMBER, such as value:12",
    "money": "write value:AMOUNT, such as value:12.5",
    "date": "write value:DAY, such as value:2026-01-31",
    "moment": "write value:MOMENT, such as value:2026-01-31T09:00:00Z",
}
_WHEN: Final = "write a day as 2026-01-31, or a moment with its zone as 2026-01-31T09:00:00Z"


class Unanswerable(ValueError):
    """A question that makes no sense; the text names the parameter and the fix."""


@dataclass(frozen=True, slots=True)
class Period:
    """Moments from `start` to before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Grouping:
    """An attribute of the customer as it is now, or an answer of the response.

    `near`: the attribute is kept with each answer.
    """

    kind: Literal["attribute", "answer"]
    name: str
    near: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Which answers count."""

    period: Period
    survey: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One group by the name that it is shown with."""

    value: str


@dataclass(frozen=True, slots=True)
class Question:
    """A whole question. `other` is the period, or the group, to compare with."""

    scope: Scope
    by: Grouping | None = None
    other: Period | Group | None = None
    show: frozenset[Part] = frozenset(PARTS)


def read_question(
    *,
    survey: str | None,
    source: str | None,
    start: str | None,
    end: str | None,
    by: str | None,
    compare: str | None,
    show: str | None,
    now: datetime,
    zone: str,
    near: Collection[str] = (),
    names: Mapping[str, str] = MappingProxyType({}),
    types: Mapping[str, AttributeType] = MappingProxyType({}),
) -> Question:
    """Read the parameters; `types` say how groups of an attribute are named.

    Raises `Unanswerable`.
    """
    until = _moment("to", end, zone, last=True) if end else now
    since = _moment("from", start, zone) if start else _days_before(until, _DAYS, zone)
    period = _period(since, until, "from must be before to")
    grouping = read_grouping(by, near, names) if by else None
    scope = Scope(period, _plain("survey", survey), _plain("source", source))
    other = _other(compare, period, grouping, zone, types) if compare else None
    return Question(scope, grouping, other, _parts(show))


def read_grouping(
    text: str, near: Collection[str] = (), names: Mapping[str, str] = MappingProxyType({})
) -> Grouping:
    """Read `attribute:NAME` or `answer:NAME`; `near` attributes are kept with each answer.

    `names` leads from an attribute's other names to the one it is kept by. Raises `Unanswerable`.
    """
    if not re.fullmatch(GROUPING, text):
        raise Unanswerable("by: write attribute:NAME or answer:NAME, such as attribute:store")
    kind, _, name = text.partition(":")
    if kind == "attribute":
        name = names.get(name, name)
    return Grouping(
        cast(Literal["attribute", "answer"], kind), name, kind == "attribute" and name in near
    )


def previous(period: Period, zone: str) -> Period:
    """Tell the period as long as this one that ends where it begins; whole days stay whole days."""
    start, end = (moment.astimezone(ZoneInfo(zone)) for moment in (period.start, period.end))
    if start.time() == end.time() == time.min:
        return Period(
            _days_before(period.start, (end.date() - start.date()).days, zone), period.start
        )
    return Period(period.start - (period.end - period.start), period.start)


def last_complete(now: datetime, days: int, zone: str) -> Period:
    """Tell the last period of so many whole days that is over; all follow from one Monday."""
    today = now.astimezone(ZoneInfo(zone)).date()
    end = _ANCHOR + timedelta(days=(today - _ANCHOR).days // days * days)
    return Period(_midnight(end - timedelta(days=days), zone), _midnight(end, zone))


def check_compare(compare: str, *, grouped: bool) -> None:
    """Look at the form of a comparison alone. Raises `Unanswerable`."""
    if not re.fullmatch(COMPARE, compare):
        raise Unanswerable(
            "compare: write previous, FROM..TO (2025-01-01..2025-03-31) or value:GROUP (at most "
            f"{LONGEST} characters, as value:Lyon)"
        )
    if compare.startswith(_VALUE) and not grouped:
        raise Unanswerable("compare: a group needs by, such as by=attribute:store")


def _other(
    compare: str,
    period: Period,
    grouping: Grouping | None,
    zone: str,
    types: Mapping[str, AttributeType],
) -> Period | Group:
    check_compare(compare, grouped=grouping is not None)
    if compare == "previous":
        return previous(period, zone)
    if grouping is not None and compare.startswith(_VALUE):
        declared = types.get(grouping.name) if grouping.kind == "attribute" else None
        return _group(compare.removeprefix(_VALUE), declared)
    first, _, last = compare.partition("..")
    since = _moment("compare", first, zone)
    return _period(since, _moment("compare", last, zone, last=True), "compare: write FROM..TO")


def _group(text: str, declared: AttributeType | None) -> Group:
    """Name a group as it is shown: `value:oui` of a flag is the group `true`."""
    found = fitting(text, declared)
    if found.wrong is not None and declared is not None:
        raise Unanswerable(f"compare: this attribute is a {declared.type}: {_fix(declared)}")
    value = found.value
    if isinstance(value, list):  # of a list each item is a group
        return Group(text)
    return Group(("false", "true")[value] if isinstance(value, bool) else str(value))


def _fix(declared: AttributeType) -> str:
    if declared.type == "choice":
        return f"write value: and one of {', '.join(declared.values)}"
    return _AS.get(declared.type, "write value:GROUP as the groups are named")


def _parts(show: str | None) -> frozenset[Part]:
    if show is None:
        return frozenset(PARTS)
    wanted = {part.strip() for part in show.split(",")} - {"", "score"}
    if not wanted <= set(PARTS):
        raise Unanswerable(f"show: choose among score, {', '.join(PARTS)}, with commas between")
    return cast(frozenset[Part], frozenset(wanted))


def _period(start: datetime, end: datetime, words: str) -> Period:
    if not _FIRST <= start < _END or not _FIRST <= end <= _END:
        raise Unanswerable("choose a period between 1970 and 2199")
    if start >= end:
        raise Unanswerable(words)
    return Period(start, end)


def _plain(name: str, text: str | None) -> str | None:
    if text is not None and ("\x00" in text or not 0 < len(text) <= _LONGEST):
        raise Unanswerable(f"{name}: give its name as the answers have it, or leave it out")
    return text


def _moment(name: str, text: str, zone: str, *, last: bool = False) -> datetime:
    """Read a day or a moment; a day that is the `last` ends with its end."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            day = date.fromisoformat(text)
            return _midnight(day + timedelta(days=1) if last else day, zone)
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unanswerable(f"{name}: {_WHEN}")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def _days_before(moment: datetime, days: int, zone: str) -> datetime:
    """Go back by days of the calendar, which are not all 24 hours long."""
    try:
        local = moment.astimezone(ZoneInfo(zone))
        return (local - timedelta(days=days)).astimezone(UTC)
    except OverflowError:
        raise Unanswerable("choose a period between 1970 and 2199") from None
