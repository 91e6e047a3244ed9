"""A moment as an operator types it: a date, a time, or how long ago. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,4})\s*([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """Read `3d`, `12h`, `30m`, `2026-11-20` or `2026-11-20T08:00+01:00`; no zone means UTC.

    Raises ValueError in words.
    """
    if found := _AGO.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("give a date, a time, or how long ago: 2026-11-20, 12h, 3d") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
