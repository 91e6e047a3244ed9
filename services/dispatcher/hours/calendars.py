"""Calendars: at which hours and on which days a class of contact is allowed, as dated packs.

The settings under `calendars` in the playbook, whose comments are their reference. Each pack says
where it comes from and since when it holds: a law is changed by a new pack beside the old one.
"""

import re
from datetime import date
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from services.dispatcher.hours import public_holidays
from shared.events.vocabulary import Channel, ContactClass
from shared.settings import Strict

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
#: Monday first, as `date.weekday` counts.
DAYS: Final[tuple[Day, ...]] = get_args(Day)
#: As the customer's attribute `country` says it.
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


def _as_minutes(raw: object) -> object:
    """Read hours and minutes in quotes, up to "24:00": YAML reads an unquoted 20:00 as 1200."""
    found = re.fullmatch(r"(\d\d):(\d\d)", raw) if isinstance(raw, str) else None
    if found is None or int(found[2]) > 59 or int(found[1]) * 60 + int(found[2]) > 1440:
        raise ValueError('write hours and minutes in quotes, for example "20:00", up to "24:00"')
    return int(found[1]) * 60 + int(found[2])


#: Minutes since midnight on the wall.
_Minutes = Annotated[int, BeforeValidator(_as_minutes, json_schema_input_type=str)]


class Hours(Strict):
    """When it is allowed, by the customer's own clock: these days, from `opens` until `closes`."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    opens: _Minutes
    closes: _Minutes

    @model_validator(mode="after")
    def _within_a_day(self) -> "Hours":
        if self.opens >= self.closes:
            raise ValueError(
                'opens must be before closes; hours over midnight are two: until "24:00" on one '
                'day, from "00:00" on the next'
            )
        return self


class PublicHolidays(Strict):
    """Whose public holidays are kept free.

    `subdivision` is a part of the country with days of its own (FR: 57, 971); the customer's
    attribute `subdivision_from`, where it names one, goes before it.
    """

    country: Country
    subdivision: str | None = None
    subdivision_from: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "PublicHolidays":
        if not public_holidays.known(self.country, self.subdivision):
            where = f"{self.country} {self.subdivision or ''}".strip()
            raise ValueError(f"no public holidays are known of {where}: two letters, as in FR")
        return self


class Calendar(Strict):
    """One pack. All packs that concern a message must allow the moment: the law and courtesy.

    It concerns the listed classes and channels (none listed: all channels), from `valid_from` until
    the end of `valid_until`, of customers in `countries` by their attribute `country`; of whose
    country nothing is known their zone decides, by `zones` (neither listed: everybody).
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    classes: Annotated[tuple[ContactClass, ...], Field(min_length=1)]
    channels: tuple[Channel, ...] = ()
    countries: tuple[Country, ...] = ()
    zones: tuple[str, ...] = ()
    open: Annotated[tuple[Hours, ...], Field(min_length=1)]
    public_holidays: PublicHolidays | None = None
    valid_from: date
    valid_until: date | None = None
    source: Annotated[str, Field(min_length=1)]
    note: str = ""

    @model_validator(mode="after")
    def _has_a_time(self) -> "Calendar":
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until must not be before valid_from")
        return self
