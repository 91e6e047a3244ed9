"""What separates two scores, and whether that is more than chance. Pure.

Two periods, or two groups of one period, are taken as independent samples: the variances of the
adjusted scores (see `nps`) add up. So J. Lewis and J. Sauro compare two Net Promoter Scores (2021).
Where the same people answered both times, the interval is rather too wide than too narrow.
"""

from dataclasses import dataclass
from math import hypot

from services.segmenter.figures.nps import LEVEL, Counts, Interval, estimate, quantile, score


@dataclass(frozen=True, slots=True)
class Difference:
    """`points` is the one score minus the other; `enough`: both have the minimum of answers.

    `real`: enough answers, and the interval leaves out zero.
    """

    points: float
    interval: Interval
    enough: bool
    real: bool


def difference(
    one: Counts, other: Counts, *, minimum_n: int, level: float = LEVEL
) -> Difference | None:
    """Compare `one` with `other`; None where nobody answered one of them."""
    first, second = score(one), score(other)
    if first is None or second is None:
        return None
    here, there = estimate(one), estimate(other)
    middle = here.score - there.score
    margin = quantile(level) * hypot(here.error, there.error)
    found = Interval(max(-200.0, middle - margin), min(200.0, middle + margin))
    enough = min(one.n, other.n) >= minimum_n
    apart = found.low > 0 or found.high < 0
    return Difference(first - second, found, enough, enough and apart)


def level_for(comparisons: int, level: float = LEVEL) -> float:
    """Tell the level of each of several comparisons, so that all hold together (Bonferroni).

    Of fifty stores compared at 95 %, two or three would differ every week by chance alone.
    """
    return 1 - (1 - level) / max(1, comparisons)
