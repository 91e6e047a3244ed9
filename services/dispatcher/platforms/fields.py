"""How one target writes attributes: its fields, value maps and ways to write a moment. Pure.

In: canonical names with values. Out: the platform's fields. Only what a target lists is written.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from services.dispatcher.platforms.preset import Formats
from shared.events.vocabulary import Value
from shared.settings import Strict
from shared.times import iso


class Written(Strict):
    """How one canonical attribute is written."""

    field: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$", description="the platform's name"
    )
    kind: Literal["plain", "moment", "text"] = Field("plain", description="how it is written")
    values: dict[str, str] = Field(
        default_factory=dict, description="our value → the platform's; others go as they are"
    )
    empty: str | int | float | None = Field(
        None, description="what clears the field, where a platform takes no null"
    )


def written(
    attributes: Mapping[str, Value], fields: Mapping[str, Written], formats: Formats
) -> dict[str, Any]:
    """Translate what the target lists, in the order it lists it; the rest stays with us."""
    made: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in attributes:
            continue
        value = _write(attributes[name], field, formats)
        if value is not None or formats.nulls == "keep":
            plain = formats.values == "keep" or value is None
            made[field.field] = value if plain else _text(value)
    return made


def listed(said: Mapping[str, Any], formats: Formats) -> list[dict[str, Any]]:
    """Say fields as a list of names and values, where a platform wants them so."""
    pair = formats.pair
    if pair is None:
        return []
    made: list[dict[str, Any]] = []
    for name, value in said.items():
        one: dict[str, Any] = {}
        for key, part in ((pair.name, name), (pair.label, name), (pair.value, value)):
            if key is not None:
                _put(one, key.split("."), part)
        made.append(one)
    return made


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    """Place a value at the end of a path, making the objects on the way."""
    for name in path[:-1]:
        into = into.setdefault(name, {})
    into[path[-1]] = value


def in_message(context: Mapping[str, Any], formats: Formats) -> dict[str, Any]:
    """Write a message's context the platform's way; what is unknown is left out."""
    said = {name: value for name, value in context.items() if value is not None}
    return said if formats.context == "keep" else {n: _text(v) for n, v in said.items()}


def moment(at: datetime, pattern: str) -> str:
    """Write a moment in UTC, as `iso` or by a strftime pattern."""
    return iso(at) if pattern == "iso" else at.astimezone(UTC).strftime(pattern)


def _write(value: Value, field: Written, formats: Formats) -> Any:
    if value is None:
        return field.empty
    if field.values:
        return field.values.get(_text(value), value)
    if field.kind == "moment" and isinstance(value, str):
        return _moment(value, formats.moment)
    return _text(value) if field.kind == "text" else value


def _moment(text: str, pattern: str) -> str:
    """Write an ISO text in the platform's pattern; one that is no moment goes as it is."""
    try:
        at = datetime.fromisoformat(text)
        return moment(at if at.tzinfo else at.replace(tzinfo=UTC), pattern)
    except (ValueError, OverflowError):  # year 1 east of Greenwich is before all time in UTC
        return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
