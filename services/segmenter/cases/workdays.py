"""Business hours: a moment so many of them later. Pure.

Days and holidays are those of the team's zone; where its clock is changed a day has 23 or 25 hours.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from services.segmenter.policy.cases import DAYS, BusinessHours


def later(start: datetime, hours: int, week: BusinessHours, ceiling: datetime) -> datetime:
    """Tell when `hours` business hours have passed since `start`; at most `ceiling`."""
    left = timedelta(hours=hours)
    for opens, closes in _open(start, week):
        begin = max(start, opens)
        if begin >= ceiling:
            break
        if closes - begin >= left:
            return min(begin + left, ceiling)
        left -= max(closes - begin, timedelta())
    return ceiling


def _open(start: datetime, week: BusinessHours) -> Iterator[tuple[datetime, datetime]]:
    """List the times when somebody is there, from the day of `start` on."""
    zone = ZoneInfo(week.zone)
    first = start.astimezone(zone).date()
    for number in count():
        day = first + timedelta(days=number)
        if DAYS[day.weekday()] in week.days and day not in week.holidays:
            yield _moment(day, week.opens, zone), _moment(day, week.closes, zone)
        elif number:
            # So that a calendar without a day of work still comes to the ceiling.
            midnight = _moment(day, "00:00", zone)
            yield midnight, midnight


# Each answer that opens a case asks for the same few days.
@lru_cache(maxsize=1024)
def _moment(day: date, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = (int(part) for part in clock.split(":"))
    on = day + timedelta(days=hour // 24)
    return datetime.combine(on, time(hour % 24, minute), zone).astimezone(UTC)
