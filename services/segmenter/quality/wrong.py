"""What is missing, wrong or old in one customer's data. Pure.

In: a profile as it is stored, and the policy, which says how attributes are read. Out: the kinds
that apply; and since when her oldest yes stands, which is stale or not by the day that asks.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import said, text
from services.segmenter.profile.state import Profile
from services.segmenter.quality.quality import Flag

_TONES: Final = ("tu", "vous")
#: How a number may begin or end beside what is dialled.
_BESIDE: Final = re.compile(r"^tel:|,? *(?:;ext=|ext\.?|extn\.?|x|poste|#) *[0-9]{1,7}$", re.I)
_ODD_SIGN: Final = re.compile("[^0-9+() ./\u00a0\u202f\u2010-\u2015-]")
_NO_DIGIT: Final = re.compile(r"[^0-9]")
#: Digits of a telephone number, in any country.
_DIGITS: Final = range(8, 16)
#: Ingest marks who gave a number that is none.
_UNREAD: Final = "unread_phone"


def wrong_with(profile: Profile, policy: Policy) -> frozenset[Flag]:
    """List what is missing or wrong; nothing of somebody whom no identifier makes a customer."""
    if not profile.known:
        return frozenset()
    return frozenset(flag for flag, applies in _FLAGS.items() if applies(profile, policy))


def oldest_yes(profile: Profile) -> datetime | None:
    """Tell when the oldest consent that stands was given; a refusal is never old."""
    if not profile.known:
        return None
    given = (one.said_at for one in profile.consents.values() if one.granted)
    return min(given, default=None)


def _text(profile: Profile, policy: Policy, name: str) -> str:
    """Read what a decision would say of her; "" for nothing."""
    return (text(profile, policy, name) or "").strip()


def _tone(profile: Profile, policy: Policy) -> bool:
    return _text(profile, policy, "tone") not in _TONES


def _name(profile: Profile, policy: Policy) -> bool:
    return not _text(profile, policy, "first_name") and not _text(profile, policy, "last_name")


def _language(profile: Profile, policy: Policy) -> bool:
    return not _text(profile, policy, "language")


def _phone(profile: Profile, policy: Policy) -> bool:
    return _unread(profile) or any(
        _no_number(str(value))
        for name in policy.quality.phone_attributes
        if isinstance(value := said(profile, policy, name), str | int | float)
        and not isinstance(value, bool)
    )


def _unread(profile: Profile) -> bool:
    """Tell whether she gave a number that is none; one of hers read since then mends it."""
    mark = profile.attributes.get(_UNREAD)
    if mark is None or mark.value not in (True, "true"):
        return False
    read = (seen.last for name, seen in profile.identifiers.items() if name.startswith("phone:"))
    return not any(last >= mark.at for last in read)


def _no_number(text: str) -> bool:
    """Tell whether it is a telephone number in no country: odd signs, too few or many digits."""
    number = _BESIDE.sub("", text)
    return bool(_ODD_SIGN.search(number)) or len(_NO_DIGIT.sub("", number)) not in _DIGITS


def _bounced(profile: Profile, _policy: Policy) -> bool:
    return bool(profile.bounces)


_FLAGS: Final[dict[Flag, Callable[[Profile, Policy], bool]]] = {
    "missing_tone": _tone,
    "missing_name": _name,
    "missing_language": _language,
    "invalid_phone": _phone,
    "bounced_address": _bounced,
}
