"""The span that the running code is part of, for what is called deep inside of it.

A request does not know the cause of what it brings before that is read; a call of a platform is
made by code that knows nothing of deliveries. Only set while traces are on.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from shared.traces.places import Place


@dataclass(slots=True)
class Arrival:
    """A request under way: the number of its span, and what it told the bus.

    `place` is set by the first event alone that it brings: the request belongs to that trace.
    """

    number: int
    place: Place | None = None
    event_id: str | None = None
    told: list[Place] = field(default_factory=list)


ARRIVAL: Final[ContextVar[Arrival | None]] = ContextVar("arrival", default=None)
#: The call of a platform that this task makes.
CALL: Final[ContextVar[Place | None]] = ContextVar("call", default=None)
