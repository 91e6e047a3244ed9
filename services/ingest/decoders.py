"""From one request to its messages: bytes → tree → payloads, as a source's `decoder` says.

In: the request, whole, and the source's `decoder`, `json_in` and `each`. Out: a tree of maps,
lists, texts and numbers, then 1 to `MAX_BATCH` payloads; or `Undecodable`, and never anything
else. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.ingest.inbound import Inbound
from services.ingest.json_text import decode_json
from services.ingest.limits import MAX_BATCH, MAX_DEPTH, Undecodable
from services.ingest.paths import compile_path
from services.ingest.payload import Payload, Pick

__all__ = ["MAX_BATCH", "MAX_DEPTH", "Decoder", "Undecodable", "compile_decoder", "decode_json"]

Name = Literal["json", "form", "multipart", "cloudevents", "auto"]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How one source's requests are read. `read` gives the tree, `split` its messages.

    A verifier that reads fields sees what `read` gives: a field of JSON text is still the text
    that was signed. `split` replaces it by what it holds.
    """

    name: Name
    json_in: tuple[str, ...]
    each: Pick | None
    body_bytes: int

    def read(self, inbound: Inbound) -> object:
        """Decode the body. Raises `Undecodable`."""
        return decode_json(inbound.body)

    def split(self, tree: object, inbound: Inbound) -> tuple[Payload, ...]:
        """Take a tree that `read` gave as its messages. Raises `Undecodable`."""
        elements = tree
        if self.each is not None:
            elements = self.each(Payload(tree, inbound.headers, query=inbound.query))
        if not isinstance(elements, list):
            return (Payload(tree, inbound.headers, query=inbound.query),)
        if not 0 < len(elements) <= MAX_BATCH:
            raise Undecodable(f"a batch of none, or of more than {MAX_BATCH} messages")
        return tuple(Payload(one, inbound.headers, tree, inbound.query) for one in elements)


def compile_decoder(
    name: Name = "json",
    json_in: Sequence[str] = (),
    each: str | None = None,
    *,
    body_bytes: int = 1 << 20,
) -> Decoder:
    """Make the decoder of a source. `body_bytes` bounds what a compressed body unpacks to.

    Raises ValueError saying which path does not read.
    """
    return Decoder(name, tuple(json_in), None if each is None else compile_path(each), body_bytes)


#: Kept for the catalogue until it compiles decoders.
DECODERS: Final[Mapping[str, Callable[[bytes], object]]] = {"json": decode_json}
