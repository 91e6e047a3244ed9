"""A message that was kept is read again, with the mapping of today or of then. Pure.

In: how its source is read, and the kept message (a row of the quarantine or of the bodies). Out: an
outcome for each message in it, as when it came; never an exception for anything it holds.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ingest.decode.decoders import Decoder, Undecodable
from services.ingest.fetch.fetched import KEPT_TYPE, document_of, outcome, thin_of
from services.ingest.mapper.mapping import Mapping
from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.told import Outcome, Unmappable
from services.ingest.translate import translate


@dataclass(frozen=True, slots=True)
class Way:
    """How one source's messages are read: those it sends, and those fetched from its platform.

    `version` names the mapping, as kept rows do.
    """

    version: str
    decoder: Decoder
    mapping: Mapping
    fetched: Mapping | None


class Kept(Protocol):
    """What a kept message needs to be read again."""

    @property
    def content_type(self) -> str:
        """As it was sent, or `KEPT_TYPE`."""

    @property
    def headers(self) -> MappingOf[str, str]:
        """Those that decoder or mapping read."""

    @property
    def query(self) -> str:
        """The query of the request, where the mapping reads it."""

    @property
    def body(self) -> bytes:
        """As it was sent, secrets struck out."""


def outcomes(way: Way, kept: Kept, received_at: datetime) -> tuple[Outcome, ...]:
    """Read a kept message; `received_at` (aware) is when it came first."""
    if is_fetched(kept):
        return (_fetched(way, kept.body, received_at),)
    headers = {"content-type": kept.content_type, **kept.headers}
    inbound = Inbound(
        body=kept.body,
        headers=SentHeaders.of(headers),
        query=kept.query.encode("latin-1", "replace"),
    )
    try:
        payloads = way.decoder.split(way.decoder.read(inbound), inbound)
    except Undecodable as error:
        return (Unmappable("*", f"the body is {error}"),)
    return tuple(translate(way.mapping, payload, received_at) for payload in payloads)


def is_fetched(kept: Kept) -> bool:
    """Tell a fetched document from a message that only calls itself one: that one has headers."""
    return kept.content_type == KEPT_TYPE and not kept.headers


def _fetched(way: Way, body: bytes, received_at: datetime) -> Outcome:
    if way.fetched is None:
        return Unmappable("fetch", "this source fetches nothing any more")
    document = document_of(body)
    if document is not None:
        return outcome(way.fetched, document, received_at)
    # What could not be fetched holds only what was asked for: it is fetched again.
    return thin_of(body) or Unmappable("fetch", "the row names no response to fetch")
