"""A URL-encoded form: names and texts to a tree, flat and bracketed names alike.

    score=9&comment=Merci                  {"score": "9", "comment": "Merci"}
    why=price&why=delay                    {"why": ["price", "delay"]}
    person[name][first]=Camille            {"person": {"name": {"first": "Camille"}}}
    why[]=price&why[]=delay                {"why": ["price", "delay"]}
    a[0][id]=x&a[0][v]=9&a[1][id]=y        {"a": [{"id": "x", "v": "9"}, {"id": "y"}]}
    a[][id]=x&a[][v]=9&a[][id]=y           the same: an element ends where a name comes again

In: the body. Out: a map, or `Undecodable`. Pure.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from services.ingest.decode.limits import Undecodable

#: Fields of one form: several times what the longest questionnaires have.
MAX_FIELDS: Final = 2_000
#: Bytes of one form. Undoing the percent signs costs the most of all that is decoded here, and
#: this holds it under some 30 ms; a comment of 20 000 letters of any alphabet stays below.
MAX_BYTES: Final = 262_144
#: Characters of one name; some tools send the text of the question.
MAX_NAME: Final = 1_000
#: Brackets of one name.
MAX_BRACKETS: Final = 8

_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_IN_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
#: Stands for `[]`: one more element of a list.
_NEXT: Final = ""


def decode_form(body: bytes) -> dict[str, object]:
    """Read a form. Raises `Undecodable`."""
    if len(body) > MAX_BYTES:
        raise Undecodable(f"a form of more than {MAX_BYTES} bytes")
    if body.count(b"&") >= MAX_FIELDS:
        raise Undecodable(f"a form of more than {MAX_FIELDS} fields")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Undecodable("not a form in UTF-8") from None
    if not fields:
        raise Undecodable("a form without a field")
    return nested(fields)


def nested(fields: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Make the tree of a form's fields, in the order sent. Raises `Undecodable`.

    Brackets that do not pair are part of the name. Groups numbered from 0 on are a list.
    """
    tree: dict[str, object] = {}
    for name, value in fields:
        _put(tree, _keys(name), value)
    return {name: _lists(value) for name, value in tree.items()}


def _keys(name: str) -> tuple[str, ...]:
    if len(name) > MAX_NAME:
        raise Undecodable(f"a form with a name of more than {MAX_NAME} characters")
    match = _BRACKETED.fullmatch(name) if name.endswith("]") else None
    if match is None or "[][]" in name:
        return (name,)
    inner = _IN_BRACKETS.findall(match[2])
    if len(inner) > MAX_BRACKETS:
        raise Undecodable(f"a form with more than {MAX_BRACKETS} brackets in a name")
    return (match[1], *inner)


def _put(group: dict[str, object], keys: tuple[str, ...], value: object) -> None:
    key, rest = keys[0], keys[1:]
    if not rest:
        _say(group, key, value)
    elif rest[0] != _NEXT:
        inner = _inside(group, key, {})
        if not isinstance(inner, dict):
            raise _both()
        _put(inner, rest, value)
    else:
        elements = _inside(group, key, [])
        if not isinstance(elements, list):
            raise _both()
        _append(elements, rest[1:], value)


def _say(group: dict[str, object], key: str, value: object) -> None:
    there = group.get(key)
    if there is None:
        group[key] = value
    elif isinstance(there, list):
        there.append(value)
    elif isinstance(there, str):
        group[key] = [there, value]
    elif value != "":
        raise _both()


def _inside(group: dict[str, object], key: str, fresh: object) -> object:
    # A form page sends an empty text first, so that a question with no box ticked is sent at all.
    if group.get(key) in (None, ""):
        group[key] = fresh
    return group[key]


def _append(elements: list[object], keys: tuple[str, ...], value: object) -> None:
    if not keys:
        elements.append(value)
        return
    last = elements[-1] if elements else None
    if not isinstance(last, dict) or _says(last, keys):
        last = {}
        elements.append(last)
    _put(last, keys, value)


def _says(group: object, keys: tuple[str, ...]) -> bool:
    """Tell whether an element has a value under this name already."""
    for key in keys:
        if key == _NEXT or not isinstance(group, dict) or key not in group:
            return False
        group = group[key]
    return True


def _lists(value: object) -> object:
    if isinstance(value, list):
        return [_lists(one) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(one) for key, one in value.items()}
    numbers = [str(number) for number in range(len(inner))]
    if inner and inner.keys() == set(numbers):
        return [inner[number] for number in numbers]
    return inner


def _both() -> Undecodable:
    return Undecodable("a form in which one name is both a text and a group")
