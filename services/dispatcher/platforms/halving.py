"""Who of several pushes goes with the next request, and what is believed of whom. Pure.

In: groups of pushes, each of which fits one request; of every request its verdict. Out: the next
group, and in the end one verdict for each push. What refuses a group is looked for in its halves:
what is said of a customer is believed only when she was asked for alone.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from services.dispatcher.calls.calls import Outcome, Partly, Verdict
from services.dispatcher.platforms.together import Member

#: Said of a customer: in a group it may be another one's.
_OF_A_CUSTOMER: frozenset[Outcome] = frozenset({"reject", "park", "suppressed"})
#: Said of the target: the rest would hear the same.
_OF_THE_TARGET: frozenset[Outcome] = frozenset({"throttle", "disable_target"})
#: Two poisonous items of a hundred are found with fewer; rates count a batch as one call, so what
#: it needs beyond that is bounded. Whoever is not reached is tried again, with others and fewer.
_MOST_REQUESTS = 32


class Halving:
    """One call's pushes, from the first request to the last."""

    def __init__(self, groups: Iterable[Sequence[Member]]) -> None:
        self._waiting = deque(groups)
        self._told: dict[int, Verdict] = {}
        self._left = _MOST_REQUESTS

    def following(self) -> Sequence[Member]:
        """Take the group that goes next; empty: nobody is left to be asked for in this call."""
        if not self._waiting or self._left == 0:
            return ()
        self._left -= 1
        return self._waiting.popleft()

    def heard(self, group: Sequence[Member], verdict: Verdict) -> None:
        """Note what a group's request came to."""
        if len(group) > 1 and verdict.outcome in _OF_A_CUSTOMER:
            middle = len(group) // 2
            self._waiting.extendleft((group[middle:], group[:middle]))
            return
        own = verdict.own if isinstance(verdict, Partly) else {}
        self._told.update((one.place, own.get(n, verdict)) for n, one in enumerate(group))
        if verdict.outcome in _OF_THE_TARGET:
            self._told.update((one.place, verdict) for others in self._waiting for one in others)
            self._waiting.clear()

    def verdicts(self, count: int) -> list[Verdict]:
        """Return one verdict for each of so many pushes, in their order."""
        later = Verdict("retry", "others of its batch took all the time: its turn comes next")
        return [self._told.get(place, later) for place in range(count)]
