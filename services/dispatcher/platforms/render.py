"""Rendering a request template: `{{name}}` becomes a value, once; no value is read as a template.

A whole-value template keeps its value's type; None leaves the key out. In a text, a value becomes
text; in a URL it is percent-encoded; in a header it must be plain visible ASCII. So a customer's
own words (quotes, `{{…}}`, line ends) stay words. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

_NAME = re.compile(r"\{\{\s*([a-z][a-z0-9_.]*)\s*\}\}")
#: An object's key whose value is a mapping to be poured into that object.
SPREAD = "..."

Names = Mapping[str, Any]


class Unrenderable(Exception):
    """A value cannot stand where the template puts it. The text names the place, not the value."""


def names(template: object) -> frozenset[str]:
    """Collect the names a template asks for, at any depth."""
    if isinstance(template, str):
        return frozenset(_NAME.findall(template))
    parts: Iterable[object] = ()
    if isinstance(template, Mapping):
        parts = template.values()
    elif isinstance(template, list | tuple):
        parts = template
    return frozenset().union(*(names(part) for part in parts))


def value(template: Any, known: Names) -> Any:
    """Render a JSON template. Keys that the template names itself win over what is poured in."""
    if isinstance(template, str):
        whole = _NAME.fullmatch(template)
        return known[whole.group(1)] if whole else text(template, known)
    if isinstance(template, Mapping):
        made: dict[str, Any] = {}
        for key, part in template.items():
            rendered = value(part, known)
            if key == SPREAD:
                made.update((k, v) for k, v in (rendered or {}).items() if k not in template)
            elif rendered is not None:
                made[key] = rendered
        return made
    if isinstance(template, list | tuple):
        return [value(part, known) for part in template]
    return template


def text(template: str, known: Names) -> str:
    """Render a text; None becomes nothing."""
    return _NAME.sub(lambda found: _plain(known[found.group(1)]), template)


def body(template: Any, known: Names) -> bytes:
    """Render a JSON body to bytes. Raises `Unrenderable` for what JSON cannot hold."""
    try:
        return orjson.dumps(value(template, known))
    except TypeError:
        raise Unrenderable("a value of the body cannot be written as JSON") from None


def header(name: str, template: str, known: Names) -> str | None:
    """Render one header; None (leave it out) when it is nothing but a name without value."""
    whole = _NAME.fullmatch(template)
    if whole and known[whole.group(1)] is None:
        return None
    made = text(template, known)
    if not all(" " <= c <= "~" for c in made):
        raise Unrenderable(f"header {name}: the value is not plain ASCII text")
    return made


def path(template: str, known: Names) -> str:
    """Render a URL path; a value stays inside its segment."""

    def segment(found: re.Match[str]) -> str:
        plain = _plain(known[found.group(1)])
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
