"""From one request to its messages: bytes → tree → payloads, as a source's `decoder` says.

In: the request, whole, and the source's `decoder`, `json_in` and `each`. Out: a tree of maps,
lists, texts and numbers, then 1 to `MAX_BATCH` payloads; or `Undecodable`, and never anything
else. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.ingest.decode import cloudevents
from services.ingest.decode.forms import decode_form
from services.ingest.decode.json_text import decode_json, replaced
from services.ingest.decode.limits import MAX_BATCH, MAX_DEPTH, Undecodable
from services.ingest.decode.multipart import decode_multipart
from services.ingest.decode.payload import Payload, Pick, Unreadable
from services.ingest.decode.unpack import unpacked
from services.ingest.mapper.paths import compile_path, names_of
from services.ingest.receive.inbound import Inbound

__all__ = ["MAX_BATCH", "MAX_DEPTH", "Decoder", "Undecodable", "compile_decoder", "decode_json"]

Name = Literal["json", "form", "multipart", "cloudevents", "auto"]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How one source's requests are read. `read` gives the tree, `split` its messages.

    A verifier that reads fields sees what `read` gives: a field of JSON text is still the text
    that was signed. `split` puts in its place what it holds.
    """

    name: Name
    json_in: tuple[tuple[str, ...], ...]
    each: Pick | None
    body_bytes: int

    def read(self, inbound: Inbound) -> object:
        """Decode the body. Raises `Undecodable`."""
        return _READERS[self.name](unpacked(inbound, self.body_bytes), inbound)

    def split(self, tree: object, inbound: Inbound) -> tuple[Payload, ...]:
        """Take a tree that `read` gave as its messages; it is not changed. Raises `Undecodable`.

        A list is a batch, and so is the list at `each`; a message without one (a test ping,
        mostly) stands for itself.
        """
        whole = Payload(self._told(tree), inbound.headers, query=inbound.query)
        root = elements = whole.body
        if self.each is not None:
            listed = _found(self.each, whole)
            elements = listed if isinstance(listed, list) else root
        if not isinstance(elements, list):
            return (whole,)
        if not 0 < len(elements) <= MAX_BATCH:
            raise Undecodable(f"a batch of none, or of more than {MAX_BATCH} messages")
        return tuple(
            Payload(self._told(one), inbound.headers, root, inbound.query) for one in elements
        )

    def reads_header(self, name: str) -> bool:
        """Tell whether a header (lower case) is needed to decode a kept body again."""
        if name in ("content-type", "content-encoding"):
            return True
        return self.name == "cloudevents" and name.startswith(cloudevents.PREFIX)

    def _told(self, tree: object) -> object:
        """Replace JSON texts by what they hold, where this tree has them."""
        for names in self.json_in:
            tree = replaced(tree, names)
        return tree


def compile_decoder(
    name: Name = "json",
    json_in: Sequence[str] = (),
    each: str | None = None,
    *,
    body_bytes: int = 1 << 20,
) -> Decoder:
    """Make the decoder of a source. `body_bytes` bounds what a packed body unpacks to.

    Raises ValueError saying which path does not read.
    """
    return Decoder(
        name=name,
        json_in=tuple(names_of(path) for path in json_in),
        each=None if each is None else compile_path(each),
        body_bytes=body_bytes,
    )


def _json(body: bytes, _inbound: Inbound) -> object:
    return decode_json(body)


def _form(body: bytes, _inbound: Inbound) -> object:
    return decode_form(body)


def _multipart(body: bytes, inbound: Inbound) -> object:
    return decode_multipart(body, inbound.headers.get("content-type") or "")


def _cloudevents(body: bytes, inbound: Inbound) -> object:
    if cloudevents.is_binary(inbound.headers, _content_type(inbound)):
        return cloudevents.binary(inbound.headers, body, lambda: _auto(body, inbound))
    return cloudevents.structured(decode_json(body))


def _auto(body: bytes, inbound: Inbound) -> object:
    return _BY_CONTENT_TYPE.get(_content_type(inbound), _json)(body, inbound)


def _content_type(inbound: Inbound) -> str:
    return (inbound.headers.get("content-type") or "").partition(";")[0].strip().lower()


def _found(each: Pick, payload: Payload) -> object:
    try:
        return each(payload)
    except Unreadable as error:
        raise Undecodable(f"`each`: {error}") from None


_Read = Callable[[bytes, Inbound], object]
_READERS: Final[Mapping[str, _Read]] = {
    "json": _json,
    "form": _form,
    "multipart": _multipart,
    "cloudevents": _cloudevents,
    "auto": _auto,
}
#: What is not here, whatever it calls itself, is JSON or undecodable.
_BY_CONTENT_TYPE: Final[Mapping[str, _Read]] = {
    "application/x-www-form-urlencoded": _form,
    "multipart/form-data": _multipart,
    "application/cloudevents+json": _cloudevents,
    "application/cloudevents-batch+json": _cloudevents,
}
