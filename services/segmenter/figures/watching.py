"""When an alert on a figure opens, and when it is quiet again. Pure.

In: what is known of one alert and group, the answers of the newest complete period, of the one
before it, and of the period before the change (the baseline). Out: what is known then. Told of the
same period again, nothing changes, unless answers that came late took the difference back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from services.segmenter.figures.difference import Difference, difference, level_for
from services.segmenter.figures.nps import LEVEL, Counts, too_few
from services.segmenter.figures.question import Period

State = Literal["open", "quiet"]
Direction = Literal["down", "up"]
#: `changed`: a real difference. Quiet because the score is `back` at what it was, because answers
#: that came late (`late_answers`) took the difference back, because it is the `new_level`, or
#: because too few answer still (`too_few`): a store that closed, a survey that ended.
Reason = Literal["changed", "back", "late_answers", "new_level", "too_few"]
#: After so many periods at the new level nobody is surprised any more; after as many of which
#: nothing can be said, nobody waits for more.
PERIODS: Final = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert for one group ("": all together). `since`: when this state began.

    `now` and `then` are the answers of `period` and `baseline` at the last comparison that counted;
    `periods` is how many periods the alert is open.
    """

    alert: str
    value: str
    state: State
    since: datetime
    reason: Reason
    direction: Direction
    periods: int
    baseline: Period
    period: Period
    now: Counts
    then: Counts


@dataclass(frozen=True, slots=True)
class Compared:
    """The newest complete period and the one before it, with the answers of one group in both."""

    period: Period
    previous: Period
    now: Counts
    before: Counts


def judge(
    alert: str,
    value: str,
    known: Standing | None,
    told: Compared,
    *,
    then: Counts | None,
    minimum_n: int,
    at: datetime,
    level: float = LEVEL,
) -> Standing | None:
    """Tell how the alert stands; None: it never opened. `then`: the baseline's answers, if open."""
    if known is not None and known.period.start > told.period.start:
        return known  # a clock that went back
    if known is None or known.state == "quiet":
        again = known is None or known.period != told.period or known.reason == "late_answers"
        found = difference(told.now, told.before, minimum_n=minimum_n, level=level)
        if not again or found is None or not found.real:
            return known
        return _opened(alert, value, found, told, at)
    since_then = difference(told.now, then or known.then, minimum_n=minimum_n, level=level)
    return _open_still(known, since_then, told, then or known.then, at)


def judge_groups(
    alert: str,
    known: Mapping[str, Standing],
    counted: Mapping[Period, Mapping[str, Counts]],
    periods: tuple[Period, Period],
    *,
    minimum_n: int,
    at: datetime,
) -> list[Standing]:
    """Judge every group that has answers enough in both periods, or opened before.

    `counted` has the answers of `periods` (newest, the one before) and of the baselines of the open
    ones. The more groups are compared, the surer each difference must be.
    """
    period, previous = periods
    here, there = counted[period], counted[previous]
    enough = {
        value
        for value in here.keys() & there.keys()
        if not too_few(here[value], minimum_n) and not too_few(there[value], minimum_n)
    }
    found = []
    for value in sorted(enough | known.keys()):
        one = known.get(value)
        then = counted[one.baseline].get(value) if one and one.state == "open" else None
        told = Compared(period, previous, here.get(value, Counts()), there.get(value, Counts()))
        level = level_for(len(enough))
        judged = judge(alert, value, one, told, then=then, minimum_n=minimum_n, at=at, level=level)
        found += [judged] if judged is not None else []
    return found


def _open_still(
    known: Standing, found: Difference | None, told: Compared, then: Counts, at: datetime
) -> Standing:
    """Judge an alert that is open by the difference to its baseline."""
    if found is None or not found.enough:
        return _silent(known, told, at)
    same = told.period == known.period
    seen = replace(known, period=told.period, now=told.now, then=then)
    if not found.real:
        reason: Reason = "late_answers" if same and known.periods == 1 else "back"
        return replace(seen, state="quiet", since=at, reason=reason)
    if _direction(found) != known.direction:
        return replace(seen, direction=_direction(found), since=at, periods=1)
    periods = known.periods if same else known.periods + 1
    if periods > PERIODS:
        return replace(seen, state="quiet", since=at, reason="new_level", periods=periods)
    return replace(seen, periods=periods)


def _silent(known: Standing, told: Compared, at: datetime) -> Standing:
    """Judge an open alert by a period of too few answers: one says nothing, neither way."""
    length = known.period.end - known.period.start
    # Rounded, for a week in which the clocks change has an hour more or less.
    since = round((told.period.start - known.period.start) / length)
    if since < PERIODS:
        return known
    return replace(known, state="quiet", since=at, reason="too_few")


def _opened(alert: str, value: str, found: Difference, told: Compared, at: datetime) -> Standing:
    return Standing(
        alert=alert,
        value=value,
        state="open",
        since=at,
        reason="changed",
        direction=_direction(found),
        periods=1,
        baseline=told.previous,
        period=told.period,
        now=told.now,
        then=told.before,
    )


def _direction(found: Difference) -> Direction:
    return "down" if found.interval.high < 0 else "up"
