"""The spans of calls: an attempt or a push, in the trace of what it is about, below its plan.

In: what was claimed, what became of it. Only built while traces are on; the requests that a call is
made of are told below it by the transport (`shared.traces.calls`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.delivery import Delivery
from services.dispatcher.lanes.record import EndedPush
from services.dispatcher.ledger.desk import ClaimedPush
from shared.traces.current import CALL
from shared.traces.places import Place, span_of
from shared.traces.traces import Span, Traces, sampled

#: What became of a call that did what it is for, or rightly did not.
_DONE: Final[frozenset[Outcome]] = frozenset({"ok", "accepted", "shadow", "suppressed"})


@dataclass(frozen=True, slots=True)
class Begun:
    """A call under way."""

    place: Place
    parent: Place | None
    began: int


class CallSpans:
    """The calls of one target."""

    def __init__(self, traces: Traces, target: str) -> None:
        self._traces = traces
        self._target = target

    def act(self, delivery: Delivery) -> Begun:
        """Begin the attempt of a delivery; its requests, made in this task, are told below it."""
        return self._begun(delivery.cause_id, delivery.decision_id, calls=True)

    def push(self, claimed: ClaimedPush) -> Begun:
        """Begin a push, likewise."""
        return self._begun(claimed.cause, claimed.decision_id, calls=True)

    def pushes(self, group: Sequence[ClaimedPush]) -> tuple[Begun, list[Begun]]:
        """Begin one call for several: it has a trace of its own, each push is in hers."""
        each = [self._begun(one.cause, one.decision_id, calls=False) for one in group]
        whole = self._traces.over(one.place for one in each)
        CALL.set(whole)
        return Begun(whole, None, self._traces.now()), each

    def acted(self, begun: Begun, delivery: Delivery, verdict: Verdict, state: str) -> None:
        """Tell an attempt, as its line in the log does."""
        self._traces.tell(
            Span(
                "act",
                begun.place,
                begun.began,
                self._traces.now(),
                parent=begun.parent,
                attributes={
                    "nps.event_id": str(delivery.event_id),
                    "nps.cause": str(delivery.cause_id),
                    "nps.delivery_id": str(delivery.id),
                    "nps.customer_id": str(delivery.customer_id),
                    "nps.play": delivery.play,
                    "nps.target": self._target,
                    "nps.attempt": delivery.attempts,
                    "nps.outcome": verdict.outcome,
                    "nps.state": state,
                    "nps.reason": verdict.reason,
                },
                failed=_failed(verdict),
            )
        )

    def pushed(
        self, begun: Begun, ended: EndedPush, verdict: Verdict, *, by: Begun | None = None
    ) -> None:
        """Tell a push; `by`: the call for several that it was in."""
        wanted = ended.claimed.wanted
        self._traces.tell(
            Span(
                "push",
                begun.place,
                begun.began,
                self._traces.now(),
                parent=begun.parent,
                links=() if by is None else [by.place],
                attributes={
                    "nps.event_id": _text(ended.claimed.decision_id),
                    "nps.cause": _text(ended.claimed.cause),
                    "nps.customer_id": str(wanted.customer_id),
                    "nps.version": wanted.version,
                    "nps.target": self._target,
                    "nps.attempt": ended.claimed.attempt,
                    "nps.outcome": verdict.outcome,
                    "nps.state": ended.after.state,
                    "nps.reason": ended.after.reason,
                },
                failed=_failed(verdict),
            )
        )

    def pushed_together(self, whole: Begun, each: Sequence[Begun]) -> None:
        """Tell the call for several."""
        self._traces.tell(
            Span(
                "push batch",
                whole.place,
                whole.began,
                self._traces.now(),
                links=sampled(one.place for one in each),
                attributes={"nps.target": self._target, "nps.pushes": len(each)},
            )
        )

    def _begun(self, cause: UUID | None, decision_id: UUID | None, *, calls: bool) -> Begun:
        if cause is None or decision_id is None:  # wanted by a release that did not keep them
            place, parent = self._traces.alone(), None
        else:
            place = self._traces.of(cause)
            parent = Place(place.trace, span_of(decision_id), place.sampled)
        if calls:
            CALL.set(place)
        return Begun(place, parent, self._traces.now())


def _failed(verdict: Verdict) -> str | None:
    return None if verdict.outcome in _DONE else verdict.outcome


def _text(known: UUID | None) -> str | None:
    return None if known is None else str(known)
