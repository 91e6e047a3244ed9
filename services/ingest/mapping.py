"""How one source's payloads are read: its fields as closures, ready before the first message.

`compiler` makes a `Mapping` of a configured source, `translate` reads payloads with it. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from services.ingest import values
from services.ingest.paths import Payload, Pick
from shared.events.vocabulary import Channel, IdentifierKind, Purpose

#: Reads what was found into a wire value, `MISSING` or None; raises `Unreadable` naming the rule.
Reading = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Reader:
    """One field: its path as text (for the quarantine) and how to get its raw value."""

    path: str
    pick: Pick


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: holds when the raw value, folded, is among `words`."""

    pick: Pick
    words: frozenset[str]

    def holds(self, payload: Payload) -> bool:
        """Tell whether this payload meets the condition."""
        return values.word(self.pick(payload)) in self.words


@dataclass(frozen=True, slots=True)
class ConsentReader:
    """One field that says yes or no for a channel and a purpose."""

    channel: Channel | str
    purpose: Purpose
    pick: Pick
    granted: frozenset[str]
    refused: frozenset[str]
    text_version: str | None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one source's payloads are read."""

    source: str
    ignore: tuple[tuple[Test, str], ...]
    surveys: frozenset[str]
    survey: Reader
    response_id: Reader
    answered_at: Reader | None
    revision: Reader | None
    revision_is_time: bool
    complete: bool | Test
    zone: tzinfo
    not_before: timedelta
    identifiers: tuple[tuple[IdentifierKind, Reader], ...]
    answers: tuple[tuple[str, Reader, Reading], ...]
    attributes: tuple[tuple[str, Reader, Reading], ...]
    consents: tuple[ConsentReader, ...]
