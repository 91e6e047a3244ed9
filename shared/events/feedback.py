"""Topic `nps.feedback`: what happened at the survey tool, the CRM or by the clock."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.vocabulary import (
    Channel,
    ConsentStatement,
    Fact,
    Identifier,
    Moment,
    Value,
)

TimeOrigin = Literal["platform", "receipt", "future"]
TimerKind = Literal["hold_end"]


class ResponseReceived(Fact):
    """One message about one response: a patch of the fields it carries, with its revision.

    The response is unique for ever by (source, survey, response_id). `revision` orders the messages
    of one response (the platform's update time in unix ms, or its counter; None: by receipt).
    `answered_at` is the platform's time, or the receipt time where it gave none (`receipt`) or one
    more than ten minutes ahead (`future`). `answers` holds the canonical names (`score`, `comment`,
    `liked_least`, `improve`, `liked_most`, `why`, `reasons`, `callback_requested`, `language`) and
    any other mapped question; `attributes` what becomes a customer attribute.
    """

    TYPE: ClassVar[str] = "survey.response.received"
    VERSION: ClassVar[str] = "1.0"

    source: str
    survey: str
    response_id: str
    revision: int | None = None
    metric: Literal["nps"] = "nps"
    answered_at: Moment
    answered_at_origin: TimeOrigin
    received_at: Moment
    complete: bool
    identifiers: tuple[Identifier, ...] = ()
    answers: dict[str, Value] = Field(default_factory=dict)
    attributes: dict[str, Value] = Field(default_factory=dict)
    consents: tuple[ConsentStatement, ...] = ()


class _SurveyContact(Fact):
    """What the three facts about asking have in common."""

    VERSION: ClassVar[str] = "1.0"

    survey: str
    identifiers: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    occurred_at: Moment
    channel: Channel | None = None


class InvitationSent(_SurveyContact):
    """A survey invitation left for the customer: it starts the survey clocks."""

    TYPE: ClassVar[str] = "survey.invitation.sent"


class SurveyShown(_SurveyContact):
    """A survey was shown in an app or on a page: it starts the survey clocks."""

    TYPE: ClassVar[str] = "survey.shown"


class SurveyDeclined(_SurveyContact):
    """The customer closed the survey unanswered: it starts the survey clocks."""

    TYPE: ClassVar[str] = "survey.declined"


class SurveyOptedOut(_SurveyContact):
    """The customer wants no more surveys: an opt-out of surveys and of marketing, in all tools."""

    TYPE: ClassVar[str] = "survey.opted_out"


class CustomerUpdated(Fact):
    """What a CRM knows: attributes, consents, a contact hold, further identifiers that link."""

    TYPE: ClassVar[str] = "customer.updated"
    VERSION: ClassVar[str] = "1.0"

    identifiers: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    occurred_at: Moment
    attributes: dict[str, Value] = Field(default_factory=dict)
    consents: tuple[ConsentStatement, ...] = ()


class TimerDue(Fact):
    """A moment the segmenter waited for has come. `arm` counts how often this timer was set."""

    TYPE: ClassVar[str] = "timer.due"
    VERSION: ClassVar[str] = "1.0"

    kind: TimerKind
    customer_id: UUID
    arm: int
    due_at: Moment


FeedbackData = (
    ResponseReceived
    | InvitationSent
    | SurveyShown
    | SurveyDeclined
    | SurveyOptedOut
    | CustomerUpdated
    | TimerDue
)
