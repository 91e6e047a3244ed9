"""Ingest's one verb: a verified, decoded message of a tool becomes one event, or a clear no.

In: the source's mapping, one payload, the receipt time. Out: `Translated`, `Thin`, `Ignored` or
`Unmappable`; never an exception for anything a payload may hold. Pure.
"""

from contextlib import suppress
from datetime import datetime
from typing import Final

from services.ingest.mapper import values
from services.ingest.mapper.mapping import Kind, Mapping
from services.ingest.mapper.paths import MISSING, Payload
from services.ingest.mapper.reading import (
    Failed,
    claimed,
    happened_at,
    holds,
    key,
    people,
    said,
)
from services.ingest.mapper.reports import report
from services.ingest.mapper.responses import MAX_RESPONSE_ID, MAX_SURVEY, response
from services.ingest.told import Ignored, Outcome, Thin, Unmappable
from shared import identifiers
from shared.events.vocabulary import Identifier

#: What a survey tool tells of one survey; only these can be limited to the listed `surveys`.
_OF_A_SURVEY: Final = frozenset({"response", "thin", "invitation", "shown", "decline", "opt_out"})


def translate(source: Mapping, payload: Payload, received_at: datetime) -> Outcome:
    """Translate one message; `received_at` aware."""
    try:
        for test, reason in source.ignore:
            if holds(test, payload):
                return Ignored(reason)
        for kind in source.kinds:
            if _fits(kind, payload):
                return _as(kind, source, payload, received_at)
        return Ignored("no kind fits")
    except Failed as failed:
        return Unmappable(failed.path, failed.rule)


def named(source: Mapping, payload: Payload) -> tuple[Identifier, ...]:
    """Name whom a message concerns, and which response it is, as far as that can be read.

    Whichever kind of message it would be.
    """
    known: set[Identifier] = set()
    for kind in source.kinds:
        with suppress(Failed):
            known.update(people(kind, payload)[0])
        with suppress(Failed):
            survey = key(kind.survey, payload, MAX_SURVEY)
            response_id = key(kind.response_id, payload, MAX_RESPONSE_ID)
            known.add(identifiers.response(source.source, survey, response_id))
    return tuple(sorted(known, key=lambda one: (one.kind, one.value)))


def happened(source: Mapping, payload: Payload) -> datetime | None:
    """Tell when the platform says that it happened; None where that cannot be read."""
    with suppress(Failed):
        for kind in source.kinds:
            if _fits(kind, payload):
                return claimed(kind, kind.answered_at, payload)
    return None


def _fits(kind: Kind, payload: Payload) -> bool:
    # Most have no condition: a generator costs as much as reading a field.
    return not kind.when or all(holds(test, payload) for test in kind.when)


def _as(kind: Kind, source: Mapping, payload: Payload, received_at: datetime) -> Outcome:
    if kind.becomes not in _OF_A_SURVEY:
        return report(source.source, kind, payload, received_at)
    survey = key(kind.survey, payload, MAX_SURVEY)
    if source.surveys and survey not in source.surveys:
        return Ignored("survey not listed")
    if kind.becomes == "response":
        return response(source.source, kind, payload, survey, received_at)
    if kind.becomes == "thin":
        return _thin(kind, payload, survey, received_at)
    return report(source.source, kind, payload, received_at)


def _thin(kind: Kind, payload: Payload, survey: str, received_at: datetime) -> Thin:
    variables: dict[str, str] = {}
    for name, reader in kind.variables:
        raw = said(reader, payload)
        if raw is not MISSING:
            try:
                variables[name] = values.key_text(raw, MAX_RESPONSE_ID)
            except values.Unreadable as error:
                raise Failed(reader.path, str(error)) from None
    return Thin(
        survey=survey,
        response_id=key(kind.response_id, payload, MAX_RESPONSE_ID),
        occurred_at=happened_at(kind, payload, received_at)[0],
        variables=variables,
    )
