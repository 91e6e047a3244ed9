"""Reading a question: days of the policy's zone, comparisons, periods that are over."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from services.segmenter.figures.question import (
    COMPARE,
    PARTS,
    Group,
    Grouping,
    Period,
    Question,
    Unanswerable,
    last_complete,
    previous,
    read_question,
)
from services.segmenter.policy.attributes import AttributeType

PARIS = "Europe/Paris"
NOW = datetime(2026, 4, 10, 8, 30, tzinfo=UTC)


def asked(**texts: str | None) -> Question:
    given: dict[str, Any] = dict.fromkeys(
        ("survey", "source", "start", "end", "by", "compare", "show")
    )
    return read_question(**{**given, **texts}, now=NOW, zone=PARIS, types=TYPES)


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
            Group("Lyon: Part-Dieu..2"),
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
    by: str | None, compare: str | None, grouping: Grouping | None, other: Period | Group | None
) -> None:
    """What stands behind the first colon is a name, whatever is in it."""
    question = asked(by=by, compare=compare)
    assert (question.by, question.other) == (grouping, other)


#: One attribute of each type.
TYPES = {
    "vip": AttributeType(type="flag"),
    "seats": AttributeType(type="number"),
    "aov": AttributeType(type="money"),
    "since": AttributeType(type="date"),
    "seen": AttributeType(type="moment"),
    "tone": AttributeType(type="choice", values=("tu", "vous")),
    "tags": AttributeType(type="list"),
    "store": AttributeType(type="text", also=("shop",)),
}


@pytest.mark.parametrize(
    ("by", "written", "group"),
    [
        pytest.param("attribute:vip", "oui", "true", id="a flag in French"),
        pytest.param("attribute:vip", "FALSE", "false", id="a flag in capitals"),
        pytest.param("attribute:seats", "12", "12", id="a number"),
        pytest.param("attribute:seats", "12,5", "12.5", id="a number with a comma"),
        pytest.param("attribute:aov", "30 €", "30", id="an amount"),
        pytest.param("attribute:since", "2026-01-31", "2026-01-31", id="a day"),
        pytest.param(
            "attribute:seen",
            "2026-01-31T09:00:00+01:00",
            "2026-01-31T08:00:00.000000Z",
            id="a moment",
        ),
        pytest.param("attribute:tone", "TU", "tu", id="a choice"),
        pytest.param("attribute:tags", "gold", "gold", id="an item of a list"),
        pytest.param("attribute:store", "12", "12", id="a text of digits"),
        pytest.param("attribute:unknown", "12", "12", id="declared nowhere"),
        pytest.param("answer:vip", "oui", "oui", id="an answer of the same name"),
    ],
)
def test_a_group_is_read_as_its_attribute_is_typed(by: str, written: str, group: str) -> None:
    """So that it is the group that the figures show, however a person writes it."""
    assert asked(by=by, compare=f"value:{written}").other == Group(group)


@pytest.mark.parametrize(
    ("by", "fix"),
    [
        pytest.param("attribute:vip", "is a flag: write value:true or value:false", id="flag"),
        pytest.param("attribute:seats", "is a number: write value:NUMBER", id="number"),
        pytest.param("attribute:aov", "is a money: write value:AMOUNT", id="money"),
        pytest.param("attribute:since", "is a date: write value:DAY", id="date"),
        pytest.param("attribute:seen", "is a moment: write value:MOMENT", id="moment"),
        pytest.param(
            "attribute:tone", "is a choice: write value: and one of tu, vous", id="choice"
        ),
    ],
)
def test_a_group_that_cannot_be_is_refused_with_the_fix(by: str, fix: str) -> None:
    """A slip is not an empty group."""
    with pytest.raises(Unanswerable, match=fix):
        asked(by=by, compare="value:Lyon")


@pytest.mark.parametrize(
    ("compare", "fits"),
    [
        pytest.param("previous", True, id="previous"),
        pytest.param("2025-01-01..2025-03-31", True, id="days"),
        pytest.param("2025-01-01T00:00:00.5Z..2025-01-02T00:00:00Z", True, id="moments"),
        pytest.param("value:Lyon", True, id="a group"),
        pytest.param("value:", False, id="no group"),
        pytest.param("value:" + "x" * 201, False, id="longer than a group's name"),
        pytest.param("value:a\x00..b", False, id="a NUL"),
        pytest.param("Lyon", False, id="a word"),
        pytest.param("previous ", False, id="a blank behind"),
    ],
)
def test_the_form_of_a_comparison_is_published(compare: str, fits: bool) -> None:
    """The pattern in the API's description is the one that is asked."""
    assert bool(re.fullmatch(COMPARE, compare)) == fits


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
        pytest.param({"by": "attribute:vip", "compare": "value:Lyon"}, id="no flag"),
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
