"""An event that ingest may publish, and the bus key it gets. Pure."""

from dataclasses import dataclass

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


def message(told: Told, route_key: bytes) -> Message:
    """Make the record to publish. Its key is the route, which tells nothing about the person."""
    if told.identifiers:
        key = identifiers.route(route_key, told.identifiers)
    else:
        # A report that names only our delivery: its id spreads as well as a route.
        key = str(getattr(told.event.data, "delivery_id", told.event.id))
    return Message(topic=told.event.topic, key=key, value=envelope.encode(told.event))
