"""Moments are written one way, whoever made them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from shared.events.vocabulary import Moment
from shared.times import iso

_READ: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        pytest.param(
            datetime(2026, 7, 1, 8, 5, 9, 7, UTC), "2026-07-01T08:05:09.000007Z", id="UTC"
        ),
        pytest.param(
            datetime(2026, 7, 1, tzinfo=UTC), "2026-07-01T00:00:00.000000Z", id="no fraction"
        ),
        pytest.param(
            datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Paris")),
            "2026-06-30T22:00:00.000000Z",
            id="a zone in summer",
        ),
        pytest.param(
            datetime(2026, 7, 1, tzinfo=timezone(-timedelta(hours=5, minutes=30))),
            "2026-07-01T05:30:00.000000Z",
            id="half an hour",
        ),
        pytest.param(
            datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=5, seconds=7))),
            "2026-06-30T18:59:53.000000Z",
            id="an offset with seconds",
        ),
        pytest.param(
            datetime(1, 1, 2, tzinfo=UTC), "0001-01-02T00:00:00.000000Z", id="the first year"
        ),
        pytest.param(
            _READ.validate_json('"2026-07-01T10:00:00.5+02:00"'),
            "2026-07-01T08:00:00.500000Z",
            id="read by pydantic",
        ),
        pytest.param(
            _READ.validate_json('"2026-07-01T10:00:00Z"'),
            "2026-07-01T10:00:00.000000Z",
            id="read by pydantic as UTC",
        ),
    ],
)
def test_a_moment_is_written_in_utc_with_six_digits(moment: datetime, written: str) -> None:
    """So that texts sort as times do, and equal moments give equal bytes."""
    assert iso(moment) == written


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the zone follows
    st.integers(-86_399, 86_399),
)
def test_what_is_written_is_the_same_moment(naive: datetime, offset_s: int) -> None:
    """In any zone."""
    moment = naive.replace(tzinfo=timezone(timedelta(seconds=offset_s)))

    written = iso(moment)

    assert datetime.fromisoformat(written) == moment
    assert len(written) == len("2026-07-01T00:00:00.000000Z")


def test_of_an_hour_that_comes_twice_each_is_written_as_its_own() -> None:
    """In whatever order they are asked for."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
    second = first.replace(fold=1)

    told = [iso(first), iso(second), iso(first)]

    assert told == [
        "2026-10-25T00:30:00.000000Z",
        "2026-10-25T01:30:00.000000Z",
        "2026-10-25T00:30:00.000000Z",
    ]


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+02:00", "-05:30"])
def test_a_moment_of_the_wire_is_read_in_utc_itself(zone: str) -> None:
    """Not in an equal zone: comparing two such moments would ask each for its offset."""
    text = f"2026-07-01T10:00:00.5{zone}"

    moment = _MOMENT.validate_json(f'"{text}"')

    assert moment.tzinfo is UTC
    assert moment == datetime.fromisoformat(text)


def test_a_moment_that_utc_has_not_is_refused() -> None:
    """As any value that does not fit: nothing that is read may bring a reader down."""
    with pytest.raises(ValidationError, match="outside the calendar"):
        _MOMENT.validate_json('"0001-01-01T00:00:00+05:00"')
