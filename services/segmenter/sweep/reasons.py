"""What each answer of one person says beside its score, as the weekly digests count it. Pure.

In: her profile, the policy. Out: by answer, the theme that is the reason of the score, and whether
she wrote words of her own.
"""

from services.segmenter.figures.history import Said
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile
from services.segmenter.themes.themes import TEXTS, ThemeFinder, of


def reasons(profile: Profile, policy: Policy, themes: ThemeFinder) -> dict[str, Said]:
    """Read the answers with a score, by their identity."""
    return {
        one.identity: Said(
            of(one, policy, themes).theme,
            any(isinstance(text := one.said(name), str) and text.strip() for name in TEXTS),
        )
        for one in profile.scored
    }
