"""Where texts land in a request, read as a receiver reads it: by JSON, form, XML, HTML and URL.

In: a call with marks in it, the same call with other texts in their place. Out: where each mark was
found, and every place where not exactly the other text stands. Nothing here knows how requests are
written: each syntax is undone by a parser of its own.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import httpx

#: From the syntax to the value: ("json", "profile", "first_name").
Place = tuple[str | int, ...]


@dataclass(slots=True)
class Landed:
    """`names` is whose mark was found anywhere; `wrong` each place that holds something else."""

    names: set[str] = field(default_factory=set)
    wrong: list[tuple[Place, str, str]] = field(default_factory=list)


def texts(call: httpx.Request) -> dict[Place, str]:
    """Read every text of a request, by its place; headers, which carry no customer's, are not."""
    found: dict[Place, str] = {
        ("path", number): unquote(part)
        for number, part in enumerate(call.url.raw_path.decode().partition("?")[0].split("/"))
    }
    query = parse_qsl(call.url.query.decode(), keep_blank_values=True)
    found |= {("query", name): value for name, value in query}
    kind = call.headers.get("Content-Type", "")
    if not call.content:
        return found
    if "json" in kind:
        return found | dict(_json(json.loads(call.content), ("json",)))
    if "xml" in kind:
        return found | dict(_xml(call.content))
    return found | dict(_form(call.content))


def compare(
    marked: list[httpx.Request],
    said: list[httpx.Request],
    marks: Mapping[str, str],
    values: Mapping[str, str],
) -> Landed:
    """Look at each place of a mark for the value of its name, and for nothing else beside."""
    landed = Landed()
    for like, call in zip(marked, said, strict=True):
        there = texts(call)
        for place, text in texts(like).items():
            names = {name for name, mark in marks.items() if mark in text}
            landed.names |= names
            want = text
            for name in sorted(names):
                want = _put(place, want, marks[name], values[name])
            if names and not _is(there[place], want):
                landed.wrong.append((place, there[place], want))
    return landed


def _put(place: Place, text: str, mark: str, value: str) -> str:
    """Put a value where its mark is, in the words of the syntax that stands around the mark."""
    if place[0] == "xml":
        value = "".join(c for c in value if _in_xml(c))
    # SQL in a query: a quote is doubled. A filter with a text in it: as in JSON.
    text = text.replace(f"'{mark}'", "'{}'".format(value.replace("'", "''")))
    text = text.replace(f'"{mark}"', json.dumps(value, ensure_ascii=False))
    return text.replace(mark, value)


def _is(got: str, want: str) -> bool:
    """Compare; where a platform takes no more, a cut (…) has left out only what came after."""
    if "…" not in got or len(got) >= len(want):
        return got == want
    head, *others = got.split("…")
    at = len(head)
    for part in others:
        at = want.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return want.startswith(head) and want.endswith(others[-1])


def _in_xml(char: str) -> bool:
    """Tell whether XML 1.0 can hold a character (https://www.w3.org/TR/xml/#charsets)."""
    return (
        char in "\t\n\r"
        or " " <= char <= "\ud7ff"
        or "\ue000" <= char <= "\ufffd"
        or (char >= "\U00010000")
    )


def _json(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _json(part, (*place, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _json(part, (*place, number))
    elif isinstance(value, str) and value.startswith("<p>"):
        yield from _html(value, place)
    elif isinstance(value, str):
        yield place, value


def _form(body: bytes) -> Iterator[tuple[Place, str]]:
    for name, value in parse_qsl(body.decode(), keep_blank_values=True):
        if value.startswith("{"):
            yield from _json(json.loads(value), ("form", name))
        else:
            yield ("form", name), value


def _xml(body: bytes) -> Iterator[tuple[Place, str]]:
    for number, element in enumerate(ElementTree.fromstring(body).iter()):
        yield ("xml", number, element.tag), element.text or ""
        for name, value in element.attrib.items():
            yield ("xml", number, element.tag, name), value


class _Paragraphs(HTMLParser):
    """What a browser shows of paragraphs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self.shown.append("")
        elif tag == "br":
            self.shown[-1] += "\n"
        else:
            # A customer's word became markup.
            self.shown[-1] += f"[{tag} {attrs}]"

    def handle_data(self, data: str) -> None:
        self.shown[-1] += data


def _html(text: str, place: Place) -> Iterator[tuple[Place, str]]:
    reader = _Paragraphs()
    reader.feed(text)
    reader.close()
    for number, paragraph in enumerate(reader.shown):
        yield (*place, "p", number), paragraph
