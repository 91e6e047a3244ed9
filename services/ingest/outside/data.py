"""The data of each type that outsiders may tell, as they send it: frozen, strict, storable.

In: the `data` of one CloudEvent. Out: values, or a validation error that `outside` puts into words.
Pure.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

from services.ingest.mapper.moments import EPOCH
from shared.events.feedback import Provenance
from shared.events.vocabulary import Channel, ContactClass, Purpose, Value
from shared.settings import Strict

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
    """Data of `survey.invitation.sent`, `survey.shown`, `survey.declined`."""

    survey: Survey
    identifiers: Who
    channel: Channel | None = None


class OptOutData(SurveyContactData):
    """Data of `survey.opted_out`; `everything`: of service messages, too."""

    everything: Annotated[bool, Field(strict=True)] = False


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
    provenance: Provenance | None = None


class LinkData(Strict):
    """The response that a case is about, as its source tells it."""

    source: Annotated[Text, StringConstraints(max_length=64)]
    survey: Survey
    response_id: Text


class CaseData(Strict):
    """Data of `case.opened`, `case.resolved`, `case.reopened`.

    `case_id` is the helpdesk's name, a slash, and its id of the case. What the case says stays
    where it is.
    """

    case_id: Annotated[Text, Field(pattern=r"^\s*[^/\s]+/\S")]
    identifiers: Who | None = None
    response: LinkData | None = None


class ActionData(Strict):
    """Data of `action.completed`: by whom, or upon which delivery of ours, or both."""

    what: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    identifiers: Who | None = None
    delivery_id: UUID | None = None
    play: Text | None = None
    action: Text | None = None
    target: Text | None = None


class MessageData(Strict):
    """Data of `message.*`: about our delivery (its id), or anybody's message (identifiers)."""

    identifiers: Who | None = None
    delivery_id: UUID | None = None
    channel: Channel
    contact_class: ContactClass = "marketing"
    target: Text | None = None


class UnsubscribeData(MessageData):
    """Data of `message.unsubscribed`; `everything`: from service messages, too."""

    everything: Annotated[bool, Field(strict=True)] = False
