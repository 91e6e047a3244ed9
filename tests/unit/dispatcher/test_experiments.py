"""Who is in which arm, and what may be said of a play."""

import uuid
from collections import Counter

import pytest

from services.dispatcher.plan.experiments import Counted, Estimate, arm_of, measured, rate
from services.dispatcher.playbook.offers import Experiment

VARIANTS = {"default": "SHORT"}
HALVES = Experiment.model_validate(
    {"hold_out": 0.2, "arms": {"short": {"share": 0.3, "variants": VARIANTS}}}
)
PEOPLE = [uuid.UUID(int=number) for number in range(10_000)]


def test_shares_are_as_said_and_nobody_moves() -> None:
    """Ten thousand people, drawn twice: the same arms, in the shares asked for."""
    drawn = Counter(arm_of(HALVES, "thanks", one) for one in PEOPLE)
    assert drawn == Counter(arm_of(HALVES, "thanks", one) for one in PEOPLE)
    assert {name: round(n / 10_000, 1) for name, n in drawn.items()} == {
        "hold-out": 0.2,
        "short": 0.3,
        "own": 0.5,
    }


def test_two_plays_draw_apart() -> None:
    """Whoever goes without one play is not the one who goes without all."""
    one = {p for p in PEOPLE if arm_of(HALVES, "thanks", p) == "hold-out"}
    both = [p for p in one if arm_of(HALVES, "discount", p) == "hold-out"]
    assert 0.15 < len(both) / len(one) < 0.25


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        pytest.param(0, 0, Estimate(None), id="nobody"),
        pytest.param(3, 29, Estimate(0.1034), id="too-few"),
        # By hand: Wilson's interval of 50 of 100 is 0.4038 to 0.5962.
        pytest.param(50, 100, Estimate(0.5, 0.4038, 0.5962, False), id="half"),
        pytest.param(0, 100, Estimate(0.0, 0.0, 0.037, False), id="none-is-not-never"),
        pytest.param(100, 100, Estimate(1.0, 0.963, 1.0, False), id="all-is-not-always"),
    ],
)
def test_a_share_has_its_interval(part: int, whole: int, expected: Estimate) -> None:
    """Between 0 and 1, and none where few were asked."""
    assert rate(part, whole) == expected


def test_an_arm_is_set_against_the_hold_out() -> None:
    """Scores 8 and 9 in turn against 6 and 7: two points more, and the interval says so."""
    own = Counted("own", 100, 40, total=20 * 17, squares=20 * 145, promoters=20, churned=5)
    without = Counted("hold-out", 100, 40, total=20 * 13, squares=20 * 85, detractors=20, churned=5)
    (_, held), (found,) = measured([own, without])
    assert (held.next_nps, held.next_score.value) == (-50.0, 6.5)
    assert (found.arm, found.next_score.value, found.next_score.too_few) == ("own", 2.0, False)
    # By hand: the variance of each is 10/39, the error the root of two of them over 40: 0.1132.
    assert (found.next_score.low, found.next_score.high) == (1.778, 2.222)
    assert found.answer_rate.value == 0.0
    assert found.churn.low is not None
    assert found.churn.low < 0 < (found.churn.high or 0)


@pytest.mark.parametrize("few", ["own", "hold-out"])
def test_few_on_one_side_are_too_few(few: str) -> None:
    """A number is told, an interval is not: nobody may read an effect into it."""
    other = {"own": "hold-out", "hold-out": "own"}[few]
    counts = [Counted(few, 29, 29, 261, 2349), Counted(other, 500, 300, 2100, 15_000)]
    _, (found,) = measured(counts)
    for estimate in (found.next_score, found.answer_rate, found.churn):
        assert (estimate.too_few, estimate.low, estimate.high) == (True, None, None)


def test_without_a_hold_out_nothing_is_claimed() -> None:
    """Two texts may be compared by eye; what no message would have done nobody knows."""
    _, differences = measured([Counted("own", 500), Counted("short", 500)])
    assert differences == []
