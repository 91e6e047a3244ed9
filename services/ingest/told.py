"""What became of one payload, and the record an event becomes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import identifiers
from shared.bus.port import Message
from shared.events import envelope
from shared.events.envelope import Event
from shared.events.vocabulary import Identifier


@dataclass(frozen=True, slots=True)
class Told:
    """One event, with the identifiers that make its key."""

    event: Event
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class Translated:
    """One event. `unread` names the identifiers that were said and are none (mistyped)."""

    told: Told
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thin:
    """A message of ids only: the response must be fetched. `variables` go into the request."""

    survey: str
    response_id: str
    occurred_at: datetime
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Accepted and not counted: a test message, a survey that this source does not listen to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unmappable:
    """Authentic, and not to be understood: which path failed which rule (nothing of the value)."""

    path: str
    rule: str


Outcome = Translated | Thin | Ignored | Unmappable


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one request's messages; `reasons` are words of ours."""

    event_ids: tuple[UUID, ...] = ()
    fetching: int = 0
    ignored: int = 0
    quarantined: int = 0
    quarantine_id: UUID | None = None
    reasons: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """Name the request by the weightiest thing that became of it."""
        if self.quarantined:
            return "quarantined"
        if self.event_ids:
            return "accepted"
        return "fetching" if self.fetching else "ignored"


def message(told: Told, route_key: bytes) -> Message:
    """Make the record to publish. Its key is the route, which tells nothing about the person."""
    if told.identifiers:
        key = identifiers.route(route_key, told.identifiers)
    else:
        # A report that names only our delivery: its id spreads as well as a route.
        key = str(getattr(told.event.data, "delivery_id", told.event.id))
    return Message(topic=told.event.topic, key=key, value=envelope.encode(told.event))
