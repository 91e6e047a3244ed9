"""Section `fatigue`: how many marketing messages a week a customer bears."""

from typing import Annotated

from pydantic import Field

from shared.settings import Strict

_Step = Annotated[int, Field(ge=-20, le=20, strict=True)]


class AfterAnswer(Strict):
    """What her newest answer adds to the base, by its segment."""

    detractor: _Step = -2
    passive: _Step = -1
    promoter: _Step = 0


class Fatigue(Strict):
    """Messages a week: the base, and what is added to it. The sum is never less than 0."""

    base: Annotated[int, Field(ge=0, le=100, strict=True)] = 3
    after_answer: AfterAnswer = AfterAnswer()
    #: Her segment fell with the newest answer.
    moved_down: _Step = -1
