"""What outsiders may tell: one CloudEvent of a caller becomes one event of ours, or a clear no.

In: decoded JSON and the receipt time. Out: `Told`, or `Refused` naming the field and the fix,
never a value. The connector's own events and its commands cannot be told from outside. Pure.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from services.ingest.mapper import values
from services.ingest.mapper.moments import parse, placed
from services.ingest.outside.data import REAL_FROM
from services.ingest.outside.types import BUILDERS, Circumstances, Refused
from services.ingest.told import Told
from shared.events import ids
from shared.events.envelope import Event
from shared.identifiers import Rules

#: One request is one publication; more belongs into several.
MAX_BATCH: Final = 500


def read(raw: object, received_at: datetime, rules: Rules) -> Told:
    """Read one CloudEvent (structured JSON, decoded); `rules` normalise. Raises `Refused`."""
    if not isinstance(raw, dict):
        raise Refused("send one CloudEvent as a JSON object, or a JSON array of them")
    if raw.get("specversion") != "1.0":
        raise Refused("specversion: must be '1.0'")
    caller_id = _attribute(raw, "id")
    caller = _attribute(raw, "source")
    type_ = _attribute(raw, "type")
    build = BUILDERS.get(type_)
    if build is None:
        raise Refused(f"type: must be one of {', '.join(BUILDERS)}")
    if str(raw.get("dataversion", "1")).split(".")[0] != "1":
        raise Refused("dataversion: this release reads major version 1")
    if "data" not in raw:
        raise Refused("data: missing")
    occurred_at = _time(raw.get("time"), received_at)
    try:
        data, known = build(raw["data"], Circumstances(occurred_at, received_at, rules))
    except ValidationError as error:
        raise Refused(_explained(error)) from None
    event_id = ids.name_id("outside", caller, caller_id, type_)
    return Told(Event(id=event_id, source=caller, time=occurred_at, data=data), known)


def read_all(raw: object, received_at: datetime, rules: Rules) -> Sequence[Told]:
    """Read one CloudEvent or an array of them, all or none. Raises `Refused`."""
    if not isinstance(raw, list):
        return [read(raw, received_at, rules)]
    if not 0 < len(raw) <= MAX_BATCH:
        raise Refused(f"send 1 to {MAX_BATCH} events at once")
    told: list[Told] = []
    for place, one in enumerate(raw):
        try:
            told.append(read(one, received_at, rules))
        except Refused as refused:
            raise Refused(f"event {place}: {refused}") from None
    return told


def _attribute(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 256 or "\x00" in value:
        raise Refused(f"{name}: required, a text of 1 to 256 characters (no NUL)")
    return value.strip()


def _time(raw: object, received_at: datetime) -> datetime:
    """Read when it happened; the receipt time if it is not said or lies too far ahead."""
    if raw is None:
        return received_at
    if not isinstance(raw, str):
        raise Refused("time: must be an RFC 3339 text")
    try:
        moment = parse(raw, UTC)
    except values.Unreadable as error:
        raise Refused(f"time: {error}") from None
    if moment < REAL_FROM:
        raise Refused("time: before 1970")
    return placed(moment, received_at)[0]


def _explained(error: ValidationError) -> str:
    """Say pydantic's problems as fields and fixes, without anything that was sent."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{_named(p['loc'])}: {_fix(p['type'])}" for p in problems[:5])


def _named(location: Sequence[int | str]) -> str:
    # A key of the caller's own making may be anything, an address too: only plain names are told.
    plain = [
        str(part) if re.fullmatch(r"[A-Za-z0-9_]{1,64}", str(part)) else "(key)"
        for part in location
    ]
    return ".".join(["data", *plain])


def _fix(kind: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field, remove it"
    return "missing" if kind == "missing" else kind.replace("_", " ")
