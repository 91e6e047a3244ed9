"""What is known, as values. Pure.

In: an event. Out: a `Fact` with the key that orders it, and the keys by which its customer is
found; or `Unprocessable`. Promise: equal events give equal facts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Final, cast
from uuid import UUID

from shared import identifiers
from shared.errors import Unprocessable
from shared.events import feedback, outcomes
from shared.events.envelope import Event, written

SurveyContact = (
    feedback.InvitationSent
    | feedback.SurveyShown
    | feedback.SurveyDeclined
    | feedback.SurveyOptedOut
)
FactData = (
    feedback.ResponseReceived
    | SurveyContact
    | feedback.CaseStep
    | feedback.CustomerUpdated
    | outcomes.DeliverySettled
    | outcomes.MessageReport
    | outcomes.ActionCompleted
)
MODELS: Final[dict[str, type[FactData]]] = {
    model.TYPE: model
    for model in (
        feedback.ResponseReceived,
        feedback.InvitationSent,
        feedback.SurveyShown,
        feedback.SurveyDeclined,
        feedback.SurveyOptedOut,
        feedback.CaseOpened,
        feedback.CaseResolved,
        feedback.CaseReopened,
        feedback.CustomerUpdated,
        outcomes.DeliverySettled,
        outcomes.MessageSent,
        outcomes.MessageDelivered,
        outcomes.MessageBounced,
        outcomes.MessageOpened,
        outcomes.MessageUnsubscribed,
        outcomes.ActionCompleted,
    )
}

_FACTS: Final = tuple(MODELS.values())
#: How a customer is found: (kind, value). Beside the identifiers of the wire there are `case` and
#: `delivery`: a helpdesk's case leads to the customer whose it is, a delivery of ours to the one it
#: went to, whichever step or report of it comes first.
Key = tuple[str, str]
#: The order in which keys are asked: the customer of the first one owns the fact.
ORDER: Final = (*identifiers.ORDER, "case", "delivery")
#: Place among the copies of one event: receipt, occurred at.
CopyPlace = tuple[datetime, datetime]
PERSONAL: Final = frozenset({"external_id", "email", "phone"})

#: Moments outside are mistakes; inside, adding a policy's days can never overflow.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
_BIGINT: Final = 2**63
#: As long as a step of a case may name it.
_LONGEST_CASE: Final = 512


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known. `received_at` is the least of all copies' receipts.

    `source` told it: the answer's, else that of its event (None: kept before that was noted).
    """

    event_id: UUID
    occurred_at: datetime
    identity: str
    revision: int | None
    received_at: datetime
    keys: tuple[Key, ...]
    data: FactData
    source: str | None = None
    #: Place among all facts: occurred at, identity, revision or receipt, event id.
    order: tuple[datetime, str, int, datetime, str] = field(init=False, repr=False, compare=False)
    #: Its data as JSON, where that was written to look at it; it is the larger part of its row.
    body: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Tell the place once: sorting and each part of a profile ask for it."""
        answer = isinstance(self.data, feedback.ResponseReceived)
        revision = -1 if self.revision is None else self.revision
        # Only an answer's receipt is a fact; other events' receipts differ from copy to copy.
        received = self.received_at if answer else self.occurred_at
        order = (self.occurred_at, self.identity, revision, received, str(self.event_id))
        object.__setattr__(self, "order", order)

    @property
    def copy_place(self) -> CopyPlace:
        """Of copies the one received first is the fact; at one moment, that of what was first.

        Copies differ in what our own clocks said of them. A case of ours is told again while its
        first telling is under way, and by then its answer may be known by an earlier message.
        """
        return self.received_at, self.occurred_at

    @property
    def kind(self) -> str:
        """The event's type."""
        return self.data.TYPE


def fact_of(event: Event) -> Fact:
    """Read an event as a fact. Raises `Unprocessable` for what can be none."""
    data = event.data
    if not isinstance(data, _FACTS):
        raise Unprocessable(f"{event.type} is no fact about a customer")
    return make(event.id, data, event.time, event.source)


