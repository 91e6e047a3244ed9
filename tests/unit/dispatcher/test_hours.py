"""Quiet hours by the clock on the customer's wall."""

from datetime import UTC, datetime, time

import pytest

from services.dispatcher.hours.hours import quiet_until, zone_of


def utc(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "at", "until"),
    [
        pytest.param("Europe/Paris", utc(12, 12), None, id="noon"),
        pytest.param("Europe/Paris", utc(12, 18, 59), None, id="a-minute-before"),
        pytest.param("Europe/Paris", utc(12, 19), utc(13, 7), id="from-eight-in-the-evening"),
        pytest.param("Europe/Paris", utc(13, 2), utc(13, 7), id="after-midnight"),
        pytest.param("Europe/Paris", utc(13, 7), None, id="eight-in-the-morning-is-free"),
        pytest.param("America/New_York", utc(12, 2), utc(12, 12), id="far-from-here"),
        pytest.param("Europe/Paris", utc(28, 20), utc(29, 6), id="the-night-that-loses-an-hour"),
        pytest.param(
            "Europe/Paris", utc(24, 20, 0, 10), utc(25, 7, 0, 10), id="the-night-that-gains-one"
        ),
        pytest.param("Nowhere/Atlantis", utc(12, 21), utc(13, 8), id="an-unknown-zone-is-utc"),
    ],
)
def test_quiet_hours_over_midnight(zone: str, at: datetime, until: datetime | None) -> None:
    """From 20:00 to 08:00 local time, also over a change of clocks."""
    assert quiet_until(at, zone_of(zone), time(20), time(8)) == until


@pytest.mark.parametrize(
    ("at", "until"),
    [
        pytest.param(utc(12, 11), None, id="before"),
        pytest.param(utc(12, 12, 30), utc(12, 14), id="within"),
        pytest.param(utc(12, 14), None, id="after"),
    ],
)
def test_quiet_hours_within_a_day(at: datetime, until: datetime | None) -> None:
    """From 12:00 to 14:00 of the same day."""
    assert quiet_until(at, UTC, time(12), time(14)) == until


@pytest.mark.parametrize(
    ("at", "until"),
    [
        pytest.param(utc(24, 23, 30, 10), utc(25, 0, 30, 10), id="before-the-first-stroke"),
        pytest.param(utc(25, 0, 45, 10), None, id="after-the-first-stroke"),
        pytest.param(utc(25, 1, 15, 10), utc(25, 1, 30, 10), id="before-the-second-stroke"),
        pytest.param(utc(25, 1, 45, 10), None, id="after-the-second-stroke"),
        pytest.param(utc(29, 0, 30), utc(29, 1, 30), id="an-end-that-the-clock-leaps-over"),
        pytest.param(utc(29, 1, 10), None, id="after-the-leap"),
    ],
)
def test_quiet_hours_that_end_while_the_clocks_change(at: datetime, until: datetime | None) -> None:
    """In Paris, 02:30 comes twice in autumn and never in spring: the end is always ahead."""
    assert quiet_until(at, zone_of("Europe/Paris"), time(22), time(2, 30)) == until
