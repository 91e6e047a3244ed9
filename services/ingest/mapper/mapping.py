"""How one source's payloads are read: its fields as closures, ready before the first message.

`compiler` makes a `Mapping` of a configured source, `translate` reads payloads with it. Pure.
"""

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import Literal

from services.ingest.mapper import values
from services.ingest.mapper.moments import DateOrder
from services.ingest.mapper.paths import Payload, Pick
from shared.events.feedback import Provenance
from shared.events.vocabulary import Channel, ContactClass, IdentifierKind, Purpose, Segment
from shared.identifiers import AS_SAID, Rules

#: Reads what was found into a wire value, `MISSING` or None; raises `Unreadable` naming the rule.
Reading = Callable[[object], object]
Metric = Literal["nps", "csat", "ces", "stars"]


@dataclass(frozen=True, slots=True)
class Reader:
    """One field: its path as text (for the quarantine) and how to get its raw value."""

    path: str
    pick: Pick


@dataclass(frozen=True, slots=True)
class HashReader:
    """An id made of chosen fields, where the tool gives none."""

    path: str
    parts: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: holds when the raw value, folded, is among `words`."""

    path: str
    pick: Pick
    words: frozenset[str]

    def holds(self, payload: Payload) -> bool:
        """Tell whether this payload meets the condition. An `expr:` may raise `Unreadable`."""
        return values.word(self.pick(payload)) in self.words


@dataclass(frozen=True, slots=True)
class ConsentReader:
    """One field that says yes or no for a channel and a purpose."""

    channel: Channel | str
    purpose: Purpose
    path: str
    pick: Pick
    granted: frozenset[str]
    refused: frozenset[str]
    text_version: str | None
    proof: Reader | None = None


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """What a score is. `plain`: NPS from 0 to 10, which nearly every source has."""

    metric: Metric
    least: float | Reader
    most: float | Reader
    bands: tuple[tuple[Segment, float, float], ...]

    @property
    def plain(self) -> bool:
        """Tell whether this is NPS on its own scale, whatever the payload says."""
        return self.metric == "nps" and self.least == 0 and self.most == 10


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of message is read, and which event it becomes."""

    becomes: str
    when: tuple[Test, ...]
    survey: Reader | None
    response_id: Reader | HashReader | None
    answered_at: Reader | None
    revision: Reader | None
    revision_is_time: bool
    complete: bool | Test
    zone: tzinfo
    zones: MappingOf[str, tzinfo]
    not_before: timedelta
    score: ScoreModel
    identifiers: tuple[tuple[IdentifierKind, Reader], ...]
    answers: tuple[tuple[str, Reader, Reading], ...]
    attributes: tuple[tuple[str, Reader, Reading], ...]
    consents: tuple[ConsentReader, ...]
    provenance: Provenance | None = None
    event_id: Reader | None = None
    case: Reader | None = None
    channel: Reader | None = None
    contact_class: ContactClass = "marketing"
    delivery_id: Reader | None = None
    what: Reader | None = None
    everything: Test | None = None
    variables: tuple[tuple[str, Reader], ...] = ()
    dates: DateOrder | None = None
    #: How identifiers are normalised: the installation's, not the source's.
    rules: Rules = AS_SAID


@dataclass(frozen=True, slots=True)
class Mapping:
    """How one source's payloads are read: what is ignored, then the first kind that fits."""

    source: str
    ignore: tuple[tuple[Test, str], ...]
    surveys: frozenset[str]
    kinds: tuple[Kind, ...]
    #: What beside the body any path reads, so that a kept message can be mapped again.
    headers: frozenset[str] = field(default_factory=frozenset)
    reads_query: bool = False
