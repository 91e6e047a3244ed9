"""When it was answered: every way platforms write a time, to a moment in UTC.

In: a value of the payload, the source's zone, the receipt time. Out: a moment, or `Unreadable`
whose text names the rule. Pure.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from services.ingest.values import Unreadable

#: Clocks differ; more than this ahead is a wrong clock, and the receipt time is nearer the truth.
AHEAD: Final = timedelta(minutes=10)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: As seconds this is the year 5138, as milliseconds March 1973: nobody answered before.
_MILLISECONDS_FROM: Final = 100_000_000_000

_ISO = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<clock>[0-9]{2}:[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_UNIX = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")


def parse(value: object, zone: tzinfo) -> datetime:
    """Read ISO 8601 (0 to 9 fraction digits, offset or the source's zone) or unix seconds or ms.

    Digits beyond microseconds are cut. A local time that an autumn clock change gives twice is
    the first of the two. Raises `Unreadable` for anything else.
    """
    if isinstance(value, bool):
        raise Unreadable("a time cannot be true or false")
    if isinstance(value, int | float):
        return _unix(value)
    if isinstance(value, str):
        text = value.strip()
        if _UNIX.fullmatch(text):
            return _unix(float(text) if "." in text else int(text))
        if match := _ISO.fullmatch(text):
            return _iso(match, zone)
    raise Unreadable("not a time: ISO 8601 or unix seconds or milliseconds")


def placed(
    moment: datetime, received_at: datetime
) -> tuple[datetime, Literal["platform", "future"]]:
    """Take a platform's moment unless it lies too far ahead: then the receipt time, marked."""
    if moment > received_at + AHEAD:
        return received_at, "future"
    return moment, "platform"


def _iso(match: re.Match[str], zone: tzinfo) -> datetime:
    micros = (match["fraction"] or "").ljust(6, "0")[:6]
    try:
        moment = datetime.fromisoformat(
            f"{match['date']}T{match['clock'] or '00:00'}:{match['second'] or '00'}.{micros}"
        )
        offset = match["zone"]
        if offset is None:
            return moment.replace(tzinfo=zone).astimezone(UTC)
        return (moment - _offset(offset)).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Unreadable("not a time that exists") from None


def _offset(text: str) -> timedelta:
    if text in "Zz":
        return timedelta()
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 18 or minutes > 59:  # the widest offset ever in use is under 16 hours
        raise ValueError
    size = timedelta(hours=hours, minutes=minutes)
    return -size if text[0] == "-" else size


def _unix(value: float) -> datetime:
    # Whole numbers stay whole: a float has no room for microseconds beside today's seconds.
    size = timedelta(milliseconds=1) if abs(value) >= _MILLISECONDS_FROM else timedelta(seconds=1)
    try:
        return EPOCH + value * size
    except (ValueError, OverflowError):
        raise Unreadable("not a time that exists") from None