def make(event_id: UUID, data: FactData, received_at: datetime, source: str | None = None) -> Fact:
    """Build the fact that `data` tells; `source` is its event's. Raises `Unprocessable`."""
    _refuse_odd_moments(data)
    keys = _keys(data)
    if any("\x00" in value for _, value in keys):
        raise Unprocessable("an identifier holds a NUL character")
    if isinstance(data, feedback.ResponseReceived):
        if data.revision is not None and not -_BIGINT <= data.revision < _BIGINT:
            raise Unprocessable("revision does not fit 64 bits")
        identity = f"{data.source}/{data.survey}/{data.response_id}"
        clean, body = storable(data)
        return Fact(
            event_id,
            data.answered_at,
            identity,
            data.revision,
            data.received_at,
            keys,
            clean,
            data.source,
            body,
        )
    at = data.at if isinstance(data, outcomes.DeliverySettled) else data.occurred_at
    source = source.replace("\x00", "") if source else None
    clean, body = storable(data)
    return Fact(event_id, at, str(event_id), None, received_at, keys, clean, source, body)


def storable(data: FactData) -> tuple[FactData, str]:
    """Make every text and number one that PostgreSQL and JSON give back as it was.

    PostgreSQL stores no NUL character. Of 1e20 its `jsonb` makes a whole number of 21 digits, which
    no JSON writer of ours takes: beyond 64 bits a number becomes its text. Infinity becomes null.
    Given with its JSON, which is looked at for it and is what is stored.
    """
    if not any(map(_is_odd, _values(data))):
        body = written(data)
        if b"\\u0000" not in body:
            return data, body.decode()
    clean = type(data).model_validate(_clean(data.model_dump(mode="python")))
    return clean, written(clean).decode()


def _values(data: FactData) -> Iterator[object]:
    if isinstance(data, feedback.ResponseReceived):
        yield from data.answers.values()
    if isinstance(data, feedback.ResponseReceived | feedback.CustomerUpdated):
        yield from data.attributes.values()


def _is_odd(value: object) -> bool:
    # Written so that "not a number" is odd, too.
    return isinstance(value, int | float) and not -_BIGINT <= value < _BIGINT


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if _is_odd(value):
        return str(value) if isinstance(value, int) or isfinite(cast(float, value)) else None
    return value


def ticket_of(data: outcomes.DeliverySettled) -> str | None:
    """Name the ticket that a delivery made as its helpdesk's own steps will; None: it made none.

    A target and the source of its web-hooks go by one name, so both call it `name/number`.
    """
    if data.channel != "ticket" or not data.reference:
        return None
    named = f"{data.target}/{data.reference}"
    return named if len(named) <= _LONGEST_CASE else None


def _keys(data: FactData) -> tuple[Key, ...]:
    """List all keys of an event in `ORDER`; every one of them links to the others.

    A ticket's number comes last: the delivery says whose it is.
    """
    found: set[Key] = set()
    if isinstance(data, outcomes.DeliverySettled):
        ticket = ticket_of(data)
        mine = ("delivery", str(data.delivery_id))
        return (mine,) if ticket is None else (mine, ("case", ticket))
    found.update((identifier.kind, identifier.value) for identifier in data.identifiers)
    if isinstance(data, feedback.ResponseReceived):
        found.add(_response_key(data))
    elif isinstance(data, feedback.CaseStep):
        found.add(("case", data.case_id))
        if data.response is not None:
            found.add(_response_key(data.response))
    elif (
        isinstance(data, outcomes.MessageReport | outcomes.ActionCompleted)
        and data.delivery_id is not None
    ):
        found.add(("delivery", str(data.delivery_id)))
    return tuple(sorted(found, key=lambda key: (ORDER.index(key[0]), key[1])))


def _response_key(data: feedback.ResponseReceived | feedback.ResponseLink) -> Key:
    try:
        identifier = identifiers.response(data.source, data.survey, data.response_id)
    except ValueError:
        raise Unprocessable("source, survey and response id are too long together") from None
    return identifier.kind, identifier.value


def _moments(data: FactData) -> Iterator[datetime]:
    if isinstance(data, feedback.ResponseReceived):
        yield from (data.answered_at, data.received_at)
    elif isinstance(data, outcomes.DeliverySettled):
        yield data.at
    else:
        yield data.occurred_at
    if isinstance(data, feedback.ResponseReceived | feedback.CustomerUpdated):
        yield from (statement.said_at for statement in data.consents)


def whole(fact: Fact) -> Fact:
    """Give back all keys that its event names to a fact of which some were left out."""
    keys = _keys(fact.data)
    return fact if len(keys) == len(fact.keys) else replace(fact, keys=keys)


def _refuse_odd_moments(data: FactData) -> None:
    if any(not _FIRST <= moment < _END for moment in _moments(data)):
        raise Unprocessable("a moment lies before 1970 or after 2199")
