"""Section `statistics`: how figures are counted."""

from typing import Annotated

from pydantic import Field

from services.segmenter.policy.words import Name
from shared.settings import Strict

MinimumN = Annotated[int, Field(ge=2, le=1_000_000, strict=True)]
_Window = Annotated[int, Field(ge=1, le=366, strict=True)]


class Statistics(Strict):
    """Below how many answers nothing is concluded, and how long a reaction counts, in days.

    Without `recovery_days` an answer after a case counts as long as for decisions (`cases.paired`).
    """

    minimum_n: MinimumN = 30
    response_days: _Window = 30
    contact_days: _Window = 30
    recovery_days: _Window | None = None
    #: Attributes by which figures are asked for often: kept with each answer.
    groupings: tuple[Name, ...] = ("store",)
