"""What a decision would tell of a customer at a moment, without anything having happened. Pure.

In: a profile, a rulebook, any time. Out: the decision, by the rules that decide. So a later moment
is looked at by moving `now`, and another policy by its rulebook.
"""

from datetime import datetime
from uuid import UUID

from services.segmenter.decide.decide import Due, Rulebook, decide
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.decisions import CustomerDecided
from shared.events.feedback import TimerDue


def look(
    profile: Profile, rulebook: Rulebook, now: datetime, *, customer_id: UUID, version: int
) -> CustomerDecided:
    """Decide as of `now`; `version` is that of the state looked at."""
    due = policy_due(rulebook, now, customer_id=customer_id, version=version)
    return decide(
        profile, profile, due, rulebook, now, customer_id=customer_id, version=version + 1
    )


def policy_due(rulebook: Rulebook, now: datetime, *, customer_id: UUID, version: int) -> Due:
    """Make the event that asks to decide about her anew under this policy.

    Asked again before it was handled, it is the same event; a state that changed meanwhile makes it
    another.
    """
    data = TimerDue(
        kind="policy",
        customer_id=customer_id,
        subject=rulebook.version,
        arm=version,
        due_at=now,
    )
    return Due(ids.timer_event(data.kind, customer_id, data.subject, data.arm), data)
