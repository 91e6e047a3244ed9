"""When it was answered: every way to write a time, and every way to be wrong."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.mapper.moments import AHEAD, DateOrder, parse, placed
from services.ingest.mapper.values import Unreadable

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-02T09:14:57Z", "2026-03-02T09:14:57", id="zulu"),
        pytest.param("2026-03-02t09:14:57z".upper(), "2026-03-02T09:14:57", id="capitals"),
        pytest.param("2026-03-02T09:14:57.1Z", "2026-03-02T09:14:57.1", id="1 digit"),
        pytest.param("2026-03-02T09:14:57.123Z", "2026-03-02T09:14:57.123", id="3 digits"),
        pytest.param("2026-03-02T09:14:57.123456Z", "2026-03-02T09:14:57.123456", id="6 digits"),
        pytest.param("2026-03-02T09:14:57.123456789Z", "2026-03-02T09:14:57.123456", id="9 digits"),
        pytest.param("2026-03-02T09:14:57,5Z", "2026-03-02T09:14:57.5", id="comma"),
        pytest.param("2026-03-02T09:14Z", "2026-03-02T09:14:00", id="no seconds"),
        pytest.param("2026-03-02T10:14:57+01:00", "2026-03-02T09:14:57", id="offset"),
        pytest.param("2026-03-02T10:14:57+0100", "2026-03-02T09:14:57", id="offset, no colon"),
        pytest.param("2026-03-02T10:14:57+01", "2026-03-02T09:14:57", id="offset, hours"),
        pytest.param("2026-03-02 03:44:57 -05:30", "2026-03-02T09:14:57", id="spaces, west"),
        pytest.param("2026-03-02 10:14 CET", "2026-03-02T09:14:00", id="abbreviation"),
        pytest.param("2026-03-02T02:14:57 PDT", "2026-03-02T09:14:57", id="abbreviation, west"),
        pytest.param("2026-03-02T18:44:57acst", "2026-03-02T09:14:57", id="abbreviation, half"),
        pytest.param("2026-03-02 09:14:57 UTC", "2026-03-02T09:14:57", id="UTC"),
        pytest.param("2026-03-02 10:14:57 GMT+0100", "2026-03-02T09:14:57", id="GMT and offset"),
        pytest.param("2026-03-02 03:44:57 UTC-05:30", "2026-03-02T09:14:57", id="UTC, west"),
        pytest.param("Mon, 02 Mar 2026 09:14:57 GMT", "2026-03-02T09:14:57", id="mail"),
        pytest.param("2 mar 2026 10:14 +0100", "2026-03-02T09:14:00", id="mail, short"),
        pytest.param("02 Jul 2026 11:14:57", "2026-07-02T09:14:57", id="mail, zone-less"),
        pytest.param("Mon, 02 Mar 2026", "2026-03-01T23:00:00", id="mail, date alone"),
        pytest.param("Mar 2, 2026 10:14 AM", "2026-03-02T09:14:00", id="month first, by its name"),
        pytest.param(
            "Monday, March 2, 2026 at 9:14:57 pm UTC", "2026-03-02T21:14:57", id="in words"
        ),
        pytest.param("2 March 2026, 10:14", "2026-03-02T09:14:00", id="day first, by its name"),
        pytest.param("Sept. 2, 2026", "2026-09-01T22:00:00", id="a month of four letters"),
        pytest.param("2026-03-02T10:14:57", "2026-03-02T09:14:57", id="zone-less, winter"),
        pytest.param("2026-07-02 11:14:57", "2026-07-02T09:14:57", id="zone-less, summer"),
        pytest.param("2026-10-25T02:30:00", "2026-10-25T00:30:00", id="twice: the first"),
        pytest.param("2026-03-02", "2026-03-01T23:00:00", id="date alone: local midnight"),
        pytest.param(" 2026-03-02T09:14:57Z ", "2026-03-02T09:14:57", id="spaces around"),
        pytest.param(1772442897, "2026-03-02T09:14:57", id="seconds"),
        pytest.param(1772442897.25, "2026-03-02T09:14:57.25", id="seconds with a fraction"),
        pytest.param(1772442897123, "2026-03-02T09:14:57.123", id="milliseconds"),
        pytest.param("1772442897", "2026-03-02T09:14:57", id="seconds as text"),
        pytest.param("1772442897123", "2026-03-02T09:14:57.123", id="milliseconds as text"),
    ],
)
def test_a_time_is_read_in_every_form(text: object, expected: str) -> None:
    """ISO with any fraction and offset, local with the source's zone, unix seconds and ms."""
    assert parse(text, PARIS) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [True, False, None, [], {}, "", "hello", "2026-13-01T00:00:00Z", "2026-02-30", "02/03/2026",
     "2026-03-02T25:00:00Z", "2026-03-02T09:14:57+99:00", "2026-03-02T09:14:57.1234567890Z",
     "2026-03-02T09:14:57 PST", "2026-03-02T09:14:57 XYZ", "2026-03-02T09:14:57 UTCX",
     "2026-03-02T09:14:57 GMT+9900", "Mon, 02 Foo 2026 09:14:57 GMT", "31 Feb 2026 09:14 GMT",
     "Feb 31, 2026", "Mon, 02 Mar 26", "2026-03-02T09:14:57+01:99", "1772442897Z", -1e300,
     float("nan"), "0000-01-01T00:00:00Z",
     "0001-01-01T00:00:00+14:00", 1e300, "9" * 17, "٢٠٢٦-03-02"],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_rule(value: object) -> None:
    """A wrong time is Unreadable, with a text that holds nothing of it."""
    with pytest.raises(Unreadable, match=r"time"):
        parse(value, PARIS)


