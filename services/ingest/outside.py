"""What outsiders may tell: one CloudEvent of a caller becomes one event of ours, or a clear no.

In: decoded JSON and the receipt time. Out: `Told`, or `Refused` naming the field and the fix,
never a value. The connector's own events and its commands cannot be told from outside. Pure.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StrictInt, StringConstraints, ValidationError

from services.ingest import values
from services.ingest.moments import parse, placed
from services.ingest.paths import MISSING
from services.ingest.told import Told
from shared.events import feedback, ids, outcomes
from shared.events.envelope import Event, EventData
from shared.events.vocabulary import (
    Channel,
    ConsentStatement,
    ContactClass,
    Identifier,
    IdentifierKind,
    Purpose,
    Value,
)
from shared.settings import Strict

#: One request is one publication; more belongs into several.
MAX_BATCH: Final = 500

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
AttributeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Refused(Exception):
    """The caller's fault: which field, and what to do. Holds nothing that was sent."""


class Who(Strict):
    """The raw ways to recognise a customer; at least one."""

    email: str | None = None
    external_id: str | StrictInt | None = None
    phone: str | None = None


class SurveyContactData(Strict):
    """Data of `survey.invitation.sent`, `survey.shown`, `survey.declined`, `survey.opted_out`."""

    survey: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
    identifiers: Who
    channel: Channel | None = None


class ConsentData(Strict):
    """What a person said about being contacted; `said_at` is the event's time unless given."""

    channel: Channel | Literal["all"]
    purpose: Purpose
    granted: Annotated[bool, Field(strict=True)]
    said_at: AwareDatetime | None = None
    text_version: Text | None = None
    proof: Text | None = None


class CustomerData(Strict):
    """Data of `customer.updated`: null clears an attribute, an absent one stays."""

    identifiers: Who
    attributes: Annotated[dict[AttributeName, Value], Field(max_length=200)] = Field(
        default_factory=dict
    )
    consents: Annotated[tuple[ConsentData, ...], Field(max_length=50)] = ()


class MessageData(Strict):
    """Data of `message.*`: about our delivery (its id), or anybody's message (identifiers)."""

    identifiers: Who | None = None
    delivery_id: UUID | None = None
    channel: Channel
    contact_class: ContactClass = "marketing"
    target: Text | None = None


def read(raw: object, received_at: datetime) -> Told:
    """Read one CloudEvent (structured JSON, decoded). Raises `Refused`."""
    if not isinstance(raw, dict):
        raise Refused("send one CloudEvent as a JSON object, or a JSON array of them")
    if raw.get("specversion") != "1.0":
        raise Refused("specversion: must be '1.0'")
    caller_id = _attribute(raw, "id")
    caller = _attribute(raw, "source")
    type_ = _attribute(raw, "type")
    build = _BUILDERS.get(type_)
    if build is None:
        raise Refused(f"type: must be one of {', '.join(_BUILDERS)}")
    if str(raw.get("dataversion", "1")).split(".")[0] != "1":
        raise Refused("dataversion: this release reads major version 1")
    if "data" not in raw:
        raise Refused("data: missing")
    occurred_at = _time(raw.get("time"), received_at)
    try:
        data, known = build(raw["data"], occurred_at, received_at)
    except ValidationError as error:
        raise Refused(_explained(error)) from None
    event_id = ids.name_id("outside", caller, caller_id, type_)
    return Told(Event(id=event_id, source=caller, time=occurred_at, data=data), known)


def read_all(raw: object, received_at: datetime) -> Sequence[Told]:
    """Read one CloudEvent or an array of them, all or none. Raises `Refused`."""
    if not isinstance(raw, list):
        return [read(raw, received_at)]
    if not 0 < len(raw) <= MAX_BATCH:
        raise Refused(f"send 1 to {MAX_BATCH} events at once")
    told: list[Told] = []
    for place, one in enumerate(raw):
        try:
            told.append(read(one, received_at))
        except Refused as refused:
            raise Refused(f"event {place}: {refused}") from None
    return told


_Built = tuple[EventData, tuple[Identifier, ...]]
_Build = Callable[[object, datetime, datetime], _Built]


def _survey_contact(
    model: type[
        feedback.InvitationSent
        | feedback.SurveyShown
        | feedback.SurveyDeclined
        | feedback.SurveyOptedOut
    ],
) -> _Build:
    def build(raw: object, occurred_at: datetime, _received_at: datetime) -> _Built:
        data = SurveyContactData.model_validate(raw)
        known = _known(data.identifiers)
        return (
            model(
                survey=data.survey,
                identifiers=known,
                occurred_at=occurred_at,
                channel=data.channel,
            ),
            known,
        )

    return build


