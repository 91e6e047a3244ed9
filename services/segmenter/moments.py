"""What time will bring to a customer: the moments that are to be told, and which rows say so. Pure.

In: a profile, the policy, the time; the timers that are set. Out: the timers to write. A moment
moved is a new arm of the same timer, so what the older arm still tells is known to be stale.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.segmenter import clocks
from services.segmenter.policy.whole import Policy
from services.segmenter.rows import Timer
from services.segmenter.state import Profile
from shared.events.feedback import TimerKind

#: Kind and subject of a timer of one customer → when it is due.
Wanted = Mapping[tuple[TimerKind, str], datetime]


def wanted(profile: Profile, policy: Policy, now: datetime) -> Wanted:
    """List the moments to be told of a customer as of `now`; none while nobody is known."""
    if not profile.known:
        return {}
    found: dict[tuple[TimerKind, str], datetime] = {}
    holds = clocks.standing(clocks.holds(profile, policy), now)
    if holds:
        found["hold_end", ""] = min(hold.until for hold in holds)
    return found


def changed(customer_id: UUID, known: Iterable[Timer], wanted: Wanted) -> Iterator[Timer]:
    """List the rows to write so that exactly what is wanted rings."""
    left = dict(wanted)
    for timer in known:
        due_at = left.pop((timer.kind, timer.subject), None)
        if due_at is None:
            if timer.open:
                yield replace(timer, open=False)
        elif not timer.open or timer.due_at != due_at:
            yield replace(timer, arm=timer.arm + 1, due_at=due_at, open=True)
    for (kind, subject), due_at in left.items():
        yield Timer(kind, customer_id, subject, 1, due_at, open=True)
