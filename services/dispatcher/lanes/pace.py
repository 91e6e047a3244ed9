"""How many calls a lane claims ahead of its slots, so that no slot waits for a claim. Pure.

In: how long claims and calls took of late. Out: a number of calls. Between the end of a call and
the beginning of the next, a slot would lie idle for the claim under way and its own: with calls of
200 ms a twelfth of all time. What is claimed ahead waits about as long as two claims take, so that
its gates were asked as short a while ago as possible: of calls that take seconds nearly nothing is.
"""

from typing import Final

#: No more than half as many as there are slots, however fast the calls are.
_MOST: Final = 0.5
#: The weight of the newest: a dozen calls in, what was before is forgotten.
_NEWEST: Final = 0.2


class Pace:
    """What claims and calls took of late, in seconds."""

    def __init__(self) -> None:
        self._claim_s: float | None = None
        self._call_s: float | None = None

    def claimed(self, seconds: float) -> None:
        """Note how long a claim took that brought something."""
        self._claim_s = _mean(self._claim_s, seconds)

    def called(self, seconds: float) -> None:
        """Note how long a call took."""
        self._call_s = _mean(self._call_s, seconds)

    def ahead(self, slots: int) -> int:
        """Tell how many calls may wait for a slot; none before something is known."""
        if self._claim_s is None or self._call_s is None:
            return 0
        share = 2 * self._claim_s / max(self._call_s, 1e-6)
        return int(slots * min(_MOST, share))


def _mean(known: float | None, newest: float) -> float:
    return newest if known is None else known + _NEWEST * (newest - known)
