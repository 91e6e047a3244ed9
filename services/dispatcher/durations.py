"""Lengths of time as people write them in the playbook: `30 s`, `10 min`, `72 h`, `30 d`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator

_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def parse(raw: object) -> object:
    """Read a length of time; anything that is no text passes on. Raises ValueError with the fix."""
    if not isinstance(raw, str):
        return raw
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", raw.strip())
    if found is None:
        raise ValueError("write a number and s, min, h or d, for example '30 min'")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


Duration = Annotated[timedelta, BeforeValidator(parse)]
