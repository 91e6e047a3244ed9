"""Messages that are no answer → their events: surveys shown, cases, messages, orders. Pure.

In: a kind, one payload, the receipt time. Out: one event, or `Failed`. The platform's own id of the
message names the event where it is mapped; else what the message says does, without our clock.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, get_args
from uuid import UUID

from services.ingest.mapper.mapping import Kind
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
    said,
    unread_marks,
)
from services.ingest.mapper.responses import MAX_SURVEY
from services.ingest.told import Told, Translated
from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event, EventData
from shared.events.vocabulary import Channel, Identifier

_CHANNELS: Final[frozenset[str]] = frozenset(get_args(Channel))
#: Ids of other systems: room for a URL-like name, and short enough to index.
_MAX_ID: Final = 256
_WHAT: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

_Who = tuple[Identifier, ...]


def report(source: str, kind: Kind, payload: Payload, received_at: datetime) -> Translated:
    """Translate one message that is no answer. Raises `Failed`."""
    at, _ = happened_at(kind, payload, received_at)
    known, unread = people(kind, payload)
    data = _BUILDERS[kind.becomes](source, kind, payload, known, at)
    if unread and isinstance(data, feedback.CustomerUpdated):
        marked = {**data.attributes, **unread_marks(unread)}
        data = data.model_copy(update={"attributes": marked})
    if said(kind.event_id, payload) is not MISSING:
        name = key(kind.event_id, payload, _MAX_ID)
    else:
        name = _content(data, claimed(kind, kind.answered_at, payload))
    event_id = ids.name_id("ingest", data.TYPE, source, name)
    return Translated(Told(Event(event_id, source, at, data), known), unread)


def _content(data: EventData, at: datetime | None) -> str:
    """Name what the platform said and when; a time of our own clock is no part of it."""
    # Without what is not said: a field that a release adds must rename no message.
    plain = data.model_dump(mode="json", exclude={"occurred_at", "consents"}, exclude_none=True)
    if not plain.get("everything"):
        plain.pop("everything", None)
    content: list[object] = [plain, at.isoformat() if at else None]
    if isinstance(data, feedback.CustomerUpdated) and data.consents:
        # Without the times of statements: they may be our own.
        content += [[c.channel, c.purpose, c.granted, c.text_version] for c in data.consents]
    return ids.content_hash(content)


def _known(known: _Who) -> _Who:
    if not known:
        raise Failed("identifiers", "nobody is named whom this message is about")
    return known


def _channel(kind: Kind, payload: Payload) -> Channel | None:
    raw = said(kind.channel, payload)
    if raw is MISSING or kind.channel is None:
        return None
    if not isinstance(raw, str) or raw not in _CHANNELS:
        raise Failed(kind.channel.path, f"channel: must be one of {', '.join(sorted(_CHANNELS))}")
    return raw  # type: ignore[return-value]


def _delivery(kind: Kind, payload: Payload) -> UUID | None:
    """Read our delivery's id where the platform echoes it; anything else is not ours."""
    raw = said(kind.delivery_id, payload)
    try:
        return UUID(raw) if isinstance(raw, str) else None
    except ValueError:
        return None


_Build = Callable[[str, Kind, Payload, _Who, datetime], EventData]


def _survey_contact(
    model: type[feedback.InvitationSent | feedback.SurveyShown | feedback.SurveyDeclined],
) -> _Build:
    def build(_source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
        return model(
            survey=key(kind.survey, payload, MAX_SURVEY),
            identifiers=_known(known),
            occurred_at=at,
            channel=_channel(kind, payload),
        )

    return build


def _opt_out(_source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
    return feedback.SurveyOptedOut(
        survey=key(kind.survey, payload, MAX_SURVEY),
        identifiers=_known(known),
        occurred_at=at,
        channel=_channel(kind, payload),
        everything=_everything(kind, payload),
    )


def _unsubscribed(
    source: str, kind: Kind, payload: Payload, known: _Who, at: datetime
) -> EventData:
    told = _message(outcomes.MessageUnsubscribed)(source, kind, payload, known, at)
    return told.model_copy(update={"everything": _everything(kind, payload)})


def _everything(kind: Kind, payload: Payload) -> bool:
    return kind.everything is not None and holds(kind.everything, payload)


def _case(
    model: type[feedback.CaseOpened | feedback.CaseResolved | feedback.CaseReopened],
) -> _Build:
    def build(source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
        case_id = f"{source}/{key(kind.case, payload, _MAX_ID)}"
        # A step that names nobody still finds her by the case.
        return model(case_id=case_id, identifiers=known, occurred_at=at)

    return build


def _message(
    model: type[
        outcomes.MessageSent
        | outcomes.MessageDelivered
        | outcomes.MessageBounced
        | outcomes.MessageOpened
        | outcomes.MessageUnsubscribed
    ],
) -> _Build:
    def build(source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
        delivery_id = _delivery(kind, payload)
        channel = _channel(kind, payload)
        if channel is None:
            raise Failed(kind.channel.path if kind.channel else "channel", "channel: not said")
        return model(
            identifiers=known if delivery_id else _known(known),
            delivery_id=delivery_id,
            channel=channel,
            contact_class=kind.contact_class,
            target=source,
            occurred_at=at,
        )

    return build


def _action(source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
    delivery_id = _delivery(kind, payload)
    what = key(kind.what, payload, 64)
    if not _WHAT.fullmatch(what):
        rule = "what: a word such as review_left; translate the platform's own by `values`"
        raise Failed(kind.what.path if kind.what else "what", rule)
    return outcomes.ActionCompleted(
        what=what,
        identifiers=known if delivery_id else _known(known),
        delivery_id=delivery_id,
        target=source,
        occurred_at=at,
    )


def _customer(source: str, kind: Kind, payload: Payload, known: _Who, at: datetime) -> EventData:
    return feedback.CustomerUpdated(
        identifiers=_known(known),
        occurred_at=at,
        attributes=fields(kind.attributes, payload),
        consents=consents(kind, payload, at, source),
        provenance=kind.provenance,
    )


_BUILDERS: Final[Mapping[str, _Build]] = {
    "invitation": _survey_contact(feedback.InvitationSent),
    "shown": _survey_contact(feedback.SurveyShown),
    "decline": _survey_contact(feedback.SurveyDeclined),
    "opt_out": _opt_out,
    "case_opened": _case(feedback.CaseOpened),
    "case_resolved": _case(feedback.CaseResolved),
    "case_reopened": _case(feedback.CaseReopened),
    "message_sent": _message(outcomes.MessageSent),
    "message_delivered": _message(outcomes.MessageDelivered),
    "message_bounced": _message(outcomes.MessageBounced),
    "message_opened": _message(outcomes.MessageOpened),
    "message_unsubscribed": _unsubscribed,
    "action_completed": _action,
    "customer_update": _customer,
}
