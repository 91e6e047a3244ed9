"""How many calls a platform still grants, in windows that glide. Pure.

A window glides: what was used in the span before counts by the part of it that is still in reach,
so no stretch of its length holds twice the number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

#: What calls are counted: profile pushes (deletions are of their kind), actions, questions what
#: became of messages, or all of them.
Counted = Literal["all", "push", "act", "status"]

_SAID: Final = re.compile(r"(?P<most>[1-9][0-9]{0,5})/(?P<per>s|min|h)")
_SPANS: Final = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` calls in `per_s` seconds, counted over all replicas.

    A call may be several requests (find, then write): where the platform counts requests, the
    number here is smaller.
    """

    # The bounds hold for what is read from a file, as of any setting; not for what is made here.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    per_s: Annotated[int, Field(ge=1, le=86_400, description="seconds")]
    most: Annotated[int, Field(ge=1, description="calls")]
    of: Annotated[
        Counted, Field(description="pushes (with deletions), actions, status calls, or all")
    ] = "all"


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Of the calls in flight to a target at most so many of one kind; None: all of them.

    For platforms that serve both from places of their own: a slow one of them then leaves calls to
    the other. Deletions count with pushes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    push: Annotated[int | None, Field(ge=1, le=256, description="profile pushes")] = None
    act: Annotated[int | None, Field(ge=1, le=256, description="actions")] = None


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


def rate_of(said: str) -> Rate:
    """Read a rate as a person says it: `5/s`, `30/min`, `200/h`. Raises `ValueError`."""
    found = _SAID.fullmatch(said.strip())
    if found is None:
        raise ValueError("a rate is a number per s, min or h, such as 5/s")
    return Rate(_SPANS[found["per"]], int(found["most"]))


def said(rate: Rate) -> str:
    """Say a rate as `rate_of` reads it."""
    per = {seconds: name for name, seconds in _SPANS.items()}[rate.per_s]
    return f"{rate.most}/{per}"
