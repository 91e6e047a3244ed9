"""Which due pushes share a request, and what their answers say of the target together. Pure.

In: pushes that were claimed, in the order of their due times, and how many one request takes. Out:
groups, each of them one request. Nobody waits for a group to fill: what is due now, goes now.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from services.dispatcher.brakes.breaker import failed
from services.dispatcher.calls.calls import Outcome, Verdict

#: Not more rows in one claim, so that its transaction stays short.
MOST_ROWS: Final = 2000
#: From the third attempt on the group is halved with each: some platforms answer 500 for all
#: because of one. Twice in full, since most failures are outages and those end.
_FULL_ATTEMPTS: Final = 2
#: What an answer says of the whole target comes before what it says of anybody.
_OF_THE_TARGET: Final[tuple[Outcome, ...]] = ("disable_target", "throttle")

T = TypeVar("T")


def most_rows(calls: int, batch: int) -> int:
    """Tell how many pushes a claim may take that makes at most `calls` requests."""
    return max(calls, min(calls * batch, MOST_ROWS))


def size(batch: int, attempt: int) -> int:
    """Tell with how many a push may share its n-th request, itself included."""
    return max(1, batch >> max(0, attempt - _FULL_ATTEMPTS))


def grouped(due: Sequence[tuple[int, T]], batch: int, calls: int) -> tuple[tuple[T, ...], ...]:
    """Make at most `calls` groups of (attempt, push); those that failed most come first.

    They are few, and after fresh ones they would never have their turn.
    """
    sized = sorted(((size(batch, attempt), item) for attempt, item in due), key=lambda s: s[0])
    groups: list[list[T]] = []
    room = 0
    for most, item in sized:
        # The first of a group has failed most, so its size holds for all of them.
        if room == 0:
            groups.append([])
            room = most
        groups[-1].append(item)
        room -= 1
    return tuple(tuple(group) for group in groups[:calls])


def said_of_target(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict that says most of the target; it works if it took but one."""
    for outcome in _OF_THE_TARGET:
        said = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if said:
            return max(
                said, key=lambda verdict: verdict.wait.total_seconds() if verdict.wait else 0
            )
    return next((verdict for verdict in verdicts if not failed(verdict.outcome)), verdicts[0])
