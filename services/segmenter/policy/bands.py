"""Section `bands`: which scores make which segment."""

from collections import Counter
from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from shared.events.vocabulary import Segment
from shared.settings import Strict


class Band(Strict):
    """Scores `first` to `last`, both included."""

    segment: Segment
    first: Annotated[int, Field(ge=0, le=10, strict=True)]
    last: Annotated[int, Field(ge=0, le=10, strict=True)]


class Bands(Strict):
    """The bands of each metric."""

    nps: tuple[Band, ...]

    @cached_property
    def by_score(self) -> dict[int, Segment]:
        """The segment of each score."""
        return {score: b.segment for b in self.nps for score in range(b.first, b.last + 1)}

    @model_validator(mode="after")
    def _cover_all_scores_once(self) -> "Bands":
        covered = Counter(s for band in self.nps for s in range(band.first, band.last + 1))
        wrong = [f"{score} is in {covered[score]}" for score in range(11) if covered[score] != 1]
        if wrong:
            raise ValueError(
                f"put each score from 0 to 10 into exactly one band: {', '.join(wrong)}"
            )
        return self