def _customer(raw: object, occurred_at: datetime, received_at: datetime) -> _Built:
    data = CustomerData.model_validate(raw)
    known = _known(data.identifiers)
    consents = tuple(
        ConsentStatement(
            channel=said.channel,
            purpose=said.purpose,
            granted=said.granted,
            said_at=placed(said.said_at, received_at)[0] if said.said_at else occurred_at,
            text_version=said.text_version,
            proof=said.proof,
        )
        for said in data.consents
    )
    attributes = {
        name: values.as_value(value)
        for name, raw_value in data.attributes.items()
        if (value := values.attribute(raw_value)) is not MISSING
    }
    updated = feedback.CustomerUpdated(
        identifiers=known, occurred_at=occurred_at, attributes=attributes, consents=consents
    )
    return updated, known


def _message(
    model: type[
        outcomes.MessageSent
        | outcomes.MessageDelivered
        | outcomes.MessageBounced
        | outcomes.MessageOpened
        | outcomes.MessageUnsubscribed
    ],
) -> _Build:
    def build(raw: object, occurred_at: datetime, _received_at: datetime) -> _Built:
        data = MessageData.model_validate(raw)
        if data.identifiers is None and data.delivery_id is None:
            raise Refused("data: give identifiers, or the delivery_id, or both")
        known = _known(data.identifiers) if data.identifiers else ()
        reported = model(
            identifiers=known,
            delivery_id=data.delivery_id,
            channel=data.channel,
            contact_class=data.contact_class,
            target=data.target,
            occurred_at=occurred_at,
        )
        return reported, known

    return build


_BUILDERS: Final[dict[str, _Build]] = {
    **{
        contact.TYPE: _survey_contact(contact)
        for contact in (
            feedback.InvitationSent,
            feedback.SurveyShown,
            feedback.SurveyDeclined,
            feedback.SurveyOptedOut,
        )
    },
    feedback.CustomerUpdated.TYPE: _customer,
    **{
        report.TYPE: _message(report)
        for report in (
            outcomes.MessageSent,
            outcomes.MessageDelivered,
            outcomes.MessageBounced,
            outcomes.MessageOpened,
            outcomes.MessageUnsubscribed,
        )
    },
}


def _known(who: Who) -> tuple[Identifier, ...]:
    """Normalise what tells the person. A caller can correct it, so an unreadable one is refused."""
    said: tuple[tuple[IdentifierKind, str | int | None], ...] = (
        ("external_id", who.external_id),
        ("email", who.email),
        ("phone", who.phone),
    )
    known: list[Identifier] = []
    for kind, raw in said:
        if raw is None or raw == "":
            continue
        found = values.identifier(kind, raw)
        if found is None:
            raise Refused(f"data.identifiers.{kind}: {_WANTED[kind]}")
        known.append(found)
    if not known:
        raise Refused("data.identifiers: give an external_id, an email or a phone")
    return tuple(known)


_WANTED: Final[dict[IdentifierKind, str]] = {
    "external_id": "must be a text of 1 to 512 characters",
    "email": "must be an e-mail address",
    "phone": "must be in E.164: + and 8 to 15 digits",
}


def _attribute(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 256:
        raise Refused(f"{name}: required, a text of 1 to 256 characters")
    return value.strip()


def _time(raw: object, received_at: datetime) -> datetime:
    """Read when it happened; the receipt time if it is not said or lies too far ahead."""
    if raw is None:
        return received_at
    if not isinstance(raw, str):
        raise Refused("time: must be an RFC 3339 text")
    try:
        return placed(parse(raw, UTC), received_at)[0]
    except values.Unreadable as error:
        raise Refused(f"time: {error}") from None


def _explained(error: ValidationError) -> str:
    """Say pydantic's problems as fields and fixes, without anything that was sent."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{_named(p['loc'])}: {_fix(p['type'])}" for p in problems[:5])


def _named(location: Sequence[int | str]) -> str:
    # A key of the caller's own making may be anything, an address too: only plain names are told.
    plain = [
        str(part) if re.fullmatch(r"[A-Za-z0-9_]{1,64}", str(part)) else "(key)"
        for part in location
    ]
    return ".".join(["data", *plain])


def _fix(kind: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field, remove it"
    return "missing" if kind == "missing" else kind.replace("_", " ")
