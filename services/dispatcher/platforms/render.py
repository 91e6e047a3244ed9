"""Rendering a request template: `{{name}}` becomes a value, once; no value is read as a template.

`{{name|filter}}` gives it in another form (`filters`). A whole-value template keeps the type;
None leaves the key out; a key may be named by a template too. In a text, a value becomes text; in a
URL it is percent-encoded, in XML escaped; in a header it must be plain visible ASCII. So a
customer's own words (quotes, `{{…}}`, `</ctx>`, line ends) stay words. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import orjson

from services.dispatcher.platforms.filters import FILTERS, filtered

_NAME = re.compile(r"\{\{\s*([a-z][a-z0-9_.]*)(?:\s*\|\s*([a-z0-9_]+))?\s*\}\}")
#: What XML 1.0 cannot hold at all, escaped or not (https://www.w3.org/TR/xml/#charsets).
_NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
#: Our fields have no other letters; a colon would be a namespace nobody declared.
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: Line ends and tabs, too, of which a reader makes other ones (XML 1.0, sections 2.11 and 3.3.3).
_QUOTES = {'"': "&quot;", "'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
#: An object's key whose value is a mapping to be poured into that object; alone in an item of a
#: list, its value is a list to be poured into that one.
SPREAD = "..."

Names = Mapping[str, Any]


class Unrenderable(Exception):
    """A value cannot stand where the template puts it. The text names the place, not the value."""


def names(template: object) -> frozenset[str]:
    """Collect the names a template asks for, at any depth. Raises ValueError: no such filter."""
    if isinstance(template, str):
        asked = _NAME.findall(template)
        if odd := {form for _, form in asked if form and form not in FILTERS}:
            raise ValueError(f"unknown filter {sorted(odd)}: one of {sorted(FILTERS)}")
        return frozenset(name for name, _ in asked)
    parts: Iterable[object] = ()
    if isinstance(template, Mapping):
        parts = (*template, *template.values())
    elif isinstance(template, list | tuple):
        parts = template
    return frozenset().union(*(names(part) for part in parts))


def value(template: Any, known: Names) -> Any:
    """Render a JSON template. Keys that the template names itself win over what is poured in."""
    if isinstance(template, str):
        whole = _NAME.fullmatch(template)
        return _said(whole, known) if whole else text(template, known)
    if isinstance(template, Mapping):
        made: dict[str, Any] = {}
        for key, part in template.items():
            rendered = value(part, known)
            if key == SPREAD:
                made.update((k, v) for k, v in (rendered or {}).items() if k not in template)
            elif rendered is not None:
                made[text(key, known)] = rendered
        return made
    if isinstance(template, list | tuple):
        made_list: list[Any] = []
        for part in template:
            if isinstance(part, Mapping) and set(part) == {SPREAD}:
                poured = value(part[SPREAD], known)
                made_list.extend(poured if isinstance(poured, list) else [poured or {}])
            else:
                made_list.append(value(part, known))
        return made_list
    return template


def text(template: str, known: Names) -> str:
    """Render a text; None becomes nothing."""
    return _NAME.sub(lambda found: _plain(_said(found, known)), template)


def xml(template: str, known: Names) -> bytes:
    """Render an XML text; a value is escaped, for elements and attributes alike.

    Values by name become elements. Characters that XML cannot hold are left out.
    """

    def written(found: re.Match[str]) -> str:
        said = _said(found, known)
        if not isinstance(said, Mapping):
            return _escaped(said)
        if not all(_ELEMENT.fullmatch(name) for name in said):
            raise Unrenderable(f"a name of {found.group(1)} is no name of an XML element")
        return "".join(f"<{name}>{_escaped(part)}</{name}>" for name, part in said.items())

    return _NAME.sub(written, template).encode()


def _escaped(value: object) -> str:
    return escape(_NO_XML.sub("", _plain(value)), _QUOTES)


def body(template: Any, known: Names) -> bytes:
    """Render a JSON body to bytes. Raises `Unrenderable` for what JSON cannot hold."""
    try:
        return orjson.dumps(value(template, known))
    except TypeError:
        raise Unrenderable("a value of the body cannot be written as JSON") from None


def header(name: str, template: str, known: Names) -> str | None:
    """Render one header; None (leave it out) when it is nothing but a name without value."""
    whole = _NAME.fullmatch(template)
    if whole and _said(whole, known) is None:
        return None
    made = text(template, known)
    if not all(" " <= c <= "~" for c in made):
        raise Unrenderable(f"header {name}: the value is not plain ASCII text")
    return made


def path(template: str, known: Names) -> str:
    """Render a URL path; a value stays inside its segment."""

    def segment(found: re.Match[str]) -> str:
        plain = _plain(_said(found, known))
        if plain in ("", ".", ".."):
            raise Unrenderable("a value of the URL path is empty or dots")
        return _quoted(plain)

    return _NAME.sub(segment, template)


def query(templates: Mapping[str, str], known: Names) -> str:
    """Render a query; every value percent-encoded (`+` too: it is part of many addresses)."""
    return "&".join(f"{_quoted(k)}={_quoted(text(t, known))}" for k, t in templates.items())


def form(templates: Mapping[str, str], known: Names) -> bytes:
    """Render an `application/x-www-form-urlencoded` body."""
    return query(templates, known).encode()


def _said(found: re.Match[str], known: Names) -> Any:
    try:
        return filtered(known[found.group(1)], found.group(2))
    except (ValueError, TypeError):
        raise Unrenderable(f"{found.group(1)} cannot be written as {found.group(2)}") from None


def _quoted(plain: str) -> str:
    try:
        return quote(plain, safe="")
    except UnicodeEncodeError:
        raise Unrenderable("a value of the URL is no valid text") from None


def _plain(given: object) -> str:
    if given is None:
        return ""
    if isinstance(given, bool):
        return "true" if given else "false"
    return str(given)
