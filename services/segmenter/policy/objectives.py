"""Section `objectives`: the score and the shares that are aimed at."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from services.segmenter.policy.words import once
from shared.events.vocabulary import Segment
from shared.settings import Strict

_Percent = Annotated[float, Field(ge=0, le=100)]


class Objective(Strict):
    """For one survey (null: all that have none of their own).

    `shares` in percent: of promoters at least, of passives and detractors at most.
    """

    survey: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    nps: Annotated[float, Field(ge=-100, le=100)] | None = None
    shares: dict[Segment, _Percent] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _aims_at_something(self) -> "Objective":
        if self.nps is None and not self.shares:
            raise ValueError("give nps or shares: an objective without a number aims at nothing")
        return self


def _objectives(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    once("the objective of survey", [one.survey or "null" for one in objectives])
    return objectives


Objectives = Annotated[tuple[Objective, ...], AfterValidator(_objectives)]
