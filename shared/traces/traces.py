"""Making places and telling spans, by whatever is behind it (`otlp` in production).

A span is told once, after its end, as a value: so nothing is begun that an error could leave open,
and what is off costs its callers one look at None. For one thread, that of the loop.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from uuid import UUID

from shared.traces.places import Place, trace_of

Kind = Literal["server", "client", "producer", "consumer", "internal"]
#: Nothing personal: ids and words of ours, numbers.
Attribute = str | int | float | bool | Sequence[str]

#: What a span links to at most; whoever is linked to names the batch in turn.
MOST_LINKS: Final = 128


@dataclass(frozen=True, slots=True)
class Span:
    """What took from `began` to `ended` (nanoseconds since 1970).

    `parent` is in the same trace, `links` in any. `failed`: why it did not do what it is for, in
    words of ours.
    """

    name: str
    place: Place
    began: int
    ended: int
    parent: Place | None = None
    links: Sequence[Place] = ()
    kind: Kind = "internal"
    attributes: Mapping[str, Attribute | None] | None = None
    failed: str | None = None


class Backend(Protocol):
    """Decides which traces are told, and takes the spans that are."""

    def samples(self, trace: int, parent: Place | None) -> bool:
        """Decide of a trace that begins here (`parent` None), or goes on from another process."""

    def tell(self, span: Span) -> None:
        """Take one span; returns at once, whatever becomes of it."""


class Traces:
    """The traces of one process. `now` tells nanoseconds since 1970."""

    def __init__(self, backend: Backend, now: Callable[[], int] = time.time_ns) -> None:
        self._backend = backend
        self._chance = random.Random()  # noqa: S311 - numbers spans, guards nothing
        self.now = now

    def of(self, cause: UUID, *, told: Place | None = None, span: int | None = None) -> Place:
        """Make a place in the trace of a cause, as `told` by another process if that is of it."""
        trace = trace_of(cause)
        parent = told if told is not None and told.trace == trace else None
        return Place(trace, span or self.number(), self._backend.samples(trace, parent))

    def after(self, told: Place | None, cause: UUID) -> Place:
        """Make a place below what another process told, else the first of the cause's trace."""
        if told is None:
            return self.of(cause)
        return Place(told.trace, self.number(), self._backend.samples(told.trace, told))

    def under(self, parent: Place) -> Place:
        """Make a place below one of this process."""
        return Place(parent.trace, self.number(), parent.sampled)

    def alone(self) -> Place:
        """Make a place in a trace of its own."""
        trace = self._chance.getrandbits(127) + 1
        return Place(trace, self.number(), self._backend.samples(trace, None))

    def over(self, members: Iterable[Place]) -> Place:
        """Make the place of a batch, in a trace of its own: told if one of its members is."""
        trace = self._chance.getrandbits(127) + 1
        return Place(trace, self.number(), any(member.sampled for member in members))

    def tell_batch(
        self, name: str, batch: Place, began: int, told: Iterable[Place | None], size: int
    ) -> None:
        """Tell a batch of so many records, which links to the spans that told them."""
        attributes: dict[str, Attribute | None] = {
            "messaging.operation.type": "process",
            "messaging.batch.message_count": size,
        }
        links = sampled(place for place in told if place is not None)
        self.tell(
            Span(
                name,
                batch,
                began,
                self.now(),
                links=links,
                kind="consumer",
                attributes=attributes,
            )
        )

    def number(self) -> int:
        """Number a new span."""
        return self._chance.getrandbits(63) + 1

    def tell(self, span: Span) -> None:
        """Tell a span that has ended, if its trace is sampled."""
        if span.place.sampled:
            self._backend.tell(span)


def sampled(places: Iterable[Place]) -> list[Place]:
    """Choose what a batch links to."""
    return list(dict.fromkeys(place for place in places if place.sampled))[:MOST_LINKS]
