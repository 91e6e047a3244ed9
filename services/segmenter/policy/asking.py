"""Section `worth_asking`, and the window after an experience: what deserves a survey, and when."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from services.segmenter.policy.words import Days, once
from shared.settings import Strict

#: A whole number of days that is some.
_SomeDays = Annotated[int, Field(ge=1, le=3660, strict=True)]


class AfterExperience(Strict):
    """When after an experience to ask about it: from day `from_days` on, before day `to_days`.

    A day is 24 hours from the experience's own moment.
    """

    from_days: Days = 3
    to_days: _SomeDays = 30

    @model_validator(mode="after")
    def _opens(self) -> "AfterExperience":
        if self.from_days >= self.to_days:
            raise ValueError("from_days must be less than to_days: this window never opens")
        return self


def _some(share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError("share is more than 0 and at most 1: 0.25 asks one in four")
    return share


class Worth(Strict):
    """Which experiences of one kind deserve a survey.

    `minimum_value` is in your own unit (null: any value); `share` of them are asked about, chosen
    once and for ever by a hash, so that asking again does not draw again.
    """

    kind: Annotated[str, Field(min_length=1, max_length=64)]
    minimum_value: float | None = None
    share: Annotated[float, AfterValidator(_some)] = 1.0


def _worths(worths: tuple[Worth, ...]) -> tuple[Worth, ...]:
    once("kind", [worth.kind for worth in worths])
    return worths


WorthAsking = Annotated[tuple[Worth, ...], AfterValidator(_worths)]
