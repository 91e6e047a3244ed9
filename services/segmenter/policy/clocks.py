"""Sections `clocks` and `rests`: how often she may be asked, and when she is left alone."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from services.segmenter.policy.asking import AfterExperience
from services.segmenter.policy.words import Days, Name, once
from shared.settings import Strict

#: What may start a clock: an invitation left, a survey was shown, closed unanswered, or answered.
Start = Literal["sent", "shown", "declined", "answered"]
#: A survey's name as the source gives it; `*` stands for anything.
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Clock(Strict):
    """So many days after each of its starts; 0 days switches it off."""

    days: Days
    counts: Annotated[tuple[Start, ...], Field(min_length=1)] = get_args(Start)


class SurveyClock(Clock):
    """A clock that each survey fitting one of the patterns has by itself."""

    surveys: Annotated[tuple[Pattern, ...], Field(min_length=1)]


class Family(Clock):
    """Surveys that share one clock, and the window in which an experience may be asked about."""

    name: Name
    surveys: tuple[Pattern, ...] = ()
    after_experience: AfterExperience | None = None


_TRANSACTIONAL = Family(
    name="transactional",
    surveys=("transactional", "transactional-*", "after-*"),
    days=30,
    after_experience=AfterExperience(),
)
_RELATIONAL = Family(name="relational", surveys=("*",), days=90)


class Clocks(Strict):
    """How often a customer may be asked; all clocks run at once.

    A survey belongs to the first family with a pattern that fits, and has the first of
    `this_survey` that fits. `general` is the family that the date pushed to platforms is about.
    """

    this_survey: tuple[SurveyClock, ...] = (SurveyClock(surveys=("*",), days=30),)
    families: tuple[Family, ...] = (_TRANSACTIONAL, _RELATIONAL)
    general: Name | None = "relational"
    any_survey: Clock = Clock(days=30)
    after_contact_days: Days = 7
    new_customer_days: Days = 14

    @model_validator(mode="after")
    def _families_are_told_apart(self) -> "Clocks":
        names = [family.name for family in self.families]
        once("family", names)
        if self.general is not None and self.general not in names:
            raise ValueError(
                "general must be the name of one of the families, or null for a date that no "
                "family moves"
            )
        return self


class Rests(Strict):
    """When to leave her alone beside the clocks; 0 days switches a rest off."""

    marketing_after_detractor_days: Days = 14
    open_case_days: Days = 90
