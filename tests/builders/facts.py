"""Events as the segmenter receives them, with invented people; and a segmenter to feed them to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.handle import Handler
from services.segmenter.metrics import Metrics
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.facts import Fact, fact_of
from services.segmenter.profile.state import Step
from services.segmenter.themes.themes import finder
from shared import identifiers
from shared.bus.consume import Received
from shared.bus.port import Message, Partition, Record
from shared.errors import BusAway
from shared.events import feedback, ids, outcomes
from shared.events.decisions import CustomerDecided, CustomerMerged
from shared.events.envelope import Event, EventData, decode, encode
from shared.events.vocabulary import (
    Channel,
    ConsentStatement,
    ContactClass,
    Identifier,
    Purpose,
    Value,
)
from shared.settings import Loaded, load_yaml, read_yaml
from shared.traces.traces import Traces
from tests.builders.auditing import trail

SHIPPED = Path(__file__).resolve().parent.parent.parent / "deploy" / "config" / "policy.yaml"
#: The day of most tests.
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ROUTE_KEY = b"the key of routes"
ANNA = "anna@example.com"
BEN = "ben@example.org"


def day(number: float) -> datetime:
    """`NOON`, so many days later (or earlier)."""
    return NOON + timedelta(days=number)


def ids_of(
    email: str | None = None, external_id: str | None = None, phone: str | None = None
) -> tuple[Identifier, ...]:
    """Identifiers as ingest normalises them."""
    found = (
        identifiers.external_id(external_id) if external_id else None,
        identifiers.AS_SAID.email(email) if email else None,
        identifiers.AS_SAID.phone(phone) if phone else None,
    )
    return tuple(identifier for identifier in found if identifier)


def event(data: EventData, *name: object, received: datetime = NOON) -> Event:
    """Wrap data as an event whose id comes from `name` (from the data itself, where none)."""
    parts = name or (data.model_dump_json(),)
    return Event(id=ids.name_id("test", data.TYPE, *parts), source="test", time=received, data=data)


def answered(
    response_id: str,
    score: int | None = None,
    *,
    email: str | None = ANNA,
    people: tuple[Identifier, ...] | None = None,
    at: datetime = NOON,
    received: datetime | None = None,
    revision: int | None = None,
    complete: bool = True,
    origin: feedback.TimeOrigin = "platform",
    survey: str = "nps",
    attributes: Mapping[str, Value] | None = None,
    consents: tuple[ConsentStatement, ...] = (),
    cleared: tuple[str, ...] = (),
    metric: feedback.Metric = "nps",
    given: feedback.Given | None = None,
    history: bool = False,
    provenance: feedback.Provenance | None = None,
    **answers: Value,
) -> Event:
    """One message about a response; `at` is the platform's time, or the receipt by `origin`.

    `people` names somebody by more than `email`; `cleared` are answers that it takes back.
    """
    receipt = received or at
    told = dict(answers) if score is None else {"score": score, **answers}
    told.update(dict.fromkeys(cleared))
    data = feedback.ResponseReceived(
        source="demo",
        survey=survey,
        response_id=response_id,
        revision=revision,
        answered_at=at if origin == "platform" else receipt,
        answered_at_origin=origin,
        received_at=receipt,
        complete=complete,
        identifiers=ids_of(email) if people is None else people,
        answers=told,
        attributes=dict(attributes or {}),
        consents=consents,
        metric=metric,
        given=given,
        history=history,
        provenance=provenance,
    )
    # As ingest names it: the receipt is no part of the name, nor that it was imported.
    unnamed = {"received_at", "answered_at", "history"}
    content = data.model_dump(mode="json", exclude=unnamed)
    return event(data, response_id, revision, ids.content_hash(content), received=receipt)


def says(
    *, granted: bool, at: datetime = NOON, purpose: Purpose = "marketing", channel: Any = "email"
) -> ConsentStatement:
    """A consent statement."""
    return ConsentStatement(channel=channel, purpose=purpose, granted=granted, said_at=at)


def updated(
    *named: Identifier,
    at: datetime = NOON,
    attributes: Mapping[str, Value] | None = None,
    consents: tuple[ConsentStatement, ...] = (),
    provenance: feedback.Provenance | None = None,
) -> Event:
    """What a CRM tells."""
    return event(
        feedback.CustomerUpdated(
            identifiers=named or ids_of(ANNA),
            occurred_at=at,
            attributes=dict(attributes or {}),
            consents=consents,
            provenance=provenance,
        )
    )


_STEPS: dict[str, Callable[..., feedback.CaseStep]] = {
    "opened": feedback.CaseOpened,
    "resolved": feedback.CaseResolved,
    "reopened": feedback.CaseReopened,
}


def case(
    step: Step,
    case_id: str = "helpdesk/1",
    *,
    email: str | None = ANNA,
    at: datetime = NOON,
    response: feedback.ResponseLink | None = None,
) -> Event:
    """A step of a case, as a helpdesk tells it."""
    return event(
        _STEPS[step](case_id=case_id, identifiers=ids_of(email), occurred_at=at, response=response)
    )


def completed(
    what: str = "review_left",
    email: str | None = ANNA,
    *,
    delivery: str | None = None,
    at: datetime = NOON,
) -> Event:
    """A customer did what an action asks for."""
    return event(
        outcomes.ActionCompleted(
            what=what,
            identifiers=ids_of(email),
            delivery_id=ids.name_id("delivery", delivery) if delivery else None,
            occurred_at=at,
        )
    )


def invited(email: str = ANNA, *, at: datetime = NOON, survey: str = "nps") -> Event:
    """A survey invitation was sent."""
    return event(feedback.InvitationSent(survey=survey, identifiers=ids_of(email), occurred_at=at))


def opted_out(email: str = ANNA, *, at: datetime = NOON) -> Event:
    """A customer wants no more surveys."""
    return event(feedback.SurveyOptedOut(survey="nps", identifiers=ids_of(email), occurred_at=at))


def settled(
    customer_id: UUID,
    delivery: str = "delivery-1",
    *,
    state: outcomes.DeliveryState = "accepted",
    at: datetime = NOON,
    channel: Channel = "email",
    target: str = "sandbox",
    change: int = 1,
    contact_class: ContactClass = "service",
    reference: str | None = None,
    case_id: str | None = None,
) -> Event:
    """A delivery of ours reached a state; `reference` and `case_id` tell the ticket it made."""
    return event(
        outcomes.DeliverySettled(
            delivery_id=ids.name_id("delivery", delivery),
            change=change,
            customer_id=customer_id,
            cause_id=ids.name_id("cause", delivery),
            play="reassurance",
            action="reassure",
            channel=channel,
            contact_class=contact_class,
            target=target,
            state=state,
            message="none",
            reason="taken",
            at=at,
            reference=reference,
            case_id=case_id,
        )
    )


def reported(
    model: Callable[..., outcomes.MessageReport],
    email: str | None = ANNA,
    *,
    delivery: str | None = None,
    at: datetime = NOON,
    channel: Channel = "email",
    contact_class: ContactClass = "marketing",
    target: str | None = "newsletter",
) -> Event:
    """A platform's report about one message."""
    return event(
        model(
            identifiers=ids_of(email),
            delivery_id=ids.name_id("delivery", delivery) if delivery else None,
            channel=channel,
            contact_class=contact_class,
            target=target,
            occurred_at=at,
        )
    )


