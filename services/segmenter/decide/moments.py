"""What time will bring to a customer: the moments that are to be told, and which rows say so. Pure.

In: a profile, the policy, the time; the timers that are set. Out: the timers to write. A moment
moved is a new arm of the same timer, so what the older arm still tells is known to be stale.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.segmenter.cases import cases
from services.segmenter.decide import clocks, settle
from services.segmenter.decide.aging import churns_at, lifecycle_changes_at, maturity_changes_at
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.segments import lapses_at
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Timer
from shared.events.feedback import TimerDue, TimerKind

#: How late the end of a window is still told. Any reaction is too old by then, and its row, which
#: says that it was told, is kept for longer (`pruning.KEPT`).
LATEST: Final = timedelta(days=30)
#: Kind and subject of a timer of one customer → when it is due.
Moments = Mapping[tuple[TimerKind, str], datetime]
#: One of them.
Owed = tuple[TimerKind, str, datetime]

HOLD_END: Final = "hold_end"
#: She has one of these.
CHURN: Final[tuple[TimerKind, str]] = ("churn", "")
#: What she is changes by time alone; of each kind she has one timer, for its next change.
AGED: Final[tuple[TimerKind, ...]] = ("lifecycle", "maturity")


def ahead(profile: Profile, policy: Policy, now: datetime) -> Moments:
    """List the moments to be told of a customer as of `now`; none while nobody is known.

    When the next hold ends, and when she is another next, depends on `now`; the others may lie
    behind it, told or still untold.
    """
    if not profile.known:
        return {}
    found = dict(_brought(profile, policy))
    holds = clocks.standing(clocks.holds(profile, policy), now)
    ends = [hold.until for hold in holds]
    if (again := cases.exempt_until(profile, policy, now)) is not None:
        # A gate must hear that the clocks hold again, as it hears that they no longer do.
        ends.append(again)
    if ends:
        found[HOLD_END, ""] = min(ends)
    changes = lifecycle_changes_at(profile, policy, now)
    if changes != found.get(CHURN):  # that a promoter has left is told with its own trigger
        found.update(_aged("lifecycle", changes))
    found.update(_aged("maturity", maturity_changes_at(profile, policy, now)))
    return found


def _aged(kind: TimerKind, at: datetime | None) -> Moments:
    return {} if at is None else {(kind, ""): at}


def by_now(kind: TimerKind) -> bool:
    """Tell whether timers of a kind are set by the time of the decision, not by the facts alone."""
    return kind == HOLD_END or kind in AGED


def stands(profile: Profile, policy: Policy, due: TimerDue) -> bool:
    """Tell whether what a timer waited for is still so.

    A hold's end, and what she may have become by time, is looked at in any case.
    """
    if by_now(due.kind):
        return True
    return _brought(profile, policy).get((due.kind, due.subject)) == due.due_at


def changed(
    customer_id: UUID,
    known: Iterable[Timer],
    found: Moments,
    now: datetime,
    owed: Collection[Owed] = (),
) -> Iterator[Timer]:
    """List the rows to write so that exactly these moments ring, each once.

    A moment behind `now` is told if it was set before, or if it ends the window of an answer: the
    segmenter may be late with that. A case or a silence of long ago that becomes known only now is
    no news: an import must not ring for everybody. `owed` are moments that were set, and not told,
    for whom she is one with now, or was until now: they are told of her.
    """

    def rings(kind: TimerKind, subject: str, due_at: datetime) -> bool:
        late = kind == "settle" and due_at > now - LATEST
        return late or due_at > now or (kind, subject, due_at) in owed

    left = dict(found)
    for timer in known:
        due_at = left.pop((timer.kind, timer.subject), None)
        if due_at is not None and timer.due_at == due_at:
            # Closed and over: it was told.
            waits = due_at > now or (timer.kind, timer.subject, due_at) in owed
            if not timer.open and waits:
                yield replace(timer, arm=timer.arm + 1, open=True)
        elif due_at is not None and rings(timer.kind, timer.subject, due_at):
            yield replace(timer, arm=timer.arm + 1, due_at=due_at, open=True)
        elif timer.open:
            yield replace(timer, open=False)
    for (kind, subject), due_at in left.items():
        if rings(kind, subject, due_at):
            yield Timer(kind, customer_id, subject, 1, due_at, open=True)


def calm(changed: Iterable[Timer], known: Iterable[Timer], now: datetime) -> Iterator[Timer]:
    """Leave out what would ring at once although nobody waited for it: only the policy is new."""
    waited = {timer.key for timer in known if timer.open}
    return (t for t in changed if not t.open or t.due_at > now or t.key in waited)


def _brought(profile: Profile, policy: Policy) -> Moments:
    """List what follows from the facts alone."""
    found: dict[tuple[TimerKind, str], datetime] = {}
    waiting = settle.waiting(profile, policy)
    if waiting is not None:
        response, due_at = waiting
        found["settle", settle.subject(response)] = due_at
    lapses = lapses_at(profile, policy)
    if lapses is not None:
        found["lapse", ""] = lapses
    leaves = churns_at(profile, policy)
    if leaves is not None:
        found[CHURN] = leaves
    for case_id, due_at in cases.resurveys(profile, policy).items():
        found["resurvey", cases.subject(case_id)] = due_at
    return found
