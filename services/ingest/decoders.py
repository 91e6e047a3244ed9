"""From raw bytes to plain values, within limits.

In: the body, after its signature held. Out: maps, lists, texts, numbers, or `Undecodable`. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

#: Real payloads nest under ten levels; what nests deeper is built to cost.
MAX_DEPTH: Final = 64


class Undecodable(Exception):
    """The body is not what the decoder reads. The text names the rule, never the content."""


def decode_json(body: bytes) -> object:
    """Read JSON: UTF-8 only, no NaN or Infinity, at most `MAX_DEPTH` levels. Raises `Undecodable`.

    A key given twice counts as its last; a number beyond 64 bits becomes a float.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Undecodable("not JSON in UTF-8") from None
    # Fewer brackets than levels cannot nest too deeply: it spares the walk for nearly everybody.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Undecodable(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _deeper_than(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


#: The decoders a source may name; each raises `Undecodable` and nothing else.
DECODERS: Final[Mapping[str, Callable[[bytes], object]]] = {"json": decode_json}
