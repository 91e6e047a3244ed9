"""Customers as the API shows them: values only. Pure."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.segmenter.profile import consents
from services.segmenter.profile.state import Step
from shared.events.decisions import (
    Budget,
    Cause,
    DecidedCase,
    Hold,
    Move,
    Permit,
    Snapshot,
    TraceLine,
)
from shared.events.feedback import Metric, TimeOrigin, TimerKind
from shared.events.outcomes import DeliverySettled
from shared.events.vocabulary import Channel, Identifier, Purpose, Segment, Value


class View(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True)


class ResponseView(View):
    """One answered survey, all its revisions merged, and the move it brought.

    `score` is the one of NPS; that of another `metric` is among `answers`, and its `segment` is the
    band that the source names, if it has bands. `history`: imported.
    """

    source: str
    survey: str
    response_id: str
    answered_at: datetime
    answered_at_origin: TimeOrigin
    complete: bool
    metric: Metric
    history: bool
    score: int | None
    segment: Segment | None
    move: Move | None
    answers: dict[str, Value]


class AttributeView(View):
    """One attribute as it was said last, by which source and when.

    `wrong` says why it is not believed: it does not fit the type that the policy declares.
    """

    value: Value
    source: str | None
    at: datetime
    wrong: str | None


class ConsentView(View):
    """What the customer's statements about one channel and purpose add up to.

    The rest is of the statement that decides: the newest refusal that stands, else the newest yes.
    """

    channel: Channel
    purpose: Purpose
    state: consents.Consent
    said_at: datetime | None
    source: str | None
    text_version: str | None
    proof: str | None


class ContactView(View):
    """One contact that counts, ours or another's."""

    at: datetime
    channel: Channel
    contact_class: str
    target: str | None
    origin: Literal["ours", "foreign"]


class CaseView(View):
    """A case as its last step left it (`at`), and by when somebody should have called.

    `response` is the answer that it is about; `first_score` and `second_score` are those before the
    case and after it was resolved. `replaced`: a helpdesk's own case about that answer
    says how things stand. `reference` is the number of the ticket that was made for it.
    """

    case_id: str
    open: bool
    step: Step
    at: datetime
    opened_at: datetime
    due_at: datetime
    response: str | None
    replaced: bool
    reference: str | None
    first_score: int | None
    second_score: int | None


class DecisionView(View):
    """One decision with its reasons; `note` says why it was not published, or has none any more."""

    decision_id: UUID
    event_id: UUID
    event_type: str
    version: int
    decided_at: datetime
    published: bool
    note: str | None
    cause: Cause | None = None
    move: Move | None = None
    case: DecidedCase | None = None
    holds: tuple[Hold, ...] = ()
    trace: tuple[TraceLine, ...] = ()
    policy: str | None = None


class DueView(View):
    """What time will bring, if nothing else happens before; `hold_end` is the next end of one."""

    kind: TimerKind
    at: datetime


class CustomerView(View):
    """Everything known about one customer, in one answer.

    `aliases` are ids merged into this one. `completed` says what she did at the prompting of an
    action, and when last. `deliveries` has the last state of each that was told. `holds` stand now;
    `next` has every rule's next date, `due` what time will bring.
    """

    customer_id: UUID
    aliases: tuple[UUID, ...]
    version: int
    created_at: datetime
    identifiers: tuple[Identifier, ...]
    group: str | None
    zone: str
    test: bool
    profile: Snapshot
    attributes: dict[str, AttributeView]
    responses: tuple[ResponseView, ...]
    consents: tuple[ConsentView, ...]
    permits: tuple[Permit, ...]
    budgets: tuple[Budget, ...]
    contacts: tuple[ContactView, ...]
    deliveries: tuple[DeliverySettled, ...]
    cases: tuple[CaseView, ...]
    completed: dict[str, datetime]
    holds: tuple[Hold, ...]
    next: tuple[TraceLine, ...]
    due: tuple[DueView, ...]
    decisions: tuple[DecisionView, ...]
    policy: str


class FoundCustomer(View):
    """One customer that a search found."""

    customer_id: UUID
    segment: Segment | None
    score: int | None
    last_answered_at: datetime | None
