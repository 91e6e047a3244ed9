"""A promoter who complains is asked for nothing, until she is content or time has passed. Pure."""

from datetime import timedelta

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Profile
from services.segmenter.themes.themes import finder, newest
from shared.events.decisions import Hold


def complaint(profile: Profile, policy: Policy) -> Hold | None:
    """Ask no promoter for a favour whose newest answer names a pain or raises an escalation.

    The other segments need no such rule: they are asked for none, and have rests of their own.
    """
    scored, days = profile.scored, policy.escalations.complaint_hold_days
    if not days or not scored or segment_of(scored[-1], policy) != "promoter":
        return None
    told = newest(profile, policy, finder(policy))
    found = (*told.escalations, *told.pains)
    if not found:
        return None
    return Hold(
        rule="complaint",
        classes=("survey", "marketing"),
        reason=f"a promoter's newest answer, less than {days} days ago, complains: {found[0]}",
        until=scored[-1].answered_at + timedelta(days=days),
    )
