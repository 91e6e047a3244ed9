"""How a template may ask for a value in another form: `{{email|md5}}`. Pure.

In: a value as our names hold it. Out: the form that a platform wants. None stays None, so that a
key without value is left out as ever.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from html import escape
from typing import Any, Final
from uuid import UUID

import orjson

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The alphabet of ULIDs (https://github.com/ulid/spec): no I, L, O, U.
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _cut(most: int) -> Callable[[object], str]:
    """Make texts no longer than a platform takes: a long alert cut short is better than none."""

    def cut(value: object) -> str:
        plain = _plain(value)
        return plain if len(plain) <= most else f"{plain[: most - 1]}…"

    return cut


def _lower(value: object) -> str:
    return _plain(value).lower()


def _md5(value: object) -> str:
    """Name a subscriber as Mailchimp does: the hash of the address in lower case."""
    return md5(_lower(value).encode(), usedforsecurity=False).hexdigest()


def _sha256(value: object) -> str:
    return sha256(_lower(value).encode()).hexdigest()


def _base64(value: object) -> str:
    return base64.b64encode(_plain(value).encode()).decode()


def _digits(value: object) -> str:
    return "".join(c for c in _plain(value) if c in "0123456789")


def _int(value: object) -> int:
    """Write a number given as text, such as a template's, as a number."""
    return int(_plain(value))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _sql(value: object) -> str:
    """Write a value for between single quotes of standard SQL."""
    return _plain(value).replace("'", "''")


def _html(value: object) -> str:
    """Write a text as HTML that shows it, line by line."""
    return escape(_plain(value)).replace("\n", "<br>")


def _most(bound: int) -> Callable[[object], int]:
    """Bound a number from above, where a platform refuses more."""
    return lambda value: min(_int(value), bound)


def _unix(value: object) -> int:
    """Count seconds since 1970, from the ISO text that every moment of ours is."""
    return (_at(value) - _EPOCH) // timedelta(seconds=1)


def _unix_ms(value: object) -> int:
    return (_at(value) - _EPOCH) // timedelta(milliseconds=1)


def _date(value: object) -> str:
    return _at(value).date().isoformat()


def _at(value: object) -> datetime:
    at = datetime.fromisoformat(_plain(value))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _ulid(value: object) -> str:
    """Write an identifier's 128 bits as the 26 letters of a ULID."""
    number = UUID(_plain(value)).int
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


FILTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "lower": _lower,
    "md5": _md5,
    "sha256": _sha256,
    "base64": _base64,
    "digits": _digits,
    "text": _plain,
    "int": _int,
    "json": _json,
    "sql": _sql,
    "unix": _unix,
    "unix_ms": _unix_ms,
    "date": _date,
    "ulid": _ulid,
    "html": _html,
    "most_14400": _most(14_400),
    "cut_80": _cut(80),
    "cut_150": _cut(150),
    "cut_840": _cut(840),
    "cut_2900": _cut(2900),
}


def filtered(value: Any, name: str | None) -> Any:
    """Give a value in the form asked for. Raises ValueError where it has none."""
    if name is None or value is None:
        return value
    return FILTERS[name](value)
