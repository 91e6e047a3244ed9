"""How much of a core the sweep may take, by whether events wait. Pure.

In: what the consumer's loop told of each batch, the moment, and how a step of the sweep went. Out:
how long to rest after it. Deciding comes first: while events wait, what looks back can wait, too.
"""

from datetime import datetime, timedelta
from typing import Final

#: A step is followed by a pause of so many times its length: a quarter of a core at most, for
#: questions of the same process come first.
_REST: Final = 3.0
#: While events wait: a twentieth. The first reading of everybody, at a quarter of a core, took
#: a tenth of what each event of a backlog cost.
_REST_BUSY: Final = 19.0
#: When nobody changed: how often to look.
_IDLE_S: Final = 2.0
#: An event is decided within a second of its arrival unless others are before it.
_LATE: Final = timedelta(seconds=2)
#: No batch ended for so long: nothing waits, or something is in the way that no rest helps.
_QUIET: Final = timedelta(seconds=5)


class Backlog:
    """Whether events wait, as the newest batch tells; `most` is how many a batch has at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._until: datetime | None = None

    def batch(self, events: int, oldest: datetime, now: datetime) -> None:
        """Take note of a batch that ended `now`, and of when its oldest event came."""
        full, late = events >= self._most, now - oldest > _LATE
        self._until = now + _QUIET if full or late else None

    def waits(self, now: datetime) -> bool:
        """Tell whether events wait."""
        return self._until is not None and now < self._until


def rest_s(took_s: float, *, idle: bool, busy: bool) -> float:
    """Tell how long to pause after a step that took so long, in seconds."""
    return max(_IDLE_S if idle else 0.0, (_REST_BUSY if busy else _REST) * took_s)
