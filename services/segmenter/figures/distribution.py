"""Answers by score, folded into segments by the policy's bands. Pure."""

from collections.abc import Mapping

from services.segmenter.figures.nps import Counts
from services.segmenter.policy.bands import Bands
from shared.events.vocabulary import Segment

#: Score → how many answers.
ByScore = Mapping[int, int]


def band_of(score: int, bands: Bands) -> Segment:
    """Name the segment of a score: each from 0 to 10 is in exactly one band."""
    return next(band.segment for band in bands.nps if band.first <= score <= band.last)


def scores_of(segment: Segment, bands: Bands) -> list[int]:
    """List the scores of a segment."""
    return [score for score in range(11) if band_of(score, bands) == segment]


def counts_of(found: ByScore, bands: Bands) -> Counts:
    """Fold scores into segments."""
    sums: dict[Segment, int] = {"detractor": 0, "passive": 0, "promoter": 0}
    for score, n in found.items():
        sums[band_of(score, bands)] += n
    return Counts(sums["detractor"], sums["passive"], sums["promoter"])


def distribution(found: ByScore) -> tuple[int, ...]:
    """Tell how many gave each score from 0 to 10."""
    return tuple(found.get(score, 0) for score in range(11))
