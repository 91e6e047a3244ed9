"""What `Retry-After` asks for: seconds or a date, bounded."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shared.http.retry_after import retry_after

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("17", 17, id="seconds"),
        pytest.param("Sat, 21 Nov 2026 20:01:00 GMT", 60, id="date"),
        pytest.param("Sat, 21 Nov 2026 20:01:00 -0000", 60, id="date without zone"),
        pytest.param("Sat, 21 Nov 2026 19:59:00 GMT", None, id="past"),
        pytest.param("0", None, id="zero"),
        pytest.param("-5", None, id="negative"),
        pytest.param("soon", None, id="words"),
        pytest.param("", None, id="empty"),
        pytest.param("99999999999999999999", 86400, id="for ever is a day"),
        pytest.param("Fri, 21 Nov 2036 20:00:00 GMT", 86400, id="ten years are a day"),
        pytest.param("²", None, id="no digit of ours"),
        pytest.param("Sat, 21 Nov 2026 99999999999999999999:00:00 GMT", None, id="no hour at all"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 +2359", None, id="before all time"),
    ],
)
def test_retry_after_is_read(header: str, seconds: int | None) -> None:
    """Seconds or a date, bounded; nonsense is as if absent."""
    wait = retry_after(httpx.Response(429, headers=[(b"Retry-After", header.encode())]), NOW)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))
