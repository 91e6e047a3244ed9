"""The Net Promoter Score of a count, and how sure it is. Pure.

With p and d the shares of promoters and detractors, the score is 100 (p - d), and one answer's
variance (each is +1, 0 or -1) is p + d - (p - d)². The interval is the adjusted Wald interval: the
normal approximation after adding 3 answers, ¾ of them promoters and ¾ detractors. In B. Rocks,
"Interval Estimation for the Net Promoter Score" (The American Statistician 70, 2016, 365-372), it
covers best among six, with few answers, too; without the addition, ten promoters in a row would be
100 with certainty.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final

from shared.events.vocabulary import Segment

LEVEL: Final = 0.95
#: See the module: answers added, and how many of them go to each end.
_ADDED: Final = 3.0
_ADDED_EACH: Final = 0.75


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers by segment."""

    detractors: int = 0
    passives: int = 0
    promoters: int = 0

    @property
    def n(self) -> int:
        """How many answers."""
        return self.detractors + self.passives + self.promoters

    def of(self, segment: Segment) -> int:
        """How many answers of one segment."""
        counts = {
            "detractor": self.detractors,
            "passive": self.passives,
            "promoter": self.promoters,
        }
        return counts[segment]

    def share(self, segment: Segment) -> float | None:
        """Which part of the answers, in percent; None without any."""
        return 100 * self.of(segment) / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true value lies at the level asked for, in points."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The adjusted score and its standard error, in points: what intervals are made of."""

    score: float
    error: float


def score(counts: Counts) -> float | None:
    """Tell the score, from -100 to 100; None without an answer."""
    return 100 * (counts.promoters - counts.detractors) / counts.n if counts.n else None


def estimate(counts: Counts) -> Estimate:
    """Tell the adjusted score and its standard error."""
    n = counts.n + _ADDED
    promoters = (counts.promoters + _ADDED_EACH) / n
    detractors = (counts.detractors + _ADDED_EACH) / n
    variance = promoters + detractors - (promoters - detractors) ** 2
    return Estimate(100 * (promoters - detractors), 100 * sqrt(variance / n))


def interval(counts: Counts, level: float = LEVEL) -> Interval | None:
    """Tell the interval of the score; None without an answer.

    It holds the score itself: of a single answer the addition alone would leave it just outside.
    """
    said = score(counts)
    if said is None:
        return None
    found = estimate(counts)
    margin = quantile(level) * found.error
    low, high = min(said, found.score - margin), max(said, found.score + margin)
    return Interval(max(-100.0, low), min(100.0, high))


@lru_cache(maxsize=256)
def quantile(level: float) -> float:
    """Tell how many standard errors an interval of this level reaches to each side."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def too_few(counts: Counts, minimum_n: int) -> bool:
    """Tell whether so few answered that the score is not to be acted upon."""
    return counts.n < minimum_n
