"""What a customer must wait for, as of a moment: the holds, and what platforms are told of them.

In: the profile, the policy, the time, and the moment of a case that is being opened. Out: the
answers of all rules and what they add up to. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.segmenter.cases.cases import lifted
from services.segmenter.decide import clocks
from services.segmenter.decide.fatigue import fatigue_threshold
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile
from shared.events.decisions import Hold, TraceLine


@dataclass(frozen=True, slots=True)
class Waits:
    """`standing`: the holds in force; `lifted`: rules that hold no question after a case."""

    answers: Mapping[str, Hold | None]
    lifted: frozenset[str]
    standing: tuple[Hold, ...]
    next_survey_at: datetime | None
    fatigue_threshold: int | None

    def trace(self, now: datetime) -> tuple[TraceLine, ...]:
        """Tell every rule's answer, in the order asked."""
        return clocks.trace(self.answers, now, self.lifted)


def waits(
    profile: Profile, policy: Policy, now: datetime, *, opening_at: datetime | None = None
) -> Waits:
    """Ask every rule. `opening_at`: a case is being opened, for an answer of that time.

    Such a case comes back as a fact of its own; until then nobody must sell to her, either.
    """
    answers = clocks.asked(profile, policy)
    if opening_at is not None:
        held = clocks.opening_case(profile, policy, opening_at)
        answers = {**answers, clocks.open_case.__name__: held}
    off = lifted(profile, policy, now)
    found = clocks.without(tuple(hold for hold in answers.values() if hold is not None), off)
    standing = clocks.standing(found, now)
    return Waits(
        answers=answers,
        lifted=off,
        standing=standing,
        next_survey_at=clocks.next_survey_at(profile, policy, found),
        fatigue_threshold=fatigue_threshold(profile, policy, standing),
    )
