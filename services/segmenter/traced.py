"""The spans of a batch: one for the batch, which links to what told its events, one per event.

Only built while traces are on. A batch is one transaction, so all its events take as long as it.
"""

from collections.abc import Sequence
from uuid import UUID

from services.segmenter.store.rows import Changes
from shared.bus.consume import Received
from shared.traces.causes import cause_of
from shared.traces.places import told_in
from shared.traces.traces import Span, Traces


class BatchSpans:
    """One batch, from its first query to the acknowledgement of its decisions."""

    def __init__(self, traces: Traces, batch: Sequence[Received]) -> None:
        self._traces = traces
        self._began = traces.now()
        self._size = len(batch)
        self._told_by = {one.event.id: told_in(one.record.headers) for one in batch}
        self._places = {
            one.event.id: traces.after(self._told_by[one.event.id], cause_of(one.event))
            for one in batch
        }
        self._batch = traces.over(self._places.values())

    def headers(self, event_id: UUID) -> tuple[tuple[str, bytes], ...]:
        """Return the headers of what is published because of an event."""
        place = self._places.get(event_id)
        # The second word of a merge has an event id of its own.
        return () if place is None else (place.header(),)

    def tell(self, changes: Changes, events: Sequence[UUID], policy: str) -> None:
        """Tell what became of these events, as their lines in the log do."""
        ended = self._traces.now()
        fresh = {decision.event_id for decision in changes.decisions}
        for event_id in events:
            place = self._places[event_id]
            if not place.sampled:
                continue
            decision = changes.answers[event_id]
            self._traces.tell(
                Span(
                    "decide",
                    place,
                    self._began,
                    ended,
                    parent=self._told_by[event_id],
                    links=[self._batch],
                    kind="consumer",
                    attributes={
                        "nps.event_id": str(event_id),
                        "nps.event_type": decision.kind,
                        "nps.customer_id": str(decision.customer_id),
                        "nps.decision_id": str(decision.decision_id),
                        "nps.version": decision.version,
                        "nps.fate": "decided" if event_id in fresh else "published again",
                        "nps.silent": decision.note,
                        "nps.policy": policy,
                        "messaging.operation.type": "process",
                    },
                )
            )

    def tell_batch(self) -> None:
        """Tell the batch itself."""
        told = self._told_by.values()
        self._traces.tell_batch("decide batch", self._batch, self._began, told, self._size)
