"""A message about an answered survey → `survey.response.received`: a patch of what it says.

In: a kind, one payload, its survey, the receipt time. Out: one event, or `Failed`. Pure.
"""

from datetime import datetime
from uuid import UUID

from services.ingest.mapper import moments, values
from services.ingest.mapper.mapping import Kind, Reader, ScoreModel, Test
from services.ingest.mapper.paths import MISSING, Payload
from services.ingest.mapper.reading import (
    Failed,
    claimed,
    consents,
    fields,
    happened_at,
    holds,
    key,
    people,
    picked,
    revision,
    unread_marks,
)
from services.ingest.told import Told, Translated
from shared import identifiers
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import Given, ResponseReceived
from shared.events.made import made
from shared.events.vocabulary import Value
from shared.times import iso

#: With a source name of 64 and two slashes, the identifier `response` stays within its 512.
MAX_SURVEY = 128
MAX_RESPONSE_ID = 256
#: Far beyond any scale, and what the event takes.
MAX_SCALE = 1_000_000_000


def response(
    source: str, kind: Kind, payload: Payload, survey: str, received_at: datetime
) -> Translated:
    """Translate one message of one response. Raises `Failed`."""
    response_id = key(kind.response_id, payload, MAX_RESPONSE_ID)
    answered_at, origin = happened_at(kind, payload, received_at)
    known, unread = people(kind, payload)
    everyone = (*known, identifiers.response(source, survey, response_id))
    answers = fields(kind.answers, payload)
    given = None
    if not kind.score.plain:
        answers, given = _scored(kind, answers, payload)
    attributes = fields(kind.attributes, payload)
    if unread:
        attributes |= unread_marks(unread)
    proof = f"{source}/{survey}/{response_id}"
    # Whatever is in it was read by our readers, or made by a model.
    data = made(
        ResponseReceived,
        {
            "source": source,
            "survey": survey,
            "response_id": response_id,
            "revision": revision(kind, payload, received_at),
            "metric": kind.score.metric,
            "given": given,
            "answered_at": answered_at,
            "answered_at_origin": origin,
            "received_at": received_at,
            "complete": _complete(kind, payload),
            "identifiers": everyone,
            "answers": answers,
            "attributes": attributes,
            "consents": consents(kind, payload, answered_at, proof),
            "history": False,
            "provenance": kind.provenance,
        },
    )
    event = Event(_event_id(kind, payload, data), source, answered_at, data)
    return Translated(Told(event, everyone), unread)


def _event_id(kind: Kind, payload: Payload, data: ResponseReceived) -> UUID:
    """Name the message by what the platform said, so that saying it again is the same event.

    No time of our own clock is part of it, for that differs each time; times of the platform's are,
    also one that lies too far ahead now and no more when the message comes again. Neither is what
    tells how the message reached us (spooled, imported, reconciled).
    """
    answered_at: datetime | None = data.answered_at
    if data.answered_at_origin != "platform":
        answered_at = claimed(kind, kind.answered_at, payload)
    revised = data.revision
    if revised is None and kind.revision_is_time:
        updated_at = claimed(kind, kind.revision, payload)
        revised = None if updated_at is None else moments.milliseconds(updated_at)
    content: dict[str, object] = {
        "answered_at": iso(answered_at) if answered_at else None,
        "complete": data.complete,
        "identifiers": [[i.kind, i.value] for i in data.identifiers],
        "answers": data.answers,
        "attributes": data.attributes,
        "consents": [[c.channel, c.purpose, c.granted, c.text_version] for c in data.consents],
    }
    if data.metric != "nps" or data.given is not None:
        content["metric"] = data.metric
        content["given"] = data.given and [data.given.value, data.given.least, data.given.most]
    return ids.content_id(data.TYPE, data.source, data.survey, data.response_id, revised, content)


def _complete(kind: Kind, payload: Payload) -> bool:
    return holds(kind.complete, payload) if isinstance(kind.complete, Test) else kind.complete


def _scored(
    kind: Kind, answers: dict[str, Value], payload: Payload
) -> tuple[dict[str, Value], Given | None]:
    """Place a score on its own scale; one of NPS is converted, and only to a whole number."""
    path = next((reader.path for name, reader, _ in kind.answers if name == "score"), "score")
    value = answers.get("score")
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return answers, None
    least, most = _end(kind.score.least, payload), _end(kind.score.most, payload)
    if not least < most:
        raise Failed(path, "score: the payload's scale has no extent")
    if not least <= value <= most:
        raise Failed(path, "score: outside its scale")
    if kind.score.metric != "nps":
        return answers, Given(value=value, least=least, most=most, band=_band(kind.score, value))
    converted = (value - least) * 10 / (most - least)
    if converted != round(converted):
        raise Failed(path, "score: falls on no whole number from 0 to 10")
    if (least, most) == (0, 10):
        return {**answers, "score": round(converted)}, None
    return (
        {**answers, "score": round(converted)},
        Given(value=value, least=least, most=most, band=None),
    )


def _end(end: float | Reader, payload: Payload) -> float:
    if not isinstance(end, Reader):
        return end
    raw = picked(end, payload)
    if raw is MISSING or raw is None:
        raise Failed(end.path, "the scale of the score is not said")
    try:
        number = values.number(raw)
    except values.Unreadable as error:
        raise Failed(end.path, f"scale: {error}") from None
    if abs(number) > MAX_SCALE:
        raise Failed(end.path, "scale: out of all proportion")
    return number


def _band(score: ScoreModel, value: float) -> str | None:
    return next((band for band, low, high in score.bands if low <= value <= high), None)
