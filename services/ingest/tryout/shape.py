"""How a sample is decoded: its decoder, JSON in its fields, the list that is a batch. Pure.

In: a captured message. Out: its shape, and the message of it that tells the most.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.ingest.decode.decoders import Name, Undecodable, compile_decoder, decode_json
from services.ingest.decode.payload import Payload
from services.ingest.receive.inbound import Headers, Inbound, SentHeaders
from services.ingest.tryout.guesses import candidates
from services.ingest.tryout.leaves import leaves, path_of
from services.ingest.tryout.seen import look, words_of

#: Lists are looked for so deep: `data.page.items` is the deepest that we met.
_DEEPEST: Final = 3
#: A batch may have 500 messages; the first ones show what kinds there are.
_LOOKED_AT: Final = 20
#: How a multipart body begins when it was saved without its headers.
_PART: Final = re.compile(rb"--([^\r\n]{1,70})\r?\ncontent-disposition:", re.IGNORECASE)
#: Keys that say what kind of message one is.
_TELLING: Final = frozenset({"type", "event", "kind", "action", "event type", "event name"})


@dataclass(frozen=True, slots=True)
class Shape:
    """How the sample is decoded, and its message that tells the most.

    `differing` is the path by which messages of a batch tell their kinds apart, with the kinds.
    """

    decoder: Name
    json_in: tuple[str, ...]
    each: str | None
    payload: Payload
    differing: tuple[str, tuple[str, ...]] | None = None


def shape_of(inbound: Inbound) -> Shape:
    """Find how a sample is decoded. Raises `Undecodable` where nothing reads it."""
    decoder, inbound = _decoder(inbound)
    tree = compile_decoder(decoder).read(inbound)
    json_in = () if decoder == "cloudevents" else tuple(_json_texts(tree))
    each = _each(compile_decoder(decoder, json_in).split(tree, inbound)[0].body)
    found = compile_decoder(decoder, json_in, each).split(tree, inbound)[:_LOOKED_AT]
    fullest = max(found, key=lambda one: len(_fields(one.body)))
    return Shape(decoder, json_in, each, fullest, _differing([one.body for one in found]))


def _decoder(inbound: Inbound) -> tuple[Name, Inbound]:
    """Choose by the content type, else by how the body begins; that may tell a content type."""
    kind = _content_type(inbound.headers)
    if kind.startswith("application/cloudevents") or inbound.headers.get("ce-specversion"):
        return "cloudevents", inbound
    if kind == "multipart/form-data":
        return "multipart", inbound
    if part := _PART.match(inbound.body):
        content_type = b'multipart/form-data; boundary="%s"' % part[1]
        return "multipart", replace(inbound, headers=SentHeaders([(b"content-type", content_type)]))
    return _by_its_beginning(kind, inbound), inbound


def _by_its_beginning(kind: str, inbound: Inbound) -> Name:
    start = inbound.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if kind == "application/x-www-form-urlencoded" or (
        start not in (b"{", b"[") and b"=" in inbound.body
    ):
        return "form"
    try:
        tree = decode_json(inbound.body)
    except Undecodable:
        return "json"  # which says why it does not read
    return "cloudevents" if isinstance(tree, dict) and "specversion" in tree else "json"


def _content_type(headers: Headers) -> str:
    return (headers.get("content-type") or "").partition(";")[0].strip().lower()


def _json_texts(tree: object) -> list[str]:
    """Find fields whose text is JSON of its own."""
    found: list[str] = []
    for leaf in leaves(tree):
        text = leaf.value.strip() if isinstance(leaf.value, str) else ""
        names = leaf.keys and all(isinstance(key, str) for key in leaf.keys)
        if names and text[:1] in ("{", "["):
            try:
                decode_json(text.encode())
            except Undecodable:
                continue
            found.append(path_of(leaf.keys))
    return found[:5]


def _each(tree: object) -> str | None:
    """Find a list whose elements are messages of their own: each names an answer and a person.

    Half of them are enough, for a batch also holds a ping, or what became of an e-mail.
    """
    for keys, elements in _lists(tree, ()):
        some = elements[:_LOOKED_AT]
        if 2 * sum(map(_is_message, some)) >= len(some):
            return path_of(keys)
    return None


def _lists(tree: object, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[object]]]:
    """List the lists of maps of a message, the outer ones first."""
    if not isinstance(tree, dict) or len(keys) >= _DEEPEST:
        return
    for key, value in tree.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            yield (*keys, str(key)), value
    for key, value in tree.items():
        yield from _lists(value, (*keys, str(key)))


def _is_message(node: object) -> bool:
    if not isinstance(node, dict) or len(node) < 3:
        return False
    found = _fields(node)
    keys = {words_of(key) for key in node}
    told = {"email", "external_id", "answered_at", "survey"} & found
    return "response_id" in found and len(told) >= 2 and not keys & {"question", "label"}


def _fields(tree: object) -> set[str]:
    return {one.field for one in candidates(look(tree).seen) if one.confidence >= 0.4}


def _differing(bodies: Sequence[object]) -> tuple[str, tuple[str, ...]] | None:
    """Find the key by whose words the messages of a batch tell their kinds apart."""
    maps = [body for body in bodies if isinstance(body, dict)]
    for key in maps[0] if maps else ():
        if words_of(key) in _TELLING:
            kinds = dict.fromkeys(one[key] for one in maps if isinstance(one.get(key), str))
            if len(kinds) > 1:
                return path_of((key,)), tuple(kinds)
    return None
