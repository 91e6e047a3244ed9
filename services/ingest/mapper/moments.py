"""When it was answered: every way platforms write a time, to a moment in UTC.

    2026-03-02T09:14:57.123Z   2026-03-02 10:14:57 +01:00   2026-03-02 10:14 CET   2026-03-02
    Mon, 02 Mar 2026 09:14:57 GMT                           1772442897   "1772442897123"
    Mar 2, 2026 9:14 AM                                     2 March 2026, 09:14
    02/03/2026 10:14   3/2/2026 10:14:57 AM                 where the source says which is the day

In: a value of the payload, the source's zone and its words for zones, the receipt time. Out: a
moment, or `Unreadable` whose text names the rule. Pure.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from services.ingest.decode.payload import Unreadable
from services.ingest.mapper.zones import NO_ZONES, zone_of

#: Clocks differ; more than this ahead is a wrong clock, and the receipt time is nearer the truth.
AHEAD: Final = timedelta(minutes=10)

#: What comes first in a date written in figures.
DateOrder = Literal["day_first", "month_first"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

#: As seconds this is the year 5138, as milliseconds March 1973: nobody answered before.
_MILLISECONDS_FROM: Final = 100_000_000_000

_NO_TIME: Final = "not a time: ISO 8601, RFC 5322, or unix seconds or milliseconds"
_CLOCK = r"(?P<clock>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
_ZONE = r"(?: ?(?P<zone>[+-][0-9]{2}(?::?[0-9]{2})?|[A-Za-z]{1,5}(?:[+-][0-9]{2}:?[0-9]{2})?))?"
#: How nearly every platform writes it; the standard library reads this form in a third of the time.
_USUAL: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?Z"
)
_ISO = re.compile(rf"(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[T ]{_CLOCK})?{_ZONE}")
#: RFC 5322, as in mail and HTTP headers; the day of the week is not looked at.
_MAIL = re.compile(
    r"(?:[A-Za-z]{3}, )?(?P<day>[0-9]{1,2}) (?P<month>[A-Za-z]{3}) (?P<year>[0-9]{4}) "
    rf"{_CLOCK}{_ZONE}"
)
#: Day and month in figures: which is which is the source's to say. Clocks of twelve hours go with
#: it, and hours of one digit.
_LOOSE_CLOCK = (
    r"(?P<clock>[0-9]{1,2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?:[ \u202f]?(?P<half>[AaPp])[Mm])?"
)
_FIGURES = re.compile(
    r"(?P<one>[0-9]{1,2})(?P<mark>[/.-])(?P<two>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})"
    rf"(?:,?[T ]{_LOOSE_CLOCK})?{_ZONE}"
)
#: As English is written, in either order: it is the month's name that tells which is the day.
_WORDS = tuple(
    re.compile(rf"(?:[A-Za-z]{{3,9}}, )?{date}(?:,? (?:at )?{_LOOSE_CLOCK})?{_ZONE}")
    for date in (
        r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>[0-9]{1,2}),? (?P<year>[0-9]{4})",
        r"(?P<day>[0-9]{1,2}) (?P<month>[A-Za-z]{3,9})\.? (?P<year>[0-9]{4})",
    )
)
_UNIX = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")
_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
#: Each by its name and by three letters; September by four as well.
_MONTHS: Final = {
    name[:size]: number
    for number, name in enumerate(_NAMES, start=1)
    for size in (3, len(name), *((4,) if name == "september" else ()))
}


def parse(
    value: object,
    zone: tzinfo,
    zones: Mapping[str, tzinfo] = NO_ZONES,
    dates: DateOrder | None = None,
) -> datetime:
    """Read ISO 8601, RFC 5322 (0 to 9 fraction digits each), unix seconds or milliseconds, or
    a date with the English name of its month.

    A time without a zone is local time in `zone`. `zones` says what an abbreviation means here;
    without it only those are read that mean one offset in the world. Digits beyond microseconds
    are cut. A local time that an autumn clock change gives twice is the first of the two. `dates`
    adds those written in figures, such as 02/03/2026. Raises `Unreadable` for anything else.
    """
    if isinstance(value, str):
        text = value.strip()
        if _USUAL.fullmatch(text):
            return _usual(text)
        if _UNIX.fullmatch(text):
            return _unix(float(text) if "." in text else int(text))
        if match := _ISO.fullmatch(text):
            return _moment(match["date"], match["clock"], match, zone, zones)
        if match := _MAIL.fullmatch(text):
            return _moment(_date(match), match["clock"], match, zone, zones)
        return _by_hand(text, zone, zones, dates)
    if isinstance(value, bool):
        raise Unreadable("a time cannot be true or false")
    if isinstance(value, int | float):
        return _unix(value)
    raise Unreadable(_NO_TIME)


def _by_hand(
    text: str, zone: tzinfo, zones: Mapping[str, tzinfo], dates: DateOrder | None
) -> datetime:
    """Read a date as people write it, in figures or with the name of the month."""
    if match := _FIGURES.fullmatch(text):
        if dates is None:
            raise Unreadable("not a time before the source says `dates`: day_first or month_first")
        return _moment(_in_order(match, dates), _of_24(match), match, zone, zones)
    for words in _WORDS:
        if match := words.fullmatch(text):
            return _moment(_date(match), _of_24(match), match, zone, zones)
    raise Unreadable(_NO_TIME)


def _usual(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("not a time that exists") from None


def placed(
    moment: datetime, received_at: datetime
) -> tuple[datetime, Literal["platform", "future"]]:
    """Take a platform's moment unless it lies too far ahead: then the receipt time, marked."""
    if moment > received_at + AHEAD:
        return received_at, "future"
    return moment, "platform"


def milliseconds(moment: datetime) -> int:
    """Count the whole milliseconds since 1970."""
    return (moment - EPOCH) // _MILLISECOND


def _date(match: re.Match[str]) -> str:
    number = _MONTHS.get(match["month"].lower(), 0)  # a month 0 does not exist
    return f"{match['year']}-{number:02}-{match['day'].zfill(2)}"


def _in_order(match: re.Match[str], dates: DateOrder) -> str:
    day, month = ("one", "two") if dates == "day_first" else ("two", "one")
    return f"{match['year']}-{match[month].zfill(2)}-{match[day].zfill(2)}"


def _of_24(match: re.Match[str]) -> str | None:
    if match["clock"] is None or match["half"] is None:
        return match["clock"] and match["clock"].zfill(5)
    hour, _, minute = match["clock"].partition(":")
    if not 1 <= int(hour) <= 12:
        raise Unreadable("not a time that exists")
    return f"{int(hour) % 12 + 12 * (match['half'] in 'Pp'):02}:{minute}"


def _moment(
    date: str,
    clock: str | None,
    match: re.Match[str],
    zone: tzinfo,
    zones: Mapping[str, tzinfo],
) -> datetime:
    micros = (match["fraction"] or "").ljust(6, "0")[:6]
    named = match["zone"]
    there = zone if named is None else zone_of(named, zones)
    try:
        local = datetime.fromisoformat(
            f"{date}T{clock or '00:00'}:{match['second'] or '00'}.{micros}"
        )
        return local.replace(tzinfo=there).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable("not a time that exists") from None


def _unix(value: float) -> datetime:
    # Whole numbers stay whole: a float has no room for microseconds beside today's seconds.
    size = timedelta(milliseconds=1) if abs(value) >= _MILLISECONDS_FROM else timedelta(seconds=1)
    try:
        return EPOCH + value * size
    except (ValueError, OverflowError):
        raise Unreadable("not a time that exists") from None
