"""Telling `nps.outcomes` that a platform shows a refusal, as its own web-hook would have told it.

At least once, always under the same event id: the mark goes after the bus has acknowledged. The
event's source is the target; its time is when the refusal was first seen, since platforms do not
show when she said it.
"""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.consent import store
from services.dispatcher.metrics import Metrics
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.events.envelope import OUTCOMES, Event, encode
from shared.events.outcomes import MessageUnsubscribed
from shared.events.vocabulary import Identifier
from shared.observe import Lines

_log = Lines(__name__)
_MOST: Final = 500


async def tell_shown(engine: AsyncEngine, publisher: Publisher, metrics: Metrics) -> None:
    """Tell the refusals that are untold. Raises `DependencyAway`."""
    with away_as_dependency():
        async with engine.begin() as connection:
            rows = await store.untold(connection, _MOST)
            if not rows:
                return
            await publisher.publish([_message(row) for row in rows])
            await store.told(connection, [row.event_id for row in rows])
    for row in rows:
        metrics.refusals_shown.labels(row.target).inc()
        _log.info(
            "dispatcher.refusal_shown",
            {
                "event_id": str(row.event_id),
                "customer_id": str(row.customer_id),
                "target": row.target,
                "field": row.proof,
            },
        )


def _message(row: Any) -> Message:
    refused = MessageUnsubscribed(
        identifiers=(Identifier(kind=row.kind, value=row.value),),
        channel=row.channel,
        target=row.target,
        occurred_at=row.changed_at,
        proof=row.proof,
    )
    event = Event(row.event_id, row.target, row.changed_at, refused)
    return Message(topic=OUTCOMES, key=str(row.customer_id), value=encode(event))
