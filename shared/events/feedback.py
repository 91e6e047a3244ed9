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
#: A hold ends; an answer counts as complete; a resolved case is asked about; nobody answered; the
#: last order of a promoter is so long ago that she has left.
#: `lifecycle`, `maturity`: time alone changed what she is to the house, or how ripe a promoter is.
#: `policy` is no moment of hers: another policy is in force, and she is to be decided about anew.
TimerKind = Literal[
    "hold_end", "settle", "resurvey", "lapse", "churn", "policy", "lifecycle", "maturity"
]
#: `nps` alone makes a segment; the others are kept and count as answers.
Metric = Literal["nps", "csat", "ces", "stars"]
#: Where data about people comes from. Bought addresses carry no consent, whatever the seller says.
Provenance = Literal["own", "partner", "bought"]

#: Far beyond any scale, and far inside what every reader's numbers hold.
_MOST = 1_000_000_000
_Number = (
    Annotated[int, Field(ge=-_MOST, le=_MOST)]
    | Annotated[float, Field(ge=-_MOST, le=_MOST, allow_inf_nan=False)]
)


class Given(Fact):
    """The score as the customer gave it, where it is not plainly one of NPS (0 to 10).

    `least` and `most` are the ends of the scale; `band` is what the source calls the place of the
    value on it, such as `satisfied`.
    """

    value: _Number
    least: _Number
    most: _Number
    band: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ResponseReceived(Fact):
    """One message about one response: a patch of the fields it carries, with its revision.

    The response is unique for ever by (source, survey, response_id). `revision` orders the messages
    of one response (the platform's update time in unix ms, or its counter; None: by receipt).
    `answered_at` is the platform's time, or the receipt time where it gave none (`receipt`) or one
    more than ten minutes ahead (`future`). `answers` holds the canonical names (`score`, `comment`,
    `liked_least`, `improve`, `liked_most`, `why`, `reasons`, `callback_requested`, `language`) and
    any other mapped question; `attributes` what becomes a customer attribute. Only under the metric
    `nps` is `score` a whole number from 0 to 10 that makes a segment. `history`: told by an import,
    so it is known and nobody reacts to it.
    """

    TYPE: ClassVar[str] = "survey.response.received"
    VERSION: ClassVar[str] = "1.1"

    source: str
    survey: str
    response_id: str
    revision: int | None = None
    metric: Metric = "nps"
    given: Given | None = None
    answered_at: Moment
    answered_at_origin: TimeOrigin
    received_at: Moment
    complete: bool
    identifiers: tuple[Identifier, ...] = ()
    answers: dict[str, Value] = Field(default_factory=dict)
    attributes: dict[str, Value] = Field(default_factory=dict)
    consents: tuple[ConsentStatement, ...] = ()
    history: bool = False
    provenance: Provenance | None = None


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
    """The customer wants no more surveys: an opt-out of surveys and of marketing, in all tools.

    `everything`: she wants to hear nothing at all, not even service messages.
    """

    TYPE: ClassVar[str] = "survey.opted_out"
    VERSION: ClassVar[str] = "1.1"

    everything: bool = False


class ResponseLink(Fact):
    """The response that something else is about."""

    source: str
    survey: str
    response_id: str


class _CaseStep(Fact):
    """One step of a customer's problem at a helpdesk.

    `case_id` is `source/id`, with the id by which the helpdesk knows it: so a step that names
    nobody still finds her. What the case says (its subject, its text) stays at the helpdesk.
    """

    VERSION: ClassVar[str] = "1.0"

    case_id: Annotated[str, Field(min_length=3, max_length=512)]
    identifiers: tuple[Identifier, ...] = ()
    occurred_at: Moment
    response: ResponseLink | None = None


class CaseOpened(_CaseStep):
    """A case was opened: while it is open, she is neither asked nor sold to."""

    TYPE: ClassVar[str] = "case.opened"


class CaseResolved(_CaseStep):
    """A case was resolved."""

    TYPE: ClassVar[str] = "case.resolved"


class CaseReopened(_CaseStep):
    """A case that was resolved is open again."""

    TYPE: ClassVar[str] = "case.reopened"


class CustomerUpdated(Fact):
    """What a CRM knows: attributes, consents, a contact hold, further identifiers that link."""

    TYPE: ClassVar[str] = "customer.updated"
    VERSION: ClassVar[str] = "1.1"

    identifiers: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    occurred_at: Moment
    attributes: dict[str, Value] = Field(default_factory=dict)
    consents: tuple[ConsentStatement, ...] = ()
    provenance: Provenance | None = None


class TimerDue(Fact):
    """A moment the segmenter waited for has come. `arm` counts how often this timer was set.

    `subject` says which of her timers of one kind it is: the hash of an answer or of a case; empty
    where she has one of the kind. Of the kind `policy` it is the policy's version, and `arm` the
    version of her state that was looked at.
    """

    TYPE: ClassVar[str] = "timer.due"
    VERSION: ClassVar[str] = "1.4"

    kind: TimerKind
    customer_id: UUID
    subject: str = ""
    arm: int
    due_at: Moment


class MergeRequested(Fact):
    """A person says that two customers are one. Whose id stays is decided when it is handled.

    `asked_by` is the name of the token that asked.
    """

    TYPE: ClassVar[str] = "customer.merge_requested"
    VERSION: ClassVar[str] = "1.0"

    customer_id: UUID
    other_id: UUID
    asked_by: str
    asked_at: Moment


class UnmergeRequested(Fact):
    """A person says that a customer who was merged into another is somebody of her own.

    `customer_id` is hers, as it was before the merge; whoever had been merged into her comes along.
    """

    TYPE: ClassVar[str] = "customer.unmerge_requested"
    VERSION: ClassVar[str] = "1.0"

    customer_id: UUID
    asked_by: str
    asked_at: Moment


class ErasureRequested(Fact):
    """Forget a person: everything told of her up to `erased_before`, wherever it is kept.

    `people` holds HMAC-SHA-256s (hex) of her normalised identifiers under the route key, which all
    services hold: enough to find her rows, nothing to read. `customer_ids` are those known when it
    was asked. What she says after `erased_before` makes a new customer.
    """

    TYPE: ClassVar[str] = "customer.erase_requested"
    VERSION: ClassVar[str] = "1.0"

    erasure_id: UUID
    customer_ids: tuple[UUID, ...] = ()
    people: tuple[str, ...] = ()
    erased_before: Moment
    asked_by: str


MergeCommand = MergeRequested | UnmergeRequested
CaseStep = CaseOpened | CaseResolved | CaseReopened
FeedbackData = (
    ResponseReceived
    | InvitationSent
    | SurveyShown
    | SurveyDeclined
    | SurveyOptedOut
    | CaseStep
    | CustomerUpdated
    | MergeCommand
    | ErasureRequested
    | TimerDue
)
