"""Reading a question: days of the policy's zone, comparisons, periods that are over."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.segmenter.figures.question import (
    PARTS,
    Grouping,
    Period,
    Question,
    Unanswerable,
    last_complete,
    previous,
    read_question,
)

PARIS = "Europe/Paris"
NOW = datetime(2026, 4, 10, 8, 30, tzinfo=UTC)


def asked(**texts: str | None) -> Question:
    given: dict[str, Any] = dict.fromkeys(
        ("survey", "source", "start", "end", "by", "compare", "show")
    )
    return read_question(**{**given, **texts}, now=NOW, zone=PARIS)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("start", "end", "period"),
    [
        pytest.param(
            "2026-02-01",
            "2026-02-28",
            ("2026-01-31T23:00", "2026-02-28T23:00"),
            id="days, the last included",
        ),
        pytest.param(
            "2026-03-29",
            "2026-03-29",
            ("2026-03-28T23:00", "2026-03-29T22:00"),
            id="the day of 23 hours",
        ),
        pytest.param(
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00+01:00",
            ("2026-01-01T00:00", "2026-01-01T23:00"),
            id="moments",
        ),
        pytest.param(
            None, None, ("2026-01-10T09:30", "2026-04-10T08:30"), id="a quarter up to now"
        ),
        pytest.param(
            None, "2024-02-29", ("2023-12-01T23:00", "2024-02-29T23:00"), id="up to a leap day"
        ),
    ],
)
def test_a_period_is_read_in_the_zone_of_the_policy(
    start: str | None, end: str | None, period: tuple[str, str]
) -> None:
    """Whole days are days of the calendar, which are not all 24 hours long."""
    found = asked(start=start, end=end).scope.period
    assert (found.start, found.end) == (utc(period[0]), utc(period[1]))


@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        pytest.param("2026-02-01", "2026-02-28", "2026-01-03T23:00", id="28 days"),
        pytest.param(
            "2026-03-30", "2026-04-05", "2026-03-22T23:00", id="over the change of clocks"
        ),
        pytest.param(
            "2026-03-02T06:00:00Z", "2026-03-02T09:00:00Z", "2026-03-02T03:00", id="three hours"
        ),
    ],
)
def test_the_previous_period_is_as_long_and_ends_where_this_one_begins(
    start: str, end: str, before: str
) -> None:
    """By days where both ends are midnights, by hours where not."""
    question = asked(start=start, end=end, compare="previous")
    assert question.other == Period(utc(before), question.scope.period.start)


@pytest.mark.parametrize(
    ("by", "compare", "grouping", "other"),
    [
        pytest.param("attribute:store", None, Grouping("attribute", "store"), None, id="a group"),
        pytest.param("answer:why not: a", None, Grouping("answer", "why not: a"), None, id="colon"),
        pytest.param(
            "attribute:store",
            "value:Lyon: Part-Dieu..2",
            Grouping("attribute", "store"),
            "Lyon: Part-Dieu..2",
            id="a group with dots",
        ),
        pytest.param(
            None,
            "2025-01-01..2025-01-31",
            None,
            Period(utc("2024-12-31T23:00"), utc("2025-01-31T23:00")),
            id="a year ago",
        ),
    ],
)
def test_groups_and_comparisons_are_read(
    by: str | None, compare: str | None, grouping: Grouping | None, other: Period | str | None
) -> None:
    """What stands behind the first colon is a name, whatever is in it."""
    question = asked(by=by, compare=compare)
    assert (question.by, question.other) == (grouping, other)


@pytest.mark.parametrize(
    ("show", "parts"),
    [
        pytest.param(None, set(PARTS), id="all"),
        pytest.param("score", set(), id="the score alone"),
        pytest.param("score, loop,moves", {"loop", "moves"}, id="some"),
    ],
)
def test_what_is_not_asked_for_is_not_counted(show: str | None, parts: set[str]) -> None:
    """The score always is."""
    assert asked(show=show).show == parts


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param({"start": "2026-02-30"}, id="a day that is none"),
        pytest.param({"start": "2026-04-11T00:00:00Z"}, id="after now"),
        pytest.param({"end": "9999-12-31"}, id="the end of time"),
        pytest.param({"end": "1970-01-02"}, id="a quarter before 1970"),
        pytest.param({"start": "\uff11999-01-01"}, id="other digits"),
        pytest.param({"compare": "2026-01-02..2026-01-01"}, id="compared backwards"),
        pytest.param({"by": "attribute:a\x1f"}, id="a control character"),
        pytest.param({"by": "attribute:a", "compare": "value:" + "x" * 600}, id="a novel"),
        pytest.param({"source": ""}, id="an empty name"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(texts: dict[str, str]) -> None:
    """The words never repeat what was sent."""
    with pytest.raises(Unanswerable) as refused:
        asked(**texts)
    assert all(value not in str(refused.value) for value in texts.values() if value)


@pytest.mark.parametrize(
    ("now", "days", "start", "end"),
    [
        pytest.param("2026-03-15T22:59", 7, "2026-03-01T23:00", "2026-03-08T23:00", id="Sunday"),
        pytest.param("2026-03-15T23:00", 7, "2026-03-08T23:00", "2026-03-15T23:00", id="Monday"),
        pytest.param("2026-03-30T12:00", 7, "2026-03-22T23:00", "2026-03-29T22:00", id="clocks"),
        pytest.param("2026-03-10T12:00", 1, "2026-03-08T23:00", "2026-03-09T23:00", id="a day"),
        pytest.param("2020-01-08T12:00", 7, "2019-12-29T23:00", "2020-01-05T23:00", id="long ago"),
    ],
)
def test_a_watched_period_is_whole_and_over(now: str, days: int, start: str, end: str) -> None:
    """Weeks begin on Monday in the policy's zone; each follows the one before without a gap."""
    found = last_complete(utc(now), days, PARIS)
    assert found == Period(utc(start), utc(end))
    assert last_complete(found.start, days, PARIS) == previous(found, PARIS)
