"""A chain of rows, each sealed under a key to the one before it. Pure.

In: rows as they are stored, and the key. Out: the seal that a row must have, or the first row that
does not fit and why. Whoever can write to the database, but does not hold the key, can neither
change, insert, move nor leave out a row unseen; of rows cut off at the end only a head tells that
was kept elsewhere.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import orjson

#: What `detail` may hold: no floating-point number, for a database may write it otherwise.
Value: TypeAlias = str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | None
_PURPOSE: Final = b"nps audit record, 1"


@dataclass(frozen=True, slots=True)
class Head:
    """A place in a chain: the number of a row and its seal, in hexadecimal."""

    seq: int
    hash: str


#: Before the first row.
START: Final = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it is stored; `at` as `moment` writes it."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: object
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row that does not fit, and why."""

    seq: int
    why: str


def key_of(route_key: bytes) -> bytes:
    """Derive the key of seals: what is sealed here proves nothing elsewhere."""
    return hmac.digest(route_key, _PURPOSE, "sha256")


def moment(at: datetime) -> str:
    """Write a time as rows are sealed with it: in UTC, with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(
    chain: str,
    *,
    seq: int,
    at: str,
    actor: str,
    action: str,
    subject: str,
    detail: object,
) -> bytes:
    """Write a row in the one way in which it is sealed: JSON, names in order, no blanks.

    `chain` names whose row it is, so that a row of one service is none of another. Raises
    `TypeError` for what JSON cannot hold.
    """
    content = [chain, seq, at, actor, action, subject, detail]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def seal(key: bytes, before: str, row: bytes) -> str:
    """Seal a row (see `canonical`) to the seal `before` it."""
    return hmac.digest(key, before.encode() + row, "sha256").hex()


def fingerprint(key: bytes, name: str, secret: str) -> str:
    """Name a secret so that a change shows and nothing can be learnt of it without the key."""
    return hmac.digest(key, f"secret\0{name}\0{secret}".encode(), "sha256").hex()[:16]


def plain(detail: Mapping[str, Value]) -> str:
    """Write a detail as it is stored. Raises `TypeError` for what may not be in it."""
    _look(detail)
    return orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()


def _look(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a detail holds no floating-point number")
    if isinstance(value, str) and "\0" in value:
        raise TypeError("a detail holds no NUL: PostgreSQL cannot store it")
    if isinstance(value, Mapping):
        for name, part in value.items():
            _look(name)
            _look(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _look(part)


def check(key: bytes, chain: str, before: Head, rows: Iterable[Kept]) -> tuple[Head, Broken | None]:
    """Walk rows in their order; return the last that fits, and the first that does not."""
    for row in rows:
        if row.seq != before.seq + 1:
            return before, Broken(before.seq + 1, f"it is missing: row {row.seq} comes next")
        if row.prev_hash != before.hash:
            return before, Broken(row.seq, "it was sealed to another row than the one before it")
        try:
            written = canonical(
                chain,
                seq=row.seq,
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                detail=row.detail,
            )
        except (TypeError, ValueError):
            return before, Broken(row.seq, "it cannot be read as we write rows")
        if not hmac.compare_digest(seal(key, before.hash, written).encode(), row.hash.encode()):
            return before, Broken(
                row.seq, "it was changed, or sealed under another key (NPS_ROUTE_KEY)"
            )
        before = Head(row.seq, row.hash)
    return before, None
