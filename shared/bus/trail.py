"""Since when the oldest uncommitted record of a partition waits. Pure; `now` is an argument.

Kafka tells offsets only, so the times come from what was polled; what was never polled (paused, or
the start of a process) counts from when it was first noticed.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from datetime import datetime


class Trail:
    """What was polled and not committed: it tells since when the oldest record waits."""

    def __init__(self) -> None:
        self.commits: dict[Hashable, int] = {}
        self._pending: dict[Hashable, deque[tuple[int, datetime]]] = {}
        self._noticed: dict[Hashable, tuple[int, datetime]] = {}

    def polled(self, where: Hashable, records: Sequence[tuple[int, datetime]]) -> None:
        """Remember records (offset, appended at); a rewind brings some again, as they were."""
        pending = self._pending.setdefault(where, deque())
        last = pending[-1][0] if pending else -1
        pending.extend((offset, at) for offset, at in records if offset > last)

    def committed(self, where: Hashable, offset: int) -> None:
        """Forget what is done."""
        self.commits[where] = offset
        pending = self._pending.get(where, deque())
        while pending and pending[0][0] < offset:
            pending.popleft()

    def waiting_since(
        self, where: Hashable, start: int, end: int, now: datetime
    ) -> datetime | None:
        """Tell when the oldest uncommitted record was appended, or noticed if never polled."""
        place = max(self.commits.get(where, 0), start)
        if place >= end:
            self._noticed.pop(where, None)
            return None
        pending = self._pending.get(where)
        if pending:
            return pending[0][1]
        noticed = self._noticed.get(where)
        if noticed is None or noticed[0] != place:
            noticed = self._noticed[where] = (place, now)
        return noticed[1]
