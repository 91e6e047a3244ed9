"""How a customer is called: as she likes, else by first name or by title and last name. Pure."""

import re
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.profile import attributes
from services.segmenter.profile.state import Profile

NICKNAME: Final = "nickname"
_BLANKS: Final = re.compile(r"\s+")


def called_by(profile: Profile, policy: Policy) -> str | None:
    """Tell how to call her; None: no form is known that would be right.

    The nickname is what she chose. The first name belongs to *tu*; everybody else is called by
    title and last name, never by a last name alone.
    """
    nickname = _name(profile, policy, NICKNAME)
    if nickname is not None:
        return nickname
    if attributes.text(profile, policy, "tone") == "tu":
        return _name(profile, policy, "first_name")
    title, last = _title(profile, policy), _name(profile, policy, "last_name")
    return f"{title} {last}" if title and last else None


def _name(profile: Profile, policy: Policy, name: str) -> str | None:
    """Read a name that has at least a letter in it: forms are full of dashes and dots."""
    said = attributes.text(profile, policy, name)
    if said is None or not any(character.isalpha() for character in said):
        return None
    return _BLANKS.sub(" ", said).strip()


def _title(profile: Profile, policy: Policy) -> str | None:
    """Say a title as her language does; one that the policy does not know stays as it is."""
    said = _name(profile, policy, "title")
    if said is None:
        return None
    language = (attributes.text(profile, policy, "language") or "").lower().partition("-")[0]
    titles = policy.called_by.titles.get(language, {})
    return titles.get(said.casefold().rstrip("."), said)