def fact(told: Event) -> Fact:
    """Read an event as a fact."""
    return fact_of(told)


@cache
def shipped_policy() -> Loaded[Policy]:
    """The shipped example policy."""
    return load_yaml(SHIPPED, Policy)


def rulebook(policy: Policy | None = None) -> Rulebook:
    """A policy made ready; the shipped one by default."""
    policy = policy or shipped_policy().value
    return Rulebook(policy, "test-policy", finder(policy))


@cache
def rulebook_of(text: str) -> Rulebook:
    """A policy made ready from its text, with the version that a process gives it."""
    loaded = read_yaml(text, SHIPPED, Policy)
    return Rulebook(loaded.value, loaded.version, finder(loaded.value))


class Shelf:
    """A publisher that keeps what is published; `away` is how many calls fail first."""

    def __init__(self, away: int = 0) -> None:
        self.messages: list[Message] = []
        self.away = away

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep the messages, or raise `BusAway`."""
        if self.away:
            self.away -= 1
            raise BusAway("the bus is away")
        self.messages.extend(messages)

    def events(self) -> list[Event]:
        """Everything published, decoded."""
        return [decode(message.value) for message in self.messages]

    def decided(self) -> list[CustomerDecided]:
        """Every decision published, in order."""
        return [e.data for e in self.events() if isinstance(e.data, CustomerDecided)]

    def merged(self) -> list[CustomerMerged]:
        """Every merge published, in order."""
        return [e.data for e in self.events() if isinstance(e.data, CustomerMerged)]


def received(*events: Event) -> list[Received]:
    """Events as the consumer loop hands them over."""
    return [
        Received(Record(Partition(told.topic, 0), offset, "key", encode(told), told.time), told)
        for offset, told in enumerate(events)
    ]


def handler(
    engine: AsyncEngine,
    shelf: Shelf,
    *,
    now: datetime | Callable[[], datetime] = NOON,
    policy: Policy | None = None,
    text: str | None = None,
    book: Rulebook | None = None,
    new_id: Callable[[], UUID] = uuid4,
    registry: CollectorRegistry | None = None,
    traces: Traces | None = None,
) -> Handler:
    """A segmenter's handler whose clock stands at `now`; its metrics on `registry`.

    The policy as a value, as its text, or made ready.
    """
    return Handler(
        engine,
        shelf,
        book or (rulebook(policy) if text is None else rulebook_of(text)),
        text or "the text of the policy",
        clock=now if callable(now) else lambda: now,
        metrics=Metrics(registry or CollectorRegistry()),
        route_key=ROUTE_KEY,
        trail=trail("segmenter"),
        new_id=new_id,
        traces=traces,
    )
