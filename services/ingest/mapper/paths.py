"""Where a field is in a payload: paths, read once at start into closures.

    form_response.token                          a key in a key
    data."question.with dots".value              keys with . , [ ] { } = or quotes: quoted
    answers[field.ref=nps_score].number          the list element whose key equals a value
    answers[ref,id=nps_score].number             … one of whose keys equals it; `ref` goes first
    answers[ref=nps].{number,text,choice.label}  the first of these that says something
    fields[key=f1].{value=options[id].text}      the value; ids of options become their texts
    rows[0].id                                   a place in a list (answers: never by place)
    root:sent_at                                 from the whole message, where the path would
                                                 start at one element of a batch
    header:X-Survey   query:survey               a request header; a field of the query string
    expr:answers[?id=='nps'].value | [0]         JMESPath, for the rest

In: the text of a path. Out: a function payload → value, or `MISSING`. Pure.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

from services.ingest.decode.payload import MISSING, Payload, Pick, says
from services.ingest.mapper.expressions import compile_expression
from services.ingest.mapper.path_text import (
    FirstOf,
    Key,
    Labels,
    Names,
    Place,
    Step,
    Where,
    quote,
    read_steps,
)

__all__ = ["MISSING", "Payload", "Pick", "compile_path", "names_of", "quote"]

_HEADER = re.compile(r"header:([A-Za-z0-9_-]+)")
#: Fields of a query string; those of a webhook's address are a handful.
_MAX_QUERY_FIELDS: Final = 100


def compile_path(text: str) -> Pick:
    """Read a path. Raises ValueError saying what is wrong and where."""
    if match := _HEADER.fullmatch(text):
        return _header(match[1].lower())
    if text.startswith("header:"):
        raise ValueError(f"path {text!r}, character 8: expected a header's name and nothing more")
    if text.startswith("expr:"):
        return compile_expression(text.removeprefix("expr:"))
    if text.startswith("query:") and text != "query:":
        return _query(text.removeprefix("query:"))
    if text.startswith("root:"):
        return _compiled(_root, read_steps(text.removeprefix("root:"), "root:"))
    return _compiled(_body, read_steps(text))


def names_of(text: str) -> Names:
    """Read a path that is keys alone. Raises ValueError."""
    steps = read_steps(text)
    names = tuple(step.name for step in steps if isinstance(step, Key))
    if len(names) != len(steps):
        raise ValueError(f"path {text!r}: expected keys alone")
    return names


def _header(name: str) -> Pick:
    def pick(payload: Payload) -> object:
        value = payload.headers.get(name)
        return MISSING if value is None else value

    return pick


def _query(name: str) -> Pick:
    def pick(payload: Payload) -> object:
        try:
            text = payload.query.decode()
            fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
        except ValueError:
            return MISSING
        return next((value for key, value in fields if key == name), MISSING)

    return pick


def _body(payload: Payload) -> object:
    return payload.body


def _root(payload: Payload) -> object:
    return payload.body if payload.root is MISSING else payload.root


def _compiled(start: Pick, steps: tuple[Step, ...]) -> Pick:
    """Make one closure of a path: each step around what finds where it starts."""
    pick = start
    names: list[str] = []
    for step in steps:
        if isinstance(step, Key):
            names.append(step.name)
            continue
        pick = _under(pick, tuple(names))
        names = []
        if isinstance(step, Place):
            pick = _at(pick, step.number)
        elif isinstance(step, Where):
            pick = _where(pick, step)
        else:
            pick = _first_of(pick, step)
    return _under(pick, tuple(names))


def _under(start: Pick, names: Names) -> Pick:
    if not names:
        return start
    return _keys_of_body(names) if start is _body else _keys_of(start, names)


def _keys_of(start: Pick, names: Names) -> Pick:
    def pick(payload: Payload) -> object:
        return _descend(start(payload), names)

    return pick


def _keys_of_body(names: Names) -> Pick:
    """Nearly every path is keys alone, half of them one: here a call less is worth its lines."""
    if len(names) == 1:
        (only,) = names

        def pick_one(payload: Payload) -> object:
            body = payload.body
            return body.get(only, MISSING) if type(body) is dict else MISSING

        return pick_one

    def pick(payload: Payload) -> object:
        value = payload.body
        for name in names:
            if type(value) is not dict:
                return MISSING
            value = value.get(name, MISSING)
        return value

    return pick


def _at(start: Pick, number: int) -> Pick:
    def pick(payload: Payload) -> object:
        value = start(payload)
        return value[number] if type(value) is list and number < len(value) else MISSING

    return pick


def _first_of(start: Pick, step: FirstOf) -> Pick:
    # Most alternatives are one key, and most of them are not there: that must cost next to nothing.
    options = tuple((names[0], names[1:], labels) for names, labels in step.options)

    def pick(payload: Payload) -> object:
        element = start(payload)
        if type(element) is not dict:
            return MISSING
        found: object = MISSING
        for name, rest, labels in options:
            value = element.get(name, MISSING)
            if value is MISSING:
                continue
            if rest:
                value = _descend(value, rest)
            if labels is not None:
                value = _labelled(value, element, labels)
            if value is None:
                found = None
            elif says(value):
                return value
        return found

    return pick


def _labelled(value: object, element: object, labels: Labels) -> object:
    """Put texts for ids of options, one or a list; what is the id of none stays."""
    options = _descend(element, labels.options)
    if type(options) is not list:
        return value
    index = _indexed(options, (labels.id,))

    def text_of(one: object) -> object:
        option = index.get(str(one)) if type(one) is str or type(one) is int else None
        text = _descend(option, labels.text)
        return one if text is MISSING else text

    return [text_of(one) for one in value] if type(value) is list else text_of(value)


def _where(start: Pick, step: Where) -> Pick:
    """Find an element by the index of its list, which the first path that asks for it makes."""
    index_name, value, keys = step.index, step.value, step.keys

    def pick(payload: Payload) -> object:
        index = payload.indexes.get(index_name)
        if index is None:
            index = payload.indexes[index_name] = _indexed(start(payload), keys)
        return index.get(value, MISSING)

    return pick


def _indexed(elements: object, keys: tuple[Names, ...]) -> dict[str, object]:
    """Index a list by keys, the first key before the next; of two equal elements the first."""
    index: dict[str, object] = {}
    if not isinstance(elements, list):
        return index
    for names in keys:
        for element in elements:
            value = _descend(element, names)
            if type(value) is str:
                index.setdefault(value, element)
            elif value is True or value is False:
                index.setdefault("true" if value else "false", element)
            elif type(value) is int:
                index.setdefault(str(value), element)
    return index


def _descend(value: object, names: Names) -> object:
    for name in names:
        if type(value) is not dict:
            return MISSING
        value = value.get(name, MISSING)
    return value
