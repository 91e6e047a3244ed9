"""When a consumer of aiokafka is dead inside and must be made anew. Pure; `now` is an argument.

After a broker's restart or a rebalance a task in it may have ended, or wait for ever, and nothing
says so: it just has no more records, while its heartbeats keep the partitions from everybody else
(aiokafka's issues 712, 847, 1037 and 1154; with 0.14 twice in our tests, after a broker's kill -9).
"""

from collections.abc import Hashable, Mapping
from typing import Final

#: How long no record comes before the broker is asked whether there are any.
IDLE_S: Final = 30.0


class Watch:
    """Looks at one consumer. `joining_s`: how long joining its group may take; `now` monotonic."""

    def __init__(self, now: float, *, joining_s: float, idle_s: float = IDLE_S) -> None:
        self._joining_s = joining_s
        self._idle_s = idle_s
        self._joining_since: float | None = None
        self._asked_at = now
        self._behind: Mapping[Hashable, int] = {}

    def polled(self, now: float) -> None:
        """Records came."""
        self._asked_at = now
        self._behind = {}

    def verdict(self, now: float, *, ended: bool, joining: bool) -> str | None:
        """Say why it must be made anew; None while all is well.

        `ended`: a task that never ends has. `joining`: it has no place in its group, or is to take
        it again.
        """
        if ended:
            return "a task in it ended"
        if not joining:
            self._joining_since = None
            return None
        if self._joining_since is None:
            self._joining_since = now
        return "it joins without end" if now - self._joining_since > self._joining_s else None

    def wants_ends(self, now: float) -> bool:
        """Tell whether the broker should be asked now where the partitions end."""
        return now - self._asked_at >= self._idle_s

    def ends(
        self, now: float, positions: Mapping[Hashable, int], ends: Mapping[Hashable, int]
    ) -> str | None:
        """Take where it reads and where the broker's records end; say why it must be made anew.

        Twice the same place with records behind it, and none came in between: it reads no more.
        """
        behind = {where: at for where, at in positions.items() if at < ends.get(where, 0)}
        stands = behind.items() & self._behind.items()
        self._behind, self._asked_at = behind, now
        return "it reads no more" if stands else None
