"""What stands after a local time: an offset, or an abbreviation of a zone.

In: the word, and what the source says abbreviations mean. Out: a zone, or `Unreadable`. Pure.

The table holds what means one offset wherever it is written. `CST` (Chicago, Shanghai, Havana),
`IST` (India, Ireland, Israel), `BST`, `AST`, `PST`, `MST` and the like mean several: a source
whose tool writes one says which in `zones`.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from types import MappingProxyType
from typing import Final

from services.ingest.decode.payload import Unreadable

NO_ZONES: Final[Mapping[str, tzinfo]] = MappingProxyType({})

#: Abbreviation → hours east of UTC (time zone database, release 2025).
_HOURS: Final[Mapping[str, float]] = MappingProxyType(
    {
        **dict.fromkeys(("Z", "UTC", "GMT", "UT", "WET"), 0),
        **dict.fromkeys(("CET", "WEST", "WAT"), 1),
        **dict.fromkeys(("CEST", "EET", "CAT", "SAST"), 2),
        **dict.fromkeys(("EEST", "MSK", "EAT"), 3),
        **dict.fromkeys(("PKT",), 5),
        **dict.fromkeys(("WIB",), 7),
        **dict.fromkeys(("HKT", "AWST", "WITA"), 8),
        **dict.fromkeys(("JST", "KST", "WIT"), 9),
        **dict.fromkeys(("ACST",), 9.5),
        **dict.fromkeys(("AEST",), 10),
        **dict.fromkeys(("ACDT",), 10.5),
        **dict.fromkeys(("AEDT",), 11),
        **dict.fromkeys(("NZST",), 12),
        **dict.fromkeys(("NZDT",), 13),
        **dict.fromkeys(("NDT",), -2.5),
        **dict.fromkeys(("NST",), -3.5),
        **dict.fromkeys(("EDT",), -4),
        **dict.fromkeys(("EST",), -5),
        **dict.fromkeys(("MDT",), -6),
        **dict.fromkeys(("PDT",), -7),
        **dict.fromkeys(("AKDT",), -8),
        **dict.fromkeys(("AKST", "HDT"), -9),
        **dict.fromkeys(("HST",), -10),
    }
)
_KNOWN: Final[Mapping[str, tzinfo]] = MappingProxyType(
    {word: timezone(timedelta(hours=hours)) for word, hours in _HOURS.items()}
)


def zone_of(text: str, zones: Mapping[str, tzinfo]) -> tzinfo:
    """Read `Z`, `+01:00`, `-0530`, `CET`, `GMT+0100`. Raises `Unreadable`."""
    if text == "Z":
        return UTC
    if text[0] in "+-":
        return _offset(text)
    word = text.upper()
    if word[:3] in ("GMT", "UTC") and word[3:4] in ("+", "-"):
        return _offset(word[3:])
    zone = zones.get(word) or _KNOWN.get(word)
    if zone is None:
        raise Unreadable("a time zone that is unknown or means several: say which in `zones`")
    return zone


def _offset(text: str) -> tzinfo:
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 18 or minutes > 59:  # the widest offset ever in use is under 16 hours
        raise Unreadable("not a time that exists: its offset is beyond 18 hours")
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if text[0] == "-" else size) if size else UTC
