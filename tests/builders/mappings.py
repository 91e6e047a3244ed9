"""A source's YAML, compiled, and payloads read by it: no file, no database."""

from collections.abc import Mapping as MappingOf
from datetime import UTC, datetime

import yaml

from services.ingest.catalogue import laid_over_preset
from services.ingest.decode.payload import Payload
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.mapping import Mapping
from services.ingest.receive.inbound import SentHeaders
from services.ingest.settings import SourceEntry
from services.ingest.told import Outcome, Translated
from services.ingest.translate import translate
from shared.events.envelope import Event
from shared.events.feedback import ResponseReceived

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
#: The two ids that every response needs, and a time.
IDS = "survey: survey\nresponse_id: id\nanswered_at: at\n"


def mapping(text: str, name: str = "tool") -> Mapping:
    """Compile one source from YAML."""
    return compile_mapping(name, laid_over_preset(SourceEntry.model_validate(yaml.safe_load(text))))


def outcome(
    text: str, body: object, *, now: datetime = NOW, headers: MappingOf[str, str] | None = None
) -> Outcome:
    """Translate one message by a source's YAML."""
    return translate(mapping(text), Payload(body, SentHeaders.of(headers or {})), now)


def event(text: str, body: object, *, now: datetime = NOW) -> Event:
    """Translate what must be translatable."""
    found = outcome(text, body, now=now)
    assert isinstance(found, Translated), found
    return found.told.event


def answer(text: str, *, now: datetime = NOW, **said: object) -> ResponseReceived:
    """Translate one answer to survey `s`, response `R-1`, and look at what the event says."""
    data = event(text, {"survey": "s", "id": "R-1", **said}, now=now).data
    assert isinstance(data, ResponseReceived)
    return data
