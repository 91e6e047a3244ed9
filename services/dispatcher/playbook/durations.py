"""Times as people write them: lengths (`30 s`, `10 min`, `72 h`, `30 d`), clocks (`"20:00"`)."""

import re
from datetime import time, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator

_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


#: Ten years: what is meant for ever is left out, and more would leave the calendar.
_LONGEST: Final = timedelta(days=3660)


def parse(raw: object) -> object:
    """Read a length of time. Raises ValueError with the fix, also for a number without its unit."""
    if isinstance(raw, timedelta):
        return raw
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*(s|min|h|d)", str(raw).strip())
    if found is None:
        raise ValueError("write a number and s, min, h or d, for example '30 min'")
    length = timedelta(**{_UNITS[found[2]]: float(found[1])})
    if length > _LONGEST:
        raise ValueError(f"must be {_LONGEST.days} d at most")
    return length


Duration = Annotated[timedelta, BeforeValidator(parse, json_schema_input_type=str)]


def _as_clock(raw: object) -> object:
    """Refuse what is no plain text: YAML reads an unquoted 20:00 as the number 1200."""
    if not isinstance(raw, str) or not re.fullmatch(r"\d\d:\d\d", raw):
        raise ValueError('write hours and minutes in quotes, for example "20:00"')
    return raw


ClockTime = Annotated[time, BeforeValidator(_as_clock, json_schema_input_type=str)]
