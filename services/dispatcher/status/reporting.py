"""Telling `nps.outcomes` what status calls found, by the events that a web-hook would have made.

At least once, always under the same event id: the mark goes after the bus has acknowledged.
"""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.status import inquiries
from services.dispatcher.tell.tell import SOURCE
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.events.envelope import OUTCOMES, Event, encode
from shared.events.ids import message_event
from shared.events.outcomes import (
    MessageBounced,
    MessageDelivered,
    MessageOpened,
    MessageReport,
    MessageSent,
    MessageState,
    MessageUnsubscribed,
)

_MOST: Final = 500
#: Which stage each report tells; `failed` is nobody's business but the operator's.
STAGES: Final[dict[type[MessageReport], MessageState]] = {
    MessageSent: "sent",
    MessageDelivered: "delivered",
    MessageOpened: "opened",
    MessageBounced: "bounced",
    MessageUnsubscribed: "unsubscribed",
}
_EVENTS: Final = {stage: event for event, stage in STAGES.items()}


async def report_found(engine: AsyncEngine, publisher: Publisher) -> None:
    """Tell what was found and is untold. Raises `DependencyAway`."""
    with away_as_dependency():
        async with engine.begin() as connection:
            rows = await inquiries.untold(connection, _MOST)
            if rows:
                await publisher.publish([_message(row) for row in rows])
                await inquiries.told(connection, [row.delivery_id for row in rows])


def _message(row: Any) -> Message:
    """Say it without her address: the delivery says whose it is, and which was known by then."""
    report = _EVENTS[row.heard](
        delivery_id=row.delivery_id,
        channel=row.channel,
        contact_class=row.contact_class,
        target=row.target,
        occurred_at=row.heard_at,
    )
    event = Event(message_event(row.delivery_id, row.heard), SOURCE, row.heard_at, report)
    return Message(topic=OUTCOMES, key=str(row.customer_id), value=encode(event))
