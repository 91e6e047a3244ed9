"""JSON, within limits: the body itself, or a text inside a field.

In: bytes or text. Out: maps, lists, texts, numbers; or `Undecodable`. Pure.
"""

from typing import Final

import orjson

from services.ingest.limits import MAX_CONTAINERS, MAX_DEPTH, Undecodable, deeper_than

#: Some senders put UTF-8's mark before their JSON; the standard lets a reader pass over it.
_MARK: Final = b"\xef\xbb\xbf"


def decode_json(body: bytes) -> object:
    """Read JSON: UTF-8 only, no NaN or Infinity, at most `MAX_DEPTH` levels. Raises `Undecodable`.

    A key given twice counts as its last; a number beyond 64 bits becomes a float.
    """
    brackets = body.count(b"[") + body.count(b"{")
    if brackets > MAX_CONTAINERS:
        raise Undecodable(f"more than {MAX_CONTAINERS} lists and maps")
    try:
        value: object = orjson.loads(body[3:] if body.startswith(_MARK) else body)
    except orjson.JSONDecodeError:
        raise Undecodable("not JSON in UTF-8") from None
    # Fewer brackets than levels cannot nest too deeply: it spares the walk for nearly everybody.
    if brackets > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise Undecodable(f"nested deeper than {MAX_DEPTH} levels")
    return value
