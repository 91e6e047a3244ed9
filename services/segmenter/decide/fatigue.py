"""How many marketing messages a week a customer bears now. Pure.

A function of her answers, her statements and the holds that stand, and of nothing else that time
alone would change: the end of a hold makes a new decision, so what platforms were told stays true.
"""

from collections.abc import Iterable

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.consents import consent
from services.segmenter.profile.segments import move_of, segment_of
from services.segmenter.profile.state import Profile
from shared.events.decisions import Hold


def fatigue_threshold(profile: Profile, policy: Policy, standing: Iterable[Hold]) -> int:
    """Count messages a week; 0: none, because marketing is held, refused or the sum says so."""
    if any("marketing" in hold.classes for hold in standing) or _refused(profile, policy):
        return 0
    return max(0, policy.fatigue.base + _after_answer(profile, policy))


def _refused(profile: Profile, policy: Policy) -> bool:
    """Tell whether she refused marketing wherever it could reach her; unknown is no refusal."""
    rule = policy.permits["marketing"]
    if rule.purpose is None or not profile.consents:
        return False
    return all(consent(profile, c, rule.purpose) == "refused" for c in rule.channels)


def _after_answer(profile: Profile, policy: Policy) -> int:
    if not profile.scored:
        return 0
    newest = profile.scored[-1]
    segment = segment_of(newest, policy)
    move = move_of(profile.scored, newest.identity, policy)
    if segment is None or move is None:
        return 0
    down = policy.fatigue.moved_down if move.kind == "down" else 0
    added: int = getattr(policy.fatigue.after_answer, segment)
    return added + down
