"""When an answer asks us to come again: the header `Retry-After`. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

#: Who asks for more is not throttling but closed: coming again after a day, and being asked again,
#: costs nothing.
_LONGEST: Final = timedelta(hours=24)


def retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """Read `Retry-After` (seconds or a date); None when absent, past or unreadable; ≤ 24 h."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), _LONGEST.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(wait, _LONGEST) if wait > timedelta(0) else None
