"""The text that a platform signs, from its template: `{id}.{timestamp}.{body}` and the like.

In: a template of literal text and {body} {id} {timestamp} {method} {url} {field:NAME}. Out: a
closure that writes the text for one request, or None where a field is not there. Pure.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from services.ingest.decode.payload import Payload
from services.ingest.mapper.paths import compile_path
from services.ingest.receive.inbound import Inbound

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_WORDS: Final = ("body", "id", "timestamp", "method", "url")
_ELSEWHERE: Final = re.compile(r"(header|root|query|expr):")


class Said(NamedTuple):
    """What a signed text is made of; `tree` is the decoded body, where a field of it is signed."""

    inbound: Inbound
    message_id: str = ""
    timestamp: str = ""
    tree: object = None


Write = Callable[[Said], bytes | None]
#: Reads one field of the decoded body as text; None where it is not there exactly once.
FieldReader = Callable[[object], str | None]


def placeholders(template: str) -> tuple[str, ...]:
    """List what stands in braces. Raises ValueError for a word or a brace that means nothing."""
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise ValueError("a brace without its other one")
    found = tuple(_PLACEHOLDER.findall(template))
    for word in found:
        if word.startswith("field:"):
            compile_field(word.removeprefix("field:"))
        elif word not in _WORDS:
            known = " ".join(f"{{{known}}}" for known in _WORDS)
            raise ValueError(f"{{{word}}} means nothing: use {known} {{field:NAME}}")
    return found


def compile_field(path: str) -> FieldReader:
    """Make the reader of one field of the decoded body. Raises ValueError for what is no path.

    Texts and whole numbers count (a time may be a number); a doubled form field is a list, and so
    refused. Of a key that a JSON object holds twice the last counts, for the mapping as well.
    """
    if _ELSEWHERE.match(path):
        raise ValueError(f"{path!r}: give a field of the body")
    pick = compile_path(path)

    def read(tree: object) -> str | None:
        value = pick(Payload(tree))
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None

    return read


def compile_text(template: str) -> Write:
    """Make the writer of a signed text. Raises ValueError as `placeholders` does."""
    placeholders(template)
    if template == "{body}":
        return lambda said: said.inbound.body
    # Literal text and placeholders take turns in what `split` returns.
    parts = tuple(
        _WRITERS[part] if part in _WRITERS and place % 2 else _other(part, place)
        for place, part in enumerate(_PLACEHOLDER.split(template))
    )

    def write(said: Said) -> bytes | None:
        written = [part(said) for part in parts]
        known = [part for part in written if part is not None]
        return b"".join(known) if len(known) == len(written) else None

    return write


def _other(part: str, place: int) -> Write:
    if place % 2 == 0:
        literal = part.encode()
        return lambda _said: literal
    read = compile_field(part.removeprefix("field:"))

    def field(said: Said) -> bytes | None:
        text = read(said.tree)
        return None if text is None else text.encode("utf-8", "backslashreplace")

    return field


#: Header values are the bytes that came (the server reads them as Latin-1); `backslashreplace`
#: only because nothing that a stranger writes may raise.
_WRITERS: Final[dict[str, Write]] = {
    "body": lambda said: said.inbound.body,
    "id": lambda said: said.message_id.encode("latin-1", "backslashreplace"),
    "timestamp": lambda said: said.timestamp.encode("latin-1", "backslashreplace"),
    "method": lambda said: said.inbound.method.encode(),
    "url": lambda said: said.inbound.url.encode("utf-8", "backslashreplace"),
}
