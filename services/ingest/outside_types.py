"""Each type that outsiders may tell: the data they send, and how it becomes an event's data.

In: the `data` of one CloudEvent, with its time and the receipt time. Out: our data with the
normalised identifiers, or `Refused` or a validation error that `outside` puts into words. Pure.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

from services.ingest import values
from services.ingest.moments import EPOCH, placed
from services.ingest.paths import MISSING
from shared.events import feedback, outcomes
from shared.events.envelope import EventData
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


class Refused(Exception):
    """The caller's fault: which field, and what to do. Holds nothing that was sent."""


#: Nothing we hear of happened before; further back, counting windows leaves the calendar.
REAL_FROM: Final = EPOCH


def _storable(text: str) -> str:
    # PostgreSQL's texts cannot hold it, so it would stop whoever keeps this event.
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "holds a NUL character")
    return text


def _real(moment: datetime) -> datetime:
    if moment < REAL_FROM:
        raise PydanticCustomError("before_1970", "before 1970")
    return moment


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=256),
    AfterValidator(_storable),
]
Survey = Annotated[Text, StringConstraints(max_length=128)]
Said = Annotated[AwareDatetime, AfterValidator(_real)]
AttributeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Who(Strict):
    """The raw ways to recognise a customer; at least one."""

    email: str | None = None
    external_id: str | StrictInt | None = None
    phone: str | None = None


class SurveyContactData(Strict):
    """Data of `survey.invitation.sent`, `survey.shown`, `survey.declined`, `survey.opted_out`."""

    survey: Survey
    identifiers: Who
    channel: Channel | None = None


class ConsentData(Strict):
    """What a person said about being contacted; `said_at` is the event's time unless given."""

    channel: Channel | Literal["all"]
    purpose: Purpose
    granted: Annotated[bool, Field(strict=True)]
    said_at: Said | None = None
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


Built = tuple[EventData, tuple[Identifier, ...]]
Build = Callable[[object, datetime, datetime], Built]


def _survey_contact(
    model: type[
        feedback.InvitationSent
        | feedback.SurveyShown
        | feedback.SurveyDeclined
        | feedback.SurveyOptedOut
    ],
) -> Build:
    def build(raw: object, occurred_at: datetime, _received_at: datetime) -> Built:
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


def _customer(raw: object, occurred_at: datetime, received_at: datetime) -> Built:
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
) -> Build:
    def build(raw: object, occurred_at: datetime, _received_at: datetime) -> Built:
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


BUILDERS: Final[dict[str, Build]] = {
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