@settings(max_examples=60)
@given(
    moment=st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_writing_and_reading_a_moment_agree(moment: datetime, minutes: int) -> None:
    """Any moment, written with any offset, is read as itself."""
    aware = moment.replace(tzinfo=UTC)
    written = aware.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse(written.isoformat(), PARIS) == aware
    whole = int(aware.timestamp() // 1)
    assert parse(whole, PARIS) == parse(str(whole), PARIS) == aware.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "dates", "expected"),
    [
        pytest.param("02/03/2026 10:14:57", "day_first", "2026-03-02T09:14:57", id="day first"),
        pytest.param("3/2/2026 10:14:57", "month_first", "2026-03-02T09:14:57", id="month first"),
        pytest.param("02.03.2026, 10:14", "day_first", "2026-03-02T09:14:00", id="dots and comma"),
        pytest.param("2-3-2026", "day_first", "2026-03-01T23:00:00", id="date alone"),
        pytest.param("3/2/2026 9:14 pm UTC", "month_first", "2026-03-02T21:14:00", id="evening"),
        pytest.param("3/2/2026 12:14 AM Z", "month_first", "2026-03-02T00:14:00", id="midnight"),
        pytest.param("3/2/2026 12:14PM Z", "month_first", "2026-03-02T12:14:00", id="noon"),
        pytest.param("2026-03-02T09:14:57Z", "day_first", "2026-03-02T09:14:57", id="ISO as ever"),
    ],
)
def test_a_source_says_whether_day_or_month_comes_first(
    text: str, dates: DateOrder, expected: str
) -> None:
    """Only then are dates in figures read."""
    assert parse(text, PARIS, dates=dates) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["31/12/2026", "1/1/26", "1/1.2026", "1/1/2026 13:00 PM", "1/1/2026 0:00 am", "0/1/2026"],
)
def test_a_date_in_figures_that_does_not_exist_is_refused(text: str) -> None:
    """The wrong order shows where a day is no month; a clock of twelve hours has no 0 and no 13."""
    with pytest.raises(Unreadable, match="not a time"):
        parse(text, PARIS, dates="month_first")


def test_a_source_says_what_an_abbreviation_means() -> None:
    """Several zones share CST and IST; the source's word goes before the table."""
    zones = {"CST": ZoneInfo("America/Chicago"), "CET": ZoneInfo("Africa/Tunis")}
    winter = datetime(2026, 3, 2, 15, 14, tzinfo=UTC)
    assert parse("2026-03-02 09:14 CST", PARIS, zones) == winter
    assert parse("2026-07-02 10:14 cst", PARIS, zones) == winter.replace(month=7)
    assert parse("2026-07-02 16:14 CET", PARIS, zones) == winter.replace(month=7)
    with pytest.raises(Unreadable, match=r"which in `zones`$"):
        parse("2026-03-02 09:14 CST", PARIS)


@pytest.mark.parametrize(
    ("word", "zone"),
    [
        ("CET", "Europe/Paris"), ("EET", "Europe/Athens"), ("WET", "Europe/Lisbon"),
        ("MSK", "Europe/Moscow"), ("EST", "America/New_York"), ("AKST", "America/Anchorage"),
        ("HST", "Pacific/Honolulu"), ("JST", "Asia/Tokyo"), ("PKT", "Asia/Karachi"),
        ("SAST", "Africa/Johannesburg"), ("NST", "America/St_Johns"), ("WIB", "Asia/Jakarta"),
    ],
)  # fmt: skip
def test_a_known_abbreviation_is_what_the_time_zone_database_says(word: str, zone: str) -> None:
    """On a winter day of the north, in the zone that is known by it."""
    local = "2026-01-15T12:00:00"
    there = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    assert there.tzname() == word
    assert parse(f"{local} {word}", PARIS) == there


@pytest.mark.parametrize(
    ("word", "zone"),
    [
        ("CEST", "Europe/Paris"), ("EEST", "Europe/Athens"), ("WEST", "Europe/Lisbon"),
        ("EDT", "America/New_York"), ("MDT", "America/Denver"), ("PDT", "America/Los_Angeles"),
        ("AKDT", "America/Anchorage"), ("HDT", "America/Adak"), ("NDT", "America/St_Johns"),
    ],
)  # fmt: skip
def test_a_known_summer_abbreviation_is_too(word: str, zone: str) -> None:
    """On a summer day of the north."""
    local = "2026-07-15T12:00:00"
    there = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    assert there.tzname() == word
    assert parse(f"{local} {word}", PARIS) == there


@settings(max_examples=60)
@given(
    value=st.one_of(
        st.text(max_size=40),
        st.text("0123456789-:.,TZ +", max_size=30),
        st.from_regex(
            r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9]{2}:[0-9]{2}(\.[0-9]{0,9})? ?"
            r"([A-Z]{0,5}|[+-][0-9]{2}:?[0-9]{2})\Z"
        ),
        st.from_regex(r"\A[0-9]{1,2} (Jan|Dec|Xxx) [0-9]{4} [0-9]{2}:[0-9]{2} [A-Z]{1,4}\Z"),
        st.from_regex(r"\A[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}( [AP]M)?\Z"),
        st.integers(),
        st.floats(),
    ),
    dates=st.sampled_from([None, "day_first", "month_first"]),
)
def test_nothing_else_is_ever_raised(value: object, dates: DateOrder | None) -> None:
    """A payload's time is read or Unreadable."""
    with suppress(Unreadable):
        assert parse(value, PARIS, dates=dates).tzinfo is UTC


def test_a_moment_too_far_ahead_becomes_the_receipt() -> None:
    """Ten minutes of clock error are borne; more is marked and replaced."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert placed(now + AHEAD, now) == (now + AHEAD, "platform")
    assert placed(now + AHEAD + timedelta(seconds=1), now) == (now, "future")
