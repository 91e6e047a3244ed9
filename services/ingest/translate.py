"""Ingest's one verb: a verified, decoded message of a survey tool becomes one event, or a clear no.

In: the source's mapping, the payload, the headers, the receipt time. Out: `Translated`, `Ignored`
or `Unmappable`; never an exception for anything a payload may hold. Pure.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from uuid import UUID

from services.ingest import moments, values
from services.ingest.mapping import Mapping, Reader, Reading
from services.ingest.paths import MISSING, Payload
from services.ingest.told import Told
from shared import identifiers
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import ResponseReceived, TimeOrigin
from shared.events.vocabulary import Channel, ConsentStatement, Identifier, Value
from shared.times import iso

#: With a source name of 64 and two slashes, the identifier `response` stays within its 512.
MAX_SURVEY: Final = 128
MAX_RESPONSE_ID: Final = 256


@dataclass(frozen=True, slots=True)
class Translated:
    """One event. `unread` names the identifiers that were said and are none (mistyped)."""

    told: Told
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """Accepted and not counted: a test message, a survey that this source does not listen to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unmappable:
    """Authentic, and not to be understood: which path failed which rule (nothing of the value)."""

    path: str
    rule: str


Outcome = Translated | Ignored | Unmappable


class _Refused(Exception):
    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path
        self.rule = rule


def translate(
    source: Mapping, body: object, headers: MappingOf[str, str], received_at: datetime
) -> Outcome:
    """Translate one message; `headers` with lower-case names, `received_at` aware."""
    payload = Payload(body, headers)
    for test, reason in source.ignore:
        if test.holds(payload):
            return Ignored(reason)
    try:
        survey = _key(source.survey, payload, MAX_SURVEY)
        if source.surveys and survey not in source.surveys:
            return Ignored("survey not listed")
        return _response(source, payload, survey, received_at)
    except _Refused as refused:
        return Unmappable(refused.path, refused.rule)


def _response(source: Mapping, payload: Payload, survey: str, received_at: datetime) -> Translated:
    response_id = _key(source.response_id, payload, MAX_RESPONSE_ID)
    answered_at, origin = _answered_at(source, payload, received_at)
    known, unread = _identifiers(source, payload)
    everyone = (*known, identifiers.response(source.source, survey, response_id))
    data = ResponseReceived(
        source=source.source,
        survey=survey,
        response_id=response_id,
        revision=_revision(source, payload, received_at),
        answered_at=answered_at,
        answered_at_origin=origin,
        received_at=received_at,
        complete=(
            source.complete if isinstance(source.complete, bool) else source.complete.holds(payload)
        ),
        identifiers=everyone,
        answers=_fields(source.answers, payload),
        attributes=_fields(source.attributes, payload),
        consents=_consents(source, payload, answered_at, f"{source.source}/{survey}/{response_id}"),
    )
    event = Event(id=_event_id(data), source=source.source, time=answered_at, data=data)
    return Translated(Told(event, everyone), unread)


def _event_id(data: ResponseReceived) -> UUID:
    """Name the message by what the platform said, so that saying it again is the same event.

    A time that came from our own clock is no part of it: it differs each time.
    """
    content = {
        "answered_at": iso(data.answered_at) if data.answered_at_origin == "platform" else None,
        "complete": data.complete,
        "identifiers": [[i.kind, i.value] for i in data.identifiers],
        "answers": data.answers,
        "attributes": data.attributes,
        "consents": [[c.channel, c.purpose, c.granted, c.text_version] for c in data.consents],
    }
    return ids.name_id(
        data.TYPE,
        data.source,
        data.survey,
        data.response_id,
        data.revision,
        ids.content_hash(content),
    )


def _key(reader: Reader, payload: Payload, most: int) -> str:
    try:
        return values.key_text(reader.pick(payload), most)
    except values.Unreadable as error:
        raise _Refused(reader.path, str(error)) from None


def _answered_at(
    source: Mapping, payload: Payload, received_at: datetime
) -> tuple[datetime, TimeOrigin]:
    raw = source.answered_at.pick(payload) if source.answered_at else MISSING
    if source.answered_at is None or _says_nothing(raw):
        return received_at, "receipt"
    try:
        moment = moments.parse(raw, source.zone)
    except values.Unreadable as error:
        raise _Refused(source.answered_at.path, str(error)) from None
    if moment < received_at - source.not_before:
        raise _Refused(source.answered_at.path, "older than not_before_days allows")
    return moments.placed(moment, received_at)


def _revision(source: Mapping, payload: Payload, received_at: datetime) -> int | None:
    """Read what orders the messages of one response; a time too far ahead would win for ever."""
    raw = source.revision.pick(payload) if source.revision else MISSING
    if source.revision is None or _says_nothing(raw):
        return None
    try:
        if source.revision_is_time:
            moment, origin = moments.placed(moments.parse(raw, source.zone), received_at)
            return _milliseconds(moment) if origin == "platform" else None
        return _counter(raw)
    except values.Unreadable as error:
        raise _Refused(source.revision.path, str(error)) from None


def _milliseconds(moment: datetime) -> int:
    return (moment - moments.EPOCH) // timedelta(milliseconds=1)


def _counter(raw: object) -> int:
    text = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    # Eighteen digits fit PostgreSQL's bigint.
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise values.Unreadable("not a counter: a whole number from 0 on")
    return int(text)


def _says_nothing(raw: object) -> bool:
    return raw is MISSING or raw is None or (isinstance(raw, str) and not raw.strip())


def _identifiers(
    source: Mapping, payload: Payload
) -> tuple[tuple[Identifier, ...], tuple[str, ...]]:
    """Normalise what tells the person. What is said and is no address does not lose the answer."""
    known: list[Identifier] = []
    unread: list[str] = []
    for kind, reader in source.identifiers:
        raw = reader.pick(payload)
        if _says_nothing(raw):
            continue
        found = values.identifier(kind, raw)
        if found is None:
            unread.append(kind)
        else:
            known.append(found)
    return tuple(known), tuple(unread)


def _fields(fields: tuple[tuple[str, Reader, Reading], ...], payload: Payload) -> dict[str, Value]:
    """Read answers or attributes: absent and "" are not said, an explicit null is cleared."""
    said: dict[str, Value] = {}
    for name, reader, read in fields:
        raw = reader.pick(payload)
        if raw is MISSING:
            continue
        try:
            value = read(raw)
        except values.Unreadable as error:
            raise _Refused(reader.path, str(error)) from None
        if value is not MISSING:
            said[name] = values.as_value(value)
    return said


def _consents(
    source: Mapping, payload: Payload, said_at: datetime, proof: str
) -> tuple[ConsentStatement, ...]:
    """Read who said yes or no to what; any other value says nothing, which is never a yes."""
    statements: list[ConsentStatement] = []
    for field in source.consents:
        word = values.word(field.pick(payload))
        if word in field.granted or word in field.refused:
            statements.append(
                ConsentStatement(
                    channel=cast("Channel", field.channel),
                    purpose=field.purpose,
                    granted=word in field.granted,
                    said_at=said_at,
                    text_version=field.text_version,
                    proof=proof,
                )
            )
    return tuple(statements)
