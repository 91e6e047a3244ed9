"""When an alert on a figure opens and when it is quiet again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.segmenter.figures.nps import Counts
from services.segmenter.figures.question import Period
from services.segmenter.figures.watching import (
    PERIODS,
    Compared,
    Standing,
    judge,
    judge_groups,
)

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
GOOD, BAD, FEW = Counts(5, 5, 40), Counts(40, 5, 5), Counts(9, 0, 0)


def week(number: int) -> Period:
    start = MONDAY + timedelta(weeks=number)
    return Period(start, start + timedelta(weeks=1))


def judged(
    known: Standing | None, number: int, now: Counts, before: Counts, *, hours: int = 2
) -> Standing | None:
    """Judge the week of that number, so many hours after it ended."""
    told = Compared(week(number), week(number - 1), now, before)
    then = known.then if known else None
    at = week(number).end + timedelta(hours=hours)
    return judge("weekly", "", known, told, then=then, minimum_n=30, at=at)


def opened() -> Standing:
    """An alert that opened with week 1, when good became bad."""
    found = judged(None, 1, BAD, GOOD, hours=1)
    assert found is not None
    return found


def test_a_real_change_opens() -> None:
    """With what it was before and since when it is so."""
    found = opened()
    assert (found.state, found.reason, found.direction) == ("open", "changed", "down")
    assert (found.since, found.periods) == (week(1).end + timedelta(hours=1), 1)
    assert (found.baseline, found.then, found.period, found.now) == (week(0), GOOD, week(1), BAD)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        pytest.param(GOOD, GOOD, id="the same"),
        pytest.param(FEW, GOOD, id="few now"),
        pytest.param(BAD, Counts(0, 0, 29), id="few before"),
        pytest.param(Counts(), GOOD, id="nobody"),
    ],
)
def test_nothing_opens_by_chance_or_among_few(now: Counts, before: Counts) -> None:
    """Then there is nothing to remember either."""
    assert judged(None, 1, now, before) is None


@pytest.mark.parametrize(
    ("number", "now", "before", "state", "reason"),
    [
        pytest.param(1, BAD, GOOD, "open", "changed", id="the same week again"),
        pytest.param(1, GOOD, GOOD, "quiet", "late_answers", id="late answers took it back"),
        pytest.param(2, BAD, BAD, "open", "changed", id="still at the new level"),
        pytest.param(2, GOOD, BAD, "quiet", "back", id="back where it was"),
        pytest.param(2, FEW, BAD, "open", "changed", id="too few to say"),
        pytest.param(0, GOOD, GOOD, "open", "changed", id="a clock that went back"),
    ],
)
def test_an_open_alert_is_judged_by_what_was_before_the_change(
    number: int, now: Counts, before: Counts, state: str, reason: str
) -> None:
    """The week after a fall does not differ from it: that alone does not make it quiet."""
    found = judged(opened(), number, now, before)
    assert found is not None
    assert (found.state, found.reason) == (state, reason)
    assert (found.since == opened().since) == (state == "open")


def test_an_open_alert_is_judged_by_its_baseline_as_it_is_counted_now() -> None:
    """Answers with an older date came late: the week before the change was no better."""
    told = Compared(week(2), week(1), BAD, BAD)
    at = week(2).end
    found = judge("weekly", "", opened(), told, then=BAD, minimum_n=30, at=at)
    assert found is not None
    assert (found.state, found.reason, found.then) == ("quiet", "back", BAD)


def test_after_some_periods_the_new_level_is_no_news() -> None:
    """It is quiet with its reason, and opens again only on a new change."""
    found: Standing | None = opened()
    for number in range(2, PERIODS + 2):
        assert found is not None
        assert found.state == "open"
        found = judged(found, number, BAD, BAD)
    assert found is not None
    assert (found.state, found.reason) == ("quiet", "new_level")
    assert judged(found, PERIODS + 2, BAD, BAD) == found
    again = judged(found, PERIODS + 2, GOOD, BAD)
    assert again is not None
    assert (again.state, again.direction) == ("open", "up")


def test_the_way_back_is_no_alert_of_its_own() -> None:
    """Told of the same week again, an alert that is quiet does not open upwards."""
    quiet = judged(opened(), 2, GOOD, BAD)
    assert quiet is not None
    assert judged(quiet, 2, GOOD, BAD) == quiet
    assert judged(quiet, 3, GOOD, GOOD) == quiet
    assert judged(judged(opened(), 1, GOOD, GOOD), 1, BAD, GOOD) == replace(
        opened(), since=week(1).end + timedelta(hours=2)
    )


def test_a_change_beyond_the_baseline_turns_the_alert_round() -> None:
    """From a fall to better than before: open, upwards, since now."""
    known = replace(opened(), then=Counts(20, 10, 20))
    found = judged(known, 2, GOOD, BAD)
    assert found is not None
    assert (found.state, found.direction, found.periods) == ("open", "up", 1)
    assert found.since == week(2).end + timedelta(hours=2)


def test_the_more_groups_the_surer_each_must_be() -> None:
    """A difference just real for one store is none among forty."""
    one, other = Counts(12, 12, 36), Counts(20, 12, 28)
    alone = judge_groups(
        "stores",
        {},
        {week(1): {"Lyon": one}, week(0): {"Lyon": Counts(23, 12, 25)}},
        (week(1), week(0)),
        minimum_n=30,
        at=week(2).start,
    )
    assert [found.value for found in alone] == ["Lyon"]
    many = judge_groups(
        "stores",
        {},
        {
            week(1): {"Lyon": one, **{f"store {n}": other for n in range(39)}},
            week(0): {
                "Lyon": Counts(23, 12, 25),
                **{f"store {n}": other for n in range(39)},
            },
        },
        (week(1), week(0)),
        minimum_n=30,
        at=week(2).start,
    )
    assert many == []


@pytest.mark.parametrize("few", [FEW, Counts()], ids=["few", "nobody"])
def test_an_alert_on_what_nobody_answers_any_more_is_quiet_in_the_end(few: Counts) -> None:
    """A store that closed, a survey that ended: not open for ever, and not at the first silence."""
    for number in range(2, PERIODS + 1):
        assert judged(opened(), number, few, few) == opened()
    found = judged(opened(), PERIODS + 1, few, few)
    at = week(PERIODS + 1).end + timedelta(hours=2)
    assert found == replace(opened(), state="quiet", since=at, reason="too_few")
    # Counted from the last week that said something; and answers again may be news again.
    still = judged(opened(), 2, BAD, BAD)
    assert judged(still, PERIODS + 1, few, few) == still
    assert judged(found, PERIODS + 2, few, few) == found
    again = judged(found, PERIODS + 3, BAD, GOOD)
    assert again is not None
    assert (again.state, again.reason) == ("open", "changed")


def test_a_week_that_lost_an_hour_is_a_week() -> None:
    """Of four weeks since then, also where the clocks changed in between."""
    hour = timedelta(hours=1)
    known = replace(opened(), period=Period(week(1).start, week(1).end + hour))
    told = Period(week(PERIODS + 1).start - hour, week(PERIODS + 1).end)
    for period, state in ((told, "quiet"), (week(PERIODS), "open")):
        compared = Compared(period, week(PERIODS), FEW, FEW)
        found = judge("weekly", "", known, compared, then=known.then, minimum_n=30, at=period.end)
        assert found is not None
        assert found.state == state


def test_a_group_that_vanished_stays_as_it_was() -> None:
    """Nobody of the store answered: that says nothing yet, and it is not forgotten."""
    known = replace(opened(), value="Lyon")
    found = judge_groups(
        "weekly",
        {"Lyon": known},
        {week(2): {}, week(1): {"Lyon": BAD}, week(0): {"Lyon": GOOD}},
        (week(2), week(1)),
        minimum_n=30,
        at=week(3).start,
    )
    assert found == [known]
