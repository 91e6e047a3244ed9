"""How many calls a platform still grants, in windows that glide. Pure.

A window glides: what was used in the span before counts by the part of it that is still in reach,
so no stretch of its length holds twice the number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Literal

#: What calls are counted: profile pushes (deletions are of their kind), actions, or both.
Counted = Literal["all", "push", "act"]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` calls in `per_s` seconds."""

    per_s: int
    most: int
    of: Counted = "all"


@dataclass(frozen=True, slots=True)
class Window:
    """A rate's row: since when, how many were used, and how many in the span before."""

    rate: Rate
    started: datetime
    used: int = 0
    before: int = 0

    def at(self, now: datetime) -> "Window":
        """Go on to the span that holds `now`; a clock that is behind changes nothing."""
        span = timedelta(seconds=self.rate.per_s)
        passed = (now - self.started) // span
        if passed <= 0:
            return self
        before = self.used if passed == 1 else 0
        return replace(self, started=self.started + passed * span, used=0, before=before)

    def left(self, now: datetime) -> int:
        """Tell how many calls may begin now; `self` holds `now`."""
        gone = (now - self.started) / timedelta(seconds=self.rate.per_s)
        still = ceil(self.before * (1 - min(max(gone, 0.0), 1.0)))
        return max(0, self.rate.most - self.used - still)


def least(windows: Sequence[Window], wanted: int, now: datetime) -> int:
    """Tell how many of the calls wanted every window grants."""
    return min([wanted, *(window.left(now) for window in windows)])
