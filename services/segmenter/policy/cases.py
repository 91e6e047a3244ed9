"""Section `cases`: which answers open a case, how soon somebody must call, and what comes after."""

from datetime import date, timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from services.segmenter.policy.clocks import Pattern
from services.segmenter.policy.words import Days, Name, Zone, once
from shared.events.vocabulary import Segment
from shared.settings import Strict

#: How long after the question an answer still tells how the case went: two months, in which nearly
#: all answers to an invitation come, and after which other things weigh more.
_PAIRED = timedelta(days=60)
#: In the order of `date.weekday()`.
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _minute(text: str) -> str:
    hour, colon, minute = text.partition(":")
    plain = colon and all(p.isascii() and p.isdigit() and len(p) == 2 for p in (hour, minute))
    if not plain or int(minute) > 59 or int(hour) * 60 + int(minute) > 24 * 60:
        raise ValueError('use hours and minutes in quotes, from "00:00" to "24:00"')
    return text


TimeOfDay = Annotated[str, AfterValidator(_minute)]


class Value(Strict):
    """Only customers whose attribute is a number of at least this."""

    attribute: Annotated[str, Field(min_length=1)]
    least: float


class Opening(Strict):
    """Which answers open a case: of these segments, about these themes (empty: any), by value.

    `escalations` are topics that open one whatever the segment, the theme and the value, with a
    score or without; so does a call that she asks for, with `callback`.
    """

    segments: tuple[Segment, ...] = ("detractor",)
    themes: tuple[Name, ...] = ()
    value: Value | None = None
    escalations: tuple[Name, ...] = ()
    callback: bool = True


class BusinessHours(Strict):
    """When somebody is there: these days from `opens` to `closes` in `zone`, but on `holidays`."""

    zone: Zone = "Europe/Paris"
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = ("mon", "tue", "wed", "thu", "fri")
    opens: TimeOfDay = "00:00"
    closes: TimeOfDay = "24:00"
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> "BusinessHours":
        once("day", self.days)
        if self.opens >= self.closes:
            raise ValueError("opens must be before closes")
        return self


_Hours = Annotated[int, Field(ge=1, le=720, strict=True)]


#: Rules that may be lifted off the question after a case. What she or the operator stopped may not.
Liftable = Literal[
    "this_survey", "survey_family", "any_survey", "after_contact", "new_customer", "complaint"
]


class Cases(Strict):
    """Cases from the answer that opens one to the question how it went.

    Somebody should have called `first_contact_hours` business hours after the answer, at the latest
    `ceiling_hours` hours after it. `resurvey_after_days` after a case about an answer was resolved
    she is asked again; 0: she is not. The rules of `resurvey_exempt_from` do not hold that
    question, if it is one of `resurvey_surveys`.
    """

    open: Opening = Opening()
    first_contact_hours: _Hours = 24
    ceiling_hours: _Hours = 48
    business_hours: BusinessHours = BusinessHours()
    resurvey_after_days: Days = 15
    resurvey_surveys: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    resurvey_exempt_from: tuple[Liftable, ...] = get_args(Liftable)

    @property
    def paired(self) -> timedelta:
        """How long after a case was resolved an answer still tells how it went."""
        return timedelta(days=self.resurvey_after_days) + _PAIRED

    @model_validator(mode="after")
    def _fits_together(self) -> "Cases":
        once("rule", self.resurvey_exempt_from)
        if self.ceiling_hours < self.first_contact_hours:
            raise ValueError("ceiling_hours must be first_contact_hours or more")
        return self
