"""The breakers of a target: when so many calls fail that calling it on only does harm. Pure.

In: what became of calls of one kind in the last minutes, counted over all replicas. Out: whether
their breaker opens, and how bad it is. While it is open none of them is made; then one call at a
time finds out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from services.dispatcher.calls.calls import Outcome

#: Kinds of call, which platforms often serve by APIs of their own; deletions count with pushes.
Kind = Literal["push", "act"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_CALLS: Final[dict[Kind, str]] = {"push": "pushes", "act": "actions"}
#: Calls are counted in spans of this length: what is older than the rule's time goes span by span.
SPAN: Final = timedelta(seconds=10)
#: Shares of failed calls (percent) that a person is told of.
LEVELS: Final = (50, 70, 90, 100)
#: No answer, an error of the platform, an account that is refused. `throttle` is neither good nor
#: bad: the target lives and asks for less.
_FAILED: Final[frozenset[Outcome]] = frozenset({"retry", "in_doubt", "disable_target"})


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """It opens when `share` of at least `least` calls in `over` failed; a probe after `probe`.

    Convoy and Outpost open at 70 % as well; below ten calls a share says nothing.
    """

    share: float = 0.7
    least: int = 10
    over: timedelta = timedelta(minutes=5)
    probe: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many calls ended with an answer that counts, and how many of them failed."""

    calls: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        """The part that failed, from 0 to 1; 0 of no calls."""
        return self.failed / self.calls if self.calls else 0.0


def failed(outcome: Outcome | None) -> bool | None:
    """Tell whether a call counts as failed; None: it does not count (nothing was called, too)."""
    if outcome is None or outcome == "throttle":
        return None
    return outcome in _FAILED


def tally(outcomes: list[Outcome | None]) -> Tally:
    """Count calls by their outcomes."""
    counted = [found for found in map(failed, outcomes) if found is not None]
    return Tally(len(counted), sum(counted))


def opens(rule: BreakerRule, found: Tally) -> bool:
    """Tell whether this many failures are too many."""
    return found.calls >= rule.least and found.share >= rule.share


def level(rule: BreakerRule, found: Tally, *, is_open: bool) -> int:
    """Return the highest of `LEVELS` that is reached, 0 for none.

    While it is open there are few calls, all of them probes: they need not be `least`.
    """
    if found.calls < (1 if is_open else rule.least):
        return LEVELS[1] if is_open else 0
    return max((each for each in LEVELS if 100 * found.share >= each), default=0)


def span_of(at: datetime) -> datetime:
    """Return the start of the span that holds a moment."""
    return at - timedelta(seconds=at.timestamp() % SPAN.total_seconds())


def told(kind: Kind, found: Tally) -> str:
    """Say why it is open."""
    return f"{found.failed} of the last {found.calls} {_CALLS[kind]} failed"
