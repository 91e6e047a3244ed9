"""What an operator may type for a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.ago import moment

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("3d", NOW - timedelta(days=3), id="days"),
        pytest.param(" 12 h ", NOW - timedelta(hours=12), id="hours"),
        pytest.param("30m", NOW - timedelta(minutes=30), id="minutes"),
        pytest.param("45s", NOW - timedelta(seconds=45), id="seconds"),
        pytest.param("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), id="date is of UTC"),
        pytest.param("2026-11-20T08:00", datetime(2026, 11, 20, 8, tzinfo=UTC), id="time of UTC"),
        pytest.param(
            "2026-11-20T08:00+01:00", datetime(2026, 11, 20, 7, tzinfo=UTC), id="time with zone"
        ),
    ],
)
def test_a_moment_is_read_as_typed(text: str, found: datetime) -> None:
    """A date, a time, or how long ago."""
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["", "yesterday", "3w", "-3d", "12345d", "2026-13-01"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    """The words say what may be typed."""
    with pytest.raises(ValueError, match="2026-11-20, 12h, 3d"):
        moment(text, NOW)
