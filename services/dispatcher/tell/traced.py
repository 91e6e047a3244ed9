"""The spans of telling what became of deliveries, in the traces of what they are about.

Only built while traces are on.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.bus.port import Message
from shared.events.envelope import OUTCOMES
from shared.events.ids import outcome_event
from shared.events.outcomes import DeliverySettled
from shared.traces.places import Place, span_of
from shared.traces.traces import Span, Traces


class ToldSpans:
    """One batch of changes, as rows of the ledger."""

    def __init__(self, traces: Traces, rows: Sequence[Any]) -> None:
        self._traces = traces
        self._rows = rows
        self._began = traces.now()
        self._places = [traces.of(row.cause_id) for row in rows]

    def marked(self, messages: Sequence[Message]) -> list[Message]:
        """Give each record its place."""
        return [
            replace(message, headers=(*message.headers, place.header()))
            for message, place in zip(messages, self._places, strict=True)
        ]

    def tell(self) -> None:
        """Tell that they are acknowledged."""
        ended = self._traces.now()
        for row, place in zip(self._rows, self._places, strict=True):
            self._traces.tell(
                Span(
                    f"publish {OUTCOMES}",
                    place,
                    self._began,
                    ended,
                    parent=Place(place.trace, span_of(row.decision_id), place.sampled),
                    kind="producer",
                    attributes={
                        "nps.event_id": str(outcome_event(row.delivery_id, row.change)),
                        "nps.event_type": DeliverySettled.TYPE,
                        "nps.cause": str(row.cause_id),
                        "nps.delivery_id": str(row.delivery_id),
                        "nps.state": row.state,
                        "messaging.operation.type": "send",
                        "messaging.destination.name": OUTCOMES,
                        "messaging.batch.message_count": len(self._rows),
                    },
                )
            )
