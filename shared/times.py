"""Moments as text and back: UTC, microseconds, `Z`."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import orjson

#: `"2026-11-22T04:31:26.870669Z"`; a moment without a fraction is shorter.
_WITH_FRACTION: Final = 29


def iso(moment: datetime) -> str:
    """Write an aware moment as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    # A decision tells each of its few moments several times. Of an hour that comes twice Python
    # takes both for equal, so the second is not looked up.
    return _written(moment) if moment.fold else _remembered(moment)


def _written(moment: datetime) -> str:
    # `isoformat` takes three times as long, and every event has four moments.
    written = orjson.dumps(moment, option=orjson.OPT_UTC_Z)
    if not written.endswith(b'Z"'):
        moment = moment.astimezone(UTC)
        written = orjson.dumps(moment, option=orjson.OPT_UTC_Z)
    if len(written) == _WITH_FRACTION:
        return written[1:-1].decode()
    return f"{written[1:-2].decode()}.000000Z"


def in_utc(moment: datetime) -> datetime:
    """Give an aware moment in `UTC` itself, whichever object its zone is.

    What pydantic makes of `Z` is a zone of its own: to compare or subtract such a moment takes 20
    times as long. Raises `ValueError` for one that no calendar of UTC has.
    """
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment outside the calendar") from None


_remembered = lru_cache(maxsize=2048)(_written)


def utc_now() -> datetime:
    """Tell the time: the clock that `__main__` hands to every shell; pure code never calls it."""
    return datetime.now(UTC)
