"""The score, its interval and the difference of two: by known values, and by trying it out."""

from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segmenter.figures.difference import difference, level_for
from services.segmenter.figures.nps import Counts, estimate, interval, quantile, score, too_few

_COUNTS = st.builds(Counts, *[st.integers(0, 5000)] * 3)


@pytest.mark.parametrize(
    ("counts", "points"),
    [
        pytest.param(Counts(), None, id="nobody"),
        pytest.param(Counts(promoters=1), 100.0, id="one promoter"),
        pytest.param(Counts(detractors=7), -100.0, id="detractors alone"),
        pytest.param(Counts(passives=7), 0.0, id="passives alone"),
        pytest.param(Counts(20, 30, 50), 30.0, id="as in the textbook"),
        pytest.param(Counts(1, 1, 1), 0.0, id="one of each"),
    ],
)
def test_the_score_is_promoters_less_detractors_in_percent(
    counts: Counts, points: float | None
) -> None:
    """Passives count in the whole only."""
    assert score(counts) == points


def test_the_interval_is_the_adjusted_wald_interval() -> None:
    """A case worked out by hand: 36 detractors, 68 passives, 36 promoters among 140."""
    n = 143
    p = d = 36.75 / n
    half = 1.959964 * 100 * sqrt((p + d) / n)
    found = interval(Counts(36, 68, 36))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((-half, half), abs=1e-4)
    assert half == pytest.approx(11.75, abs=0.01)


@pytest.mark.parametrize(
    ("level", "errors"),
    [(0.90, 1.644854), (0.95, 1.959964), (0.99, 2.575829)],
)
def test_the_level_decides_how_far_the_interval_reaches(level: float, errors: float) -> None:
    """The well-known numbers of standard errors."""
    assert quantile(level) == pytest.approx(errors, abs=1e-6)


@given(_COUNTS)
def test_an_interval_holds_its_score_within_the_scale(counts: Counts) -> None:
    """Never beyond -100 or 100; never a point, however much all agree."""
    found = interval(counts)
    if found is None:
        assert counts.n == 0
        return
    assert -100 <= found.low < found.high <= 100
    middle = estimate(counts).score
    assert found.low <= middle <= found.high
    assert found.low <= (score(counts) or 0.0) <= found.high


@pytest.mark.parametrize("n", [10, 30, 100, 500])
@pytest.mark.parametrize(
    "shares",
    [
        pytest.param((0.2, 0.3, 0.5), id="good"),
        pytest.param((0.05, 0.15, 0.8), id="excellent"),
        pytest.param((0.5, 0.3, 0.2), id="poor"),
        pytest.param((1 / 3, 1 / 3, 1 / 3), id="even"),
    ],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    shares: tuple[float, float, float], n: int
) -> None:
    """Of two thousand samples drawn, 95 in 100 intervals hold the true score."""
    chance = Random(20260310 + n)
    truth = 100 * (shares[2] - shares[0])
    samples = 2000
    held = 0
    for _ in range(samples):
        found = interval(_drawn(chance, shares, n))
        held += found is not None and found.low <= truth <= found.high
    # Two thousand tries are themselves known to a point; a discrete count never hits 95 exactly.
    assert 0.93 <= held / samples <= 0.985


@pytest.mark.parametrize("sizes", [(30, 30), (40, 200), (300, 300)])
def test_the_same_truth_seldom_looks_really_different(sizes: tuple[int, int]) -> None:
    """Two samples of one population differ "for real" in some 5 of 100 cases, not more."""
    chance = Random(7 + sum(sizes))
    shares = (0.25, 0.3, 0.45)
    samples = 1500
    alarms = 0
    for _ in range(samples):
        one, other = (_drawn(chance, shares, n) for n in sizes)
        found = difference(one, other, minimum_n=30)
        alarms += found is not None and found.real
    assert 0.025 <= alarms / samples <= 0.07


def test_fifty_comparisons_together_hold_the_level() -> None:
    """Fifty stores of one truth: an alarm in some 5 of 100 weeks, instead of in nearly all."""
    chance = Random(11)
    weeks, stores = 60, 50
    level = level_for(stores)
    loud = sum(any(_differ(chance, level) for _ in range(stores)) for _ in range(weeks))
    assert level == pytest.approx(0.999)
    assert loud <= 9


def _differ(chance: Random, level: float) -> bool:
    shares = (0.25, 0.3, 0.45)
    one, other = _drawn(chance, shares, 60), _drawn(chance, shares, 60)
    found = difference(one, other, minimum_n=30, level=level)
    return found is not None and found.real


def _drawn(chance: Random, shares: tuple[float, float, float], n: int) -> Counts:
    drawn = chance.choices(range(3), weights=shares, k=n)
    return Counts(drawn.count(0), drawn.count(1), drawn.count(2))


@pytest.mark.parametrize(
    ("one", "other", "points", "enough", "real"),
    [
        pytest.param(Counts(0, 0, 40), Counts(40, 0, 0), 200.0, True, True, id="opposite"),
        pytest.param(Counts(10, 10, 20), Counts(10, 10, 20), 0.0, True, False, id="equal"),
        pytest.param(Counts(8, 10, 22), Counts(10, 10, 20), 10.0, True, False, id="by chance"),
        pytest.param(Counts(0, 0, 29), Counts(40, 0, 0), 200.0, False, False, id="29 answers"),
        pytest.param(Counts(0, 0, 40), Counts(29, 0, 0), 200.0, False, False, id="29 before"),
    ],
)
def test_a_difference_is_real_with_enough_answers_and_without_zero(
    one: Counts, other: Counts, points: float, *, enough: bool, real: bool
) -> None:
    """A large difference of few people is not called real."""
    found = difference(one, other, minimum_n=30)
    assert found is not None
    assert (found.points, found.enough, found.real) == (points, enough, real)


@given(_COUNTS, _COUNTS)
def test_a_difference_turned_round_is_its_negative(one: Counts, other: Counts) -> None:
    """Whichever period is named first."""
    there, back = difference(one, other, minimum_n=30), difference(other, one, minimum_n=30)
    if there is None or back is None:
        assert there is back
        assert not one.n or not other.n
        return
    assert there.points == -back.points
    assert (there.interval.low, there.real) == (-back.interval.high, back.real)


def test_too_few_is_below_the_minimum() -> None:
    """Thirty of thirty are enough."""
    assert (too_few(Counts(9, 10, 10), 30), too_few(Counts(10, 10, 10), 30)) == (True, False)
