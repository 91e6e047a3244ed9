"""Experiments: who is in which arm, and what a play did to those it reached. Pure.

In: an experiment, a customer; counts per arm. Out: her arm, drawn by a stable hash; rates and means
with their 95 % intervals, or the plain word that there are too few to say anything.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.dispatcher.playbook.offers import HOLD_OUT, OWN, Experiment

#: Below it an interval by the normal approximation pretends to know what it does not.
LEAST: Final = 30
#: Of the normal distribution, for 95 %.
_Z: Final = 1.959964
_DRAWS: Final = 2**64


def arm_of(experiment: Experiment, play: str, customer_id: UUID) -> str:
    """Draw a customer's arm: the same at every call, and independent between plays."""
    digest = hashlib.sha256(f"{play}\n{customer_id}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") / _DRAWS
    shares = [(HOLD_OUT, experiment.hold_out)]
    shares += [(name, arm.share) for name, arm in sorted(experiment.arms.items())]
    for name, share in shares:
        if drawn < share:
            return name
        drawn -= share
    return OWN


@dataclass(frozen=True, slots=True)
class Counted:
    """One arm: how many customers, and what they did since.

    `total` and `squares` are the sums of the next scores and of their squares.
    """

    arm: str
    customers: int
    answered: int = 0
    total: int = 0
    squares: int = 0
    promoters: int = 0
    detractors: int = 0
    churned: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the interval in which it lies at 95 %; both ends None: too few to say."""

    value: float | None
    low: float | None = None
    high: float | None = None
    too_few: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """What one arm did: mean next score and its NPS, share that answered, share that churned."""

    arm: str
    customers: int
    answered: int
    churned: int
    next_score: Estimate
    next_nps: float | None
    answer_rate: Estimate
    churn: Estimate


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against the hold-out: positive is more of it in the arm."""

    arm: str
    next_score: Estimate
    answer_rate: Estimate
    churn: Estimate


def measured(counts: Sequence[Counted]) -> tuple[list[Measured], list[Difference]]:
    """Measure every arm, and set it against the hold-out where there is one."""
    arms = [_measured(one) for one in counts]
    without = next((one for one in counts if one.arm == HOLD_OUT), None)
    if without is None:
        return arms, []
    return arms, [_difference(one, without) for one in counts if one.arm != HOLD_OUT]


def _measured(one: Counted) -> Measured:
    nps = 100 * (one.promoters - one.detractors) / one.answered if one.answered else None
    return Measured(
        arm=one.arm,
        customers=one.customers,
        answered=one.answered,
        churned=one.churned,
        next_score=_mean(one),
        next_nps=None if nps is None else round(nps, 1),
        answer_rate=rate(one.answered, one.customers),
        churn=rate(one.churned, one.customers),
    )


def rate(part: int, whole: int) -> Estimate:
    """Return a share with Wilson's interval, which stays between 0 and 1."""
    if whole == 0:
        return Estimate(None)
    share = part / whole
    if whole < LEAST:
        return Estimate(round(share, 4))
    centre = share + _Z**2 / (2 * whole)
    reach = _Z * math.sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2))
    scale = 1 + _Z**2 / whole
    low, high = max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
    return Estimate(round(share, 4), round(low, 4), round(high, 4), too_few=False)


def _mean(one: Counted) -> Estimate:
    if one.answered == 0:
        return Estimate(None)
    mean = one.total / one.answered
    if one.answered < LEAST:
        return Estimate(round(mean, 3))
    return _around(mean, math.sqrt(_variance(one) / one.answered), 3)


def _variance(one: Counted) -> float:
    """Return the variance of the next scores; whole sums, so that nothing is lost on the way."""
    return (one.squares - one.total**2 / one.answered) / (one.answered - 1)


def _difference(one: Counted, without: Counted) -> Difference:
    return Difference(
        arm=one.arm,
        next_score=_apart(one, without),
        answer_rate=_rates_apart(
            rate(one.answered, one.customers), rate(without.answered, without.customers)
        ),
        churn=_rates_apart(
            rate(one.churned, one.customers), rate(without.churned, without.customers)
        ),
    )


def _apart(one: Counted, without: Counted) -> Estimate:
    """Set two means against each other, of unequal variances."""
    if not one.answered or not without.answered:
        return Estimate(None)
    apart = one.total / one.answered - without.total / without.answered
    if min(one.answered, without.answered) < LEAST:
        return Estimate(round(apart, 3))
    error = math.sqrt(_variance(one) / one.answered + _variance(without) / without.answered)
    return _around(apart, error, 3)


def _rates_apart(one: Estimate, without: Estimate) -> Estimate:
    """Set two shares against each other by Newcombe's interval, made of both of Wilson's."""
    if one.value is None or without.value is None:
        return Estimate(None)
    apart = one.value - without.value
    if one.low is None or one.high is None or without.low is None or without.high is None:
        return Estimate(round(apart, 4))
    down = math.hypot(one.value - one.low, without.high - without.value)
    up = math.hypot(one.high - one.value, without.value - without.low)
    return Estimate(round(apart, 4), round(apart - down, 4), round(apart + up, 4), too_few=False)


def _around(value: float, error: float, digits: int) -> Estimate:
    reach = _Z * error
    return Estimate(
        round(value, digits),
        round(value - reach, digits),
        round(value + reach, digits),
        too_few=False,
    )
