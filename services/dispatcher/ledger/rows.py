"""Many rows as one JSON parameter for `jsonb_to_recordset`: one statement for any number."""

from collections.abc import Sequence
from uuid import UUID

import orjson


def as_json(rows: Sequence[object]) -> str:
    """Write dataclasses or dicts as a JSON array. Raises TypeError for what JSON cannot hold."""
    return orjson.dumps(rows, default=_driver_uuid).decode()


def _driver_uuid(value: object) -> str:
    """The database driver's UUIDs are of a class of their own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError
