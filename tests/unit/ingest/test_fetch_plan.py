"""What is called next, and what an answer means: tables of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.fetch.plan import (
    Left,
    One,
    Together,
    Verdict,
    Waiting,
    judge,
    left,
    next_call,
    pause,
    try_again,
)
from services.ingest.fetch.settings import Bulk, Fetch, FetchRate

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOLD = NOON - timedelta(minutes=1)
BULK = Bulk.model_validate({"url": "https://a.example/{survey}", "items": "data"})


def settings(**changes: object) -> Fetch:
    """A tool of which 500 calls a day may be made."""
    return Fetch.model_validate(
        {"rate": {"per_minute": 100, "per_day": 500}, "bulk": BULK, **changes}
    )


def waiting(rows: int, survey: str = "S1", *, alone: int = 0, read: float | None = None) -> Waiting:
    """So many of a survey are due; it was read together so many seconds ago."""
    read_at = None if read is None else NOON - timedelta(seconds=read)
    return Waiting(survey, rows, alone, TOLD, read_at)


PLENTY = Left(4, scarce=False)
SCARCE = Left(4, scarce=True)
READ_S1 = Together("S1", TOLD - timedelta(minutes=10))


@pytest.mark.parametrize(
    ("due", "remaining", "bulk", "call"),
    [
        pytest.param([], PLENTY, BULK, None, id="nothing is due"),
        pytest.param([waiting(9)], Left(0, scarce=False), BULK, None, id="no calls are left"),
        pytest.param([waiting(9)], PLENTY, None, One(4, False), id="no way to read many"),
        pytest.param([waiting(2)], PLENTY, BULK, One(4, False), id="few: at once, one by one"),
        pytest.param([waiting(3)], PLENTY, BULK, READ_S1, id="three of one survey: together"),
        pytest.param(
            [waiting(2, "S1"), waiting(2, "S2")], PLENTY, BULK, One(4, False), id="of two surveys"
        ),
        pytest.param(
            [waiting(3, "S2", read=10), waiting(4, "S1")], PLENTY, BULK, READ_S1, id="the fullest"
        ),
        pytest.param(
            [waiting(9, read=899)], PLENTY, BULK, One(4, False), id="read just now, calls to spare"
        ),
        pytest.param([waiting(9, read=900)], PLENTY, BULK, READ_S1, id="read a while ago"),
        pytest.param([waiting(1)], SCARCE, BULK, READ_S1, id="scarce: also a single one together"),
        pytest.param([waiting(9, read=899)], SCARCE, BULK, None, id="scarce: it waits its turn"),
        pytest.param(
            [waiting(3, alone=3)], SCARCE, BULK, One(4, True), id="what no page brings, by itself"
        ),
        pytest.param([waiting(1)], SCARCE, None, One(4, False), id="scarce, and no other way"),
    ],
)
def test_the_next_call(
    due: list[Waiting], remaining: Left, bulk: Bulk | None, call: One | Together | None
) -> None:
    """Real time while there are calls to spare, all together when there are not."""
    assert next_call(due, settings(bulk=bulk), remaining, NOON) == call


@pytest.mark.parametrize(
    ("minute", "day", "at", "expected"),
    [
        pytest.param(0, 0, NOON, Left(4, False), id="all are left"),
        pytest.param(98, 98, NOON, Left(2, False), id="two of this minute"),
        pytest.param(100, 100, NOON, Left(0, False), id="none of this minute"),
        pytest.param(0, 499, NOON, Left(1, True), id="one of today"),
        pytest.param(0, 350, NOON, Left(4, False), id="as far ahead as may be"),
        pytest.param(0, 351, NOON, Left(4, True), id="too far ahead of the day"),
        pytest.param(0, 101, NOON.replace(hour=0), Left(4, True), id="a fifth by midnight"),
        pytest.param(0, 500, NOON.replace(hour=23, minute=59), Left(0, False), id="all in time"),
        pytest.param(0, 600, NOON, Left(0, True), id="more than allowed"),
    ],
)
def test_what_is_left(minute: int, day: int, at: datetime, expected: Left) -> None:
    """The day's calls are scarce once a fifth of them is spent ahead of the day's pace."""
    assert left(settings(), used_minute=minute, used_day=day, now=at, most=4) == expected


def test_without_a_daily_limit_nothing_is_scarce() -> None:
    """Only the minute counts."""
    plain = settings(rate=FetchRate(per_minute=5))
    assert left(plain, used_minute=3, used_day=10_000, now=NOON, most=4) == Left(2, False)


@pytest.mark.parametrize(
    ("status", "wait", "verdict"),
    [
        (200, False, "read"),
        (204, False, "read"),
        (404, False, "not_found"),
        (410, False, "not_found"),
        (301, False, "refused"),
        (401, False, "refused"),
        (403, False, "refused"),
        (407, False, "refused"),
        (429, False, "slow_down"),
        (503, True, "slow_down"),
        (503, False, "failed"),
        (500, False, "failed"),
        (408, False, "failed"),
        (425, False, "failed"),
        (101, False, "failed"),
        (400, False, "unacceptable"),
        (422, True, "unacceptable"),
    ],
)
def test_a_status_is_judged(status: int, wait: bool, verdict: Verdict) -> None:
    """By its number alone; what the platform says in words is not repeated."""
    assert judge(status, asked_to_wait=wait) == verdict


@pytest.mark.parametrize(
    ("verdict", "attempts", "since", "wait", "seconds"),
    [
        pytest.param("not_found", 0, 1, None, 5, id="not found: at once again"),
        pytest.param("not_found", 9, 1, None, 120, id="not found: every two minutes"),
        pytest.param("not_found", 3, 600, None, None, id="not found for ten minutes"),
        pytest.param("failed", 0, 600, None, 30, id="failed"),
        pytest.param("failed", 5, 600, None, 960, id="failed five times"),
        pytest.param("failed", 10_000, 600, None, 3600, id="failed for ever"),
        pytest.param("refused", 0, 259_199, None, 30, id="refused"),
        pytest.param("refused", 0, 259_200, None, None, id="refused for three days"),
        pytest.param("slow_down", 7, 1, 40, 60, id="asked to wait"),
        pytest.param("slow_down", 7, 1, None, 90, id="asked to wait, not how long"),
        pytest.param("unacceptable", 0, 1, None, None, id="never to be answered"),
    ],
)
def test_when_it_is_tried_again(
    verdict: Verdict, attempts: int, since: int, wait: int | None, seconds: float | None
) -> None:
    """Each failure doubles the wait up to a bound; patience ends, and never at the first try."""
    again = try_again(
        verdict,
        settings(),
        attempts=attempts,
        received_at=NOON - timedelta(seconds=since),
        now=NOON,
        wait=None if wait is None else timedelta(seconds=wait),
        chance=0.5,
    )
    assert again == (None if seconds is None else NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("verdict", "failures", "wait", "seconds"),
    [
        pytest.param("slow_down", 0, 100, 105, id="as long as asked, and a little"),
        pytest.param("slow_down", 9, None, 63, id="a minute if not told"),
        pytest.param("refused", 0, None, 60, id="refused: a minute"),
        pytest.param("refused", 3, None, 480, id="refused again and again"),
        pytest.param("refused", 99, None, 3600, id="refused: an hour at most"),
        pytest.param("failed", 0, None, 2, id="failed: a moment"),
        pytest.param("failed", 99, None, 300, id="failed: five minutes at most"),
        pytest.param("read", 5, None, None, id="all is well"),
        pytest.param("not_found", 5, None, None, id="of one response only"),
    ],
)
def test_how_long_a_source_pauses(
    verdict: Verdict, failures: int, wait: int | None, seconds: float | None
) -> None:
    """The account's limit and credentials hold for all of its responses."""
    asked = None if wait is None else timedelta(seconds=wait)
    until = pause(verdict, failures=failures, now=NOON, wait=asked, chance=0.5)
    assert until == (None if seconds is None else NOON + timedelta(seconds=seconds))


def test_chance_spreads_what_waits() -> None:
    """Replicas and rows that failed together do not all come back together."""
    spread = [
        try_again(
            "failed",
            settings(),
            attempts=0,
            received_at=TOLD,
            now=NOON,
            wait=None,
            chance=chance,
        )
        for chance in (0.0, 1.0)
    ]
    assert spread == [NOON + timedelta(seconds=22.5), NOON + timedelta(seconds=37.5)]
