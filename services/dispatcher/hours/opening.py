"""When the calendars that concern a message let it go. Pure.

In: packs, where the customer is, a moment. Out: the first moment from then on that every pack
allows, and the pack that stood in the way. Everything is asked on the wall's clock of her zone and
only then turned into UTC: a day with a change of clocks has 23 or 25 hours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from services.dispatcher.hours.calendars import DAYS, Calendar, Hours
from services.dispatcher.hours.hours import zone_of
from services.dispatcher.hours.public_holidays import is_holiday, known
from shared.events.vocabulary import Channel, ContactClass, Value

#: Longer than any holidays; what is closed for longer is asked again then.
FARTHEST: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Place:
    """Where she is, as far as calendars go: her zone, her country if known, her attributes."""

    zone: str
    country: str | None
    attributes: Mapping[str, Value]


def place_of(zone: str, attributes: Mapping[str, Value]) -> Place:
    """Read it from a recipient's state, whose attributes have their canonical names."""
    said = str(attributes.get("attributes.country") or "").strip().upper()
    return Place(zone, said or None, attributes)


def concerning(
    calendars: Sequence[Calendar], contact_class: ContactClass, channel: Channel, place: Place
) -> tuple[Calendar, ...]:
    """Choose the packs that are about such a message to somebody there."""
    return tuple(
        pack
        for pack in calendars
        if contact_class in pack.classes
        and (not pack.channels or channel in pack.channels)
        and _is_hers(pack, place)
    )


def _is_hers(pack: Calendar, place: Place) -> bool:
    if not pack.countries and not pack.zones:
        return True
    if place.country is not None:
        return place.country in pack.countries
    return place.zone in pack.zones


def next_open(
    packs: Sequence[Calendar], place: Place, at: datetime
) -> tuple[datetime, Calendar | None]:
    """Return the first moment from `at` on that all packs allow, and the first that refused `at`.

    Where there is none within 60 days it is the end of these: then it is asked again.
    """
    zone, moment, last = zone_of(place.zone), at, at + FARTHEST
    refused: Calendar | None = None
    while moment < last:
        closed = [(pack, until) for pack in packs if (until := _opens(pack, place, zone, moment))]
        if not closed:
            return moment, refused
        refused = refused or closed[0][0]
        moment = max(until for _, until in closed)
    return last, refused


def _opens(pack: Calendar, place: Place, zone: tzinfo, at: datetime) -> datetime | None:
    """Return when a pack allows it if it does not at `at`; None: it does."""
    first = at.astimezone(zone).date()
    for ahead in range(FARTHEST.days + 2):
        day = first + timedelta(days=ahead)
        starts = (max(start, at) for start, end in _open_on(pack, place, zone, day) if at < end)
        soonest = min(starts, default=None)
        if soonest is not None:
            return None if soonest == at else soonest
    return at + FARTHEST


def _open_on(
    pack: Calendar, place: Place, zone: tzinfo, day: date
) -> Iterator[tuple[datetime, datetime]]:
    """List the spans of a day in which a pack allows it; all day where it is not in force."""
    in_force = pack.valid_from <= day and (pack.valid_until is None or day <= pack.valid_until)
    if not in_force:
        yield _on_the_wall(day, 0, zone), _on_the_wall(day, 1440, zone)
        return
    if _is_public_holiday(pack, place, day):
        return
    for hours in pack.open:
        if _today(hours, day):
            yield _on_the_wall(day, hours.opens, zone), _on_the_wall(day, hours.closes, zone)


def _today(hours: Hours, day: date) -> bool:
    return DAYS[day.weekday()] in hours.days


def _is_public_holiday(pack: Calendar, place: Place, day: date) -> bool:
    whose = pack.public_holidays
    if whose is None:
        return False
    said = place.attributes.get(f"attributes.{whose.subdivision_from}")
    part = str(said).strip() if said else None
    subdivision = part if part and known(whose.country, part) else whose.subdivision
    return is_holiday(whose.country, subdivision, day)


def _on_the_wall(day: date, minutes: int, zone: tzinfo) -> datetime:
    """Turn a time on the wall into UTC; 24:00 is the next midnight."""
    if minutes == 1440:
        day, minutes = day + timedelta(days=1), 0
    at = time(minutes // 60, minutes % 60)
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
