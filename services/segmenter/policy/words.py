"""What may stand in the policy wherever a name, a number of days or a zone is asked for."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

#: Strict, because YAML's `true` would be taken for a 1.
Days = Annotated[int, Field(ge=0, le=3660, strict=True)]


def _plain(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise ValueError("use at most 64 of a-z, 0-9, - and _, and no - or _ in front")
    return name


Name = Annotated[str, AfterValidator(_plain)]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("unknown time zone: use an IANA name such as Europe/Paris") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


def _as_clock(raw: object) -> object:
    """Refuse what is no plain text: YAML reads an unquoted 10:00 as the number 600."""
    if isinstance(raw, time) or (isinstance(raw, str) and re.fullmatch(r"\d\d:\d\d", raw)):
        return raw
    raise ValueError('write hours and minutes in quotes, for example "08:00"')


ClockTime = Annotated[time, BeforeValidator(_as_clock, json_schema_input_type=str)]


def once(kind: str, names: Sequence[str]) -> None:
    """Raise ValueError for the first of these names that is given twice."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{kind} {twice} is given twice: rename or remove one")
