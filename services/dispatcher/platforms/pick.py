"""Picking a value out of JSON: `$.content[0].href`. Pure; whatever is missing is None."""

import re
from typing import Annotated, Any

import orjson
from pydantic import Field

#: A dotted path from the root; names of letters, digits, `_`, `-`, `@`, and list positions.
Path = Annotated[str, Field(pattern=r"^\$(\.[\w@-]+|\[\d+\])*$")]
_PART = re.compile(r"\.([\w@-]+)|\[(\d+)\]")


def parse(body: bytes) -> Any:
    """Read a body as JSON; None when it is none (an HTML error page, an empty answer)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def pick(value: Any, path: str) -> Any:
    """Return what is at `path` in a parsed body, or None."""
    for name, position in _PART.findall(path):
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        else:
            index = int(position)
            value = value[index] if isinstance(value, list) and index < len(value) else None
    return value
