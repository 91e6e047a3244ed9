"""The spans of planning: one for the batch, one per decision; all that it leads to hangs on it.

Only built while traces are on. A decision's span has the number that its id gives, so that a
delivery or a push, which are rows and may wait for days, name it without having kept it.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.dispatcher.consume.plans import Told
from shared.bus.consume import Received
from shared.events.decisions import CustomerDecided
from shared.traces.places import Place, span_of, told_in
from shared.traces.traces import Span, Traces


class PlanSpans:
    """One batch of events; `tell` for what of it is planned, then `tell_batch`."""

    def __init__(self, traces: Traces, batch: Sequence[Received]) -> None:
        self._traces = traces
        self._began = traces.now()
        self._size = len(batch)
        self._told_by: dict[UUID, Place | None] = {}
        self._places: dict[UUID, Place] = {}
        for one in batch:
            data = one.event.data
            if isinstance(data, CustomerDecided):
                told = told_in(one.record.headers)
                self._told_by[one.event.id] = told
                self._places[one.event.id] = traces.of(
                    data.cause.id, told=told, span=span_of(data.decision_id)
                )
        self._batch = traces.over(self._places.values())

    def tell(self, run: Iterable[Told], created: Mapping[UUID, Mapping[str, str]]) -> None:
        """Tell these decisions, with the state of each delivery by its play."""
        ended = self._traces.now()
        for item in {item.event_id: item for item in run}.values():
            place, told = self._places[item.event_id], self._told_by[item.event_id]
            if not place.sampled:
                continue
            below = told is not None and told.trace == place.trace
            # What it is about may be older than what told it: an answer whose window has closed.
            others = [] if told is None or below else [told]
            deliveries = created.get(item.event_id, {})
            self._traces.tell(
                Span(
                    "plan",
                    place,
                    self._began,
                    ended,
                    parent=told if below else None,
                    links=[self._batch, *others],
                    kind="consumer",
                    attributes={
                        "nps.event_id": str(item.event_id),
                        "nps.event_type": CustomerDecided.TYPE,
                        "nps.cause": str(item.decision.cause.id),
                        "nps.customer_id": str(item.decision.customer_id),
                        "nps.decision_id": str(item.decision.decision_id),
                        "nps.version": item.decision.version,
                        "nps.deliveries": [
                            f"{play}: {state}" for play, state in deliveries.items()
                        ],
                        "messaging.operation.type": "process",
                    },
                )
            )

    def tell_batch(self) -> None:
        """Tell the batch itself."""
        told = self._told_by.values()
        self._traces.tell_batch("plan batch", self._batch, self._began, told, self._size)
