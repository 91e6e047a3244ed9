"""The spans of what intake puts on durable storage, and the `traceparent` of its records.

The spool keeps no headers: what went through it begins anew in the same trace, which its cause
names.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from services.ingest.told import Told
from shared.bus.port import Message
from shared.traces.causes import cause_of
from shared.traces.current import ARRIVAL, Arrival
from shared.traces.places import Place
from shared.traces.traces import Span, Traces

Store = Callable[[Sequence[Told], Sequence[Message]], Awaitable[None]]


async def store_traced(
    traces: Traces, told: Sequence[Told], messages: Sequence[Message], store: Store
) -> None:
    """Store these messages, each with its place; tells a span of each. Raises what `store` does."""
    began, arrival = traces.now(), ARRIVAL.get()
    parent = _arrived(traces, told, arrival)
    places = [
        traces.under(parent) if parent is not None else traces.of(cause_of(item.event))
        for item in told
    ]
    marked = [
        replace(record, headers=(*record.headers, place.header()))
        for record, place in zip(messages, places, strict=True)
    ]
    failed: str | None = "cut off"
    try:
        await store(told, marked)
        failed = None
    except Exception as error:
        failed = type(error).__name__
        raise
    finally:
        ended = traces.now()
        for item, place in zip(told, places, strict=True):
            traces.tell(
                Span(
                    f"publish {item.event.topic}",
                    place,
                    began,
                    ended,
                    parent=parent,
                    kind="producer",
                    attributes={
                        "nps.event_id": str(item.event.id),
                        "nps.event_type": item.event.type,
                        "messaging.operation.type": "send",
                        "messaging.destination.name": item.event.topic,
                        "messaging.batch.message_count": len(told),
                    },
                    failed=failed,
                )
            )
    if arrival is not None:
        arrival.told.extend(places)


def _arrived(traces: Traces, told: Sequence[Told], arrival: Arrival | None) -> Place | None:
    """Give the request the trace of the only event that it brings; None: it has one of its own."""
    if arrival is None or arrival.place is not None or arrival.told or len(told) != 1:
        return None
    (item,) = told
    arrival.place = traces.of(cause_of(item.event), span=arrival.number)
    arrival.event_id = str(item.event.id)
    return arrival.place
