"""JSON, within limits: the body itself, or a text inside a field.

In: bytes or text. Out: maps, lists, texts, numbers; or `Undecodable`. Pure.
"""

import re
from typing import Final

import orjson

from services.ingest.decode.limits import MAX_CONTAINERS, MAX_DEPTH, Undecodable, deeper_than

#: Some senders put UTF-8's mark before their JSON; the standard lets a reader pass over it.
_MARK: Final = b"\xef\xbb\xbf"
#: One escape, from left to right: a whole pair, the half of one (by name), or any other.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
#: What a body with halves may hold of them all: going through so many takes tens of milliseconds.
_MOST_ESCAPES: Final = 16_384


def decode_json(body: bytes) -> object:
    """Read JSON: UTF-8 only, no NaN or Infinity, at most `MAX_DEPTH` levels. Raises `Undecodable`.

    A key given twice counts as its last; a number beyond 64 bits becomes a float, half a letter
    (a lone surrogate) the sign for what is none.
    """
    brackets = body.count(b"[") + body.count(b"{")
    if brackets > MAX_CONTAINERS:
        raise Undecodable(f"more than {MAX_CONTAINERS} lists and maps")
    value = _loaded(body[3:] if body.startswith(_MARK) else body)
    # Fewer brackets than levels cannot nest too deeply: it spares the walk for nearly everybody.
    if brackets > MAX_DEPTH and deeper_than(value, MAX_DEPTH):
        raise Undecodable(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _loaded(body: bytes) -> object:
    """Read JSON, also with halves of letters: a tool that cuts a text may cut amid an emoji."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in error.msg or body.count(b"\\") > _MOST_ESCAPES:
            raise Undecodable("not JSON in UTF-8") from None
    try:
        return orjson.loads(_ESCAPE.sub(_whole, body))
    except orjson.JSONDecodeError:
        raise Undecodable("not JSON in UTF-8") from None


def _whole(escape: re.Match[bytes]) -> bytes:
    """Put U+FFFD in place of a half."""
    return rb"\ufffd" if escape["half"] else escape[0]


def replaced(tree: object, names: tuple[str, ...]) -> object:
    """Put in place of the JSON text under these names what it holds; the tree stays as it is.

    What is absent, blank or no text is left alone. Raises `Undecodable` naming the field.
    """
    if not isinstance(tree, dict) or names[0] not in tree:
        return tree
    inner = tree[names[0]]
    if len(names) > 1:
        return {**tree, names[0]: replaced(inner, names[1:])}
    if not isinstance(inner, str) or not inner.strip():
        return tree
    try:
        return {**tree, names[0]: decode_json(inner.encode())}
    except (Undecodable, UnicodeError) as error:
        rule = error if isinstance(error, Undecodable) else "not UTF-8"
        raise Undecodable(f"field {names[0]} of JSON text: {rule}") from None
