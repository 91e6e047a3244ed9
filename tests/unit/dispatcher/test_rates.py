"""Windows of calls: what is left of them as time goes on."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.brakes.rates import Rate, Window, least, rate_of, said
from tests.builders.decisions import NOW


def window(used: int = 0, before: int = 0, most: int = 10) -> Window:
    """Make a window of ten seconds that began at `NOW`."""
    return Window(Rate(10, most), NOW, used, before)


@pytest.mark.parametrize(
    ("row", "seconds", "left"),
    [
        pytest.param(window(), 0, 10, id="nothing used"),
        pytest.param(window(used=4), 9.9, 6, id="some used"),
        pytest.param(window(used=10), 5, 0, id="all used"),
        pytest.param(window(used=10), 10, 0, id="the next span has just begun"),
        pytest.param(window(used=10), 15, 5, id="half of the span before is out of reach"),
        pytest.param(window(used=10), 19.9, 9, id="nearly all of it"),
        pytest.param(window(used=10), 20, 10, id="all of it"),
        pytest.param(window(used=10), 3600, 10, id="an hour later"),
        pytest.param(window(used=3, before=10), 5, 2, id="both spans count"),
        pytest.param(window(used=4), -3, 6, id="a clock that is behind"),
        pytest.param(window(used=12), 0, 0, id="the rate was lowered"),
    ],
)
def test_what_is_left_of_a_window(row: Window, seconds: float, left: int) -> None:
    """Used in this span, and the part of the one before that is still in reach."""
    now = NOW + timedelta(seconds=seconds)
    assert row.at(now).left(now) == left


def test_the_narrowest_window_decides() -> None:
    """Ten a second, but only three of the hour are left."""
    hour = Window(Rate(3600, 100), NOW, used=97)
    assert least((window(), hour), 8, NOW) == 3
    assert least((), 8, NOW) == 8


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 30)), max_size=60))
def test_no_stretch_of_its_length_holds_twice_the_number(asks: list[tuple[int, int]]) -> None:
    """Whoever takes all that is left whenever she comes never gets far above the rate."""
    row, now, taken = window(), NOW, []
    for wait_ms, wanted in asks:
        now += timedelta(milliseconds=wait_ms)
        row = row.at(now)
        calls = least((row,), wanted, now)
        row = Window(row.rate, row.started, row.used + calls, row.before)
        taken += [now] * calls
    for place, first in enumerate(taken):
        span = [at for at in taken[place:] if at - first < timedelta(seconds=10)]
        assert len(span) < 2 * row.rate.most


@pytest.mark.parametrize(
    ("words", "rate"),
    [
        pytest.param("5/s", Rate(1, 5), id="a-second"),
        pytest.param(" 30/min ", Rate(60, 30), id="a-minute"),
        pytest.param("200/h", Rate(3600, 200), id="an-hour"),
    ],
)
def test_a_rate_is_read_as_a_person_says_it(words: str, rate: Rate) -> None:
    """And said again in the same words."""
    assert rate_of(words) == rate
    assert said(rate) == words.strip()


@pytest.mark.parametrize("words", ["", "5", "0/s", "-1/s", "5/day", "1.5/s", "5 / s", "1234567/s"])
def test_what_is_no_rate_is_refused(words: str) -> None:
    """The message says how one looks."""
    with pytest.raises(ValueError, match="such as 5/s"):
        rate_of(words)
