"""Clocks on people's walls: zones, quiet hours and calendar windows. Pure.

A day with a change of clocks has 23 or 25 hours; bounds are therefore made on the local calendar
and only then turned into UTC.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.events.decisions import CalendarWindow


@lru_cache(maxsize=512)
def zone_of(name: str) -> tzinfo:
    """Return the zone; UTC for a name this machine's data does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def local_moment(day: date, at: time, zone: tzinfo) -> datetime:
    """Return the moment in UTC at which a clock of that zone shows this time on that day."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def quiet_until(at: datetime, zone: tzinfo, start: time, end: time) -> datetime | None:
    """Return when quiet hours end if `at` lies in them; `start` after `end` spans midnight."""
    local = at.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    overnight = start > end
    if overnight and clock >= start:
        return local_moment(local.date() + timedelta(days=1), end, zone)
    if clock >= end or (not overnight and clock < start):
        return None
    until = local_moment(local.date(), end, zone)
    # In the hour that the clock strikes twice, the first stroke of `end` may be over: the second.
    return until if until > at else local_moment(local.date(), end.replace(fold=1), zone)


def period(at: datetime, window: CalendarWindow) -> tuple[datetime, datetime]:
    """Return first moment and end (exclusive) of the day, week or month that holds `at`, in UTC."""
    zone = zone_of(window.zone)
    day = at.astimezone(zone).date()
    if window.unit == "day":
        first, after = day, day + timedelta(days=1)
    elif window.unit == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    midnight = time()
    return local_moment(first, midnight, zone), local_moment(after, midnight, zone)
