"""Who left, by what they had answered. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.segmenter.figures.distribution import band_of
from services.segmenter.policy.bands import Bands
from shared.events.vocabulary import Segment


@dataclass(frozen=True, slots=True)
class Churn:
    """How many people answered so last, and how many of them are churned by now."""

    people: int
    churned: int

    @property
    def share(self) -> float | None:
        """The part that is churned, in percent; None of nobody."""
        return 100 * self.churned / self.people if self.people else None


def churn(found: Iterable[tuple[int, int, int]], bands: Bands) -> dict[Segment, Churn]:
    """Fold (score, people, churned) into segments; all three are there."""
    told: dict[Segment, Churn] = dict.fromkeys(("detractor", "passive", "promoter"), Churn(0, 0))
    for score, people, churned in found:
        segment = band_of(score, bands)
        known = told[segment]
        told[segment] = Churn(known.people + people, known.churned + churned)
    return told
