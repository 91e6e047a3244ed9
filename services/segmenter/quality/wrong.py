"""What is missing, wrong or old in one customer's data. Pure.

In: a profile as it is stored, and the policy, which says how attributes are read. Out: the kinds
that apply; and since when her oldest yes stands, which is stale or not by the day that asks.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, cast, get_args

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import said, text
from services.segmenter.profile.bounces import any_channel_closed
from services.segmenter.profile.consents import deciding
from services.segmenter.profile.state import Profile
from services.segmenter.quality.quality import Flag
from shared.events.vocabulary import Channel, Purpose
from shared.identifiers import Rules

_TONES: Final = ("tu", "vous")
_CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
#: Ingest marks who gave a number that is none.
_UNREAD: Final = "unread_phone"


def wrong_with(profile: Profile, policy: Policy, rules: Rules) -> frozenset[Flag]:
    """List what is missing or wrong; nothing of somebody whom no identifier makes a customer."""
    if not profile.known:
        return frozenset()
    return frozenset(flag for flag, applies in _FLAGS.items() if applies(profile, policy, rules))


def oldest_yes(profile: Profile) -> datetime | None:
    """Tell when the oldest consent that stands was given; a refusal is never old.

    Channel by channel, as permits read it: a yes that was taken back or renewed, be it by a word
    about all channels, counts no more.
    """
    if not profile.known or not any(one.granted for one in profile.consents.values()):
        return None
    said = (deciding(profile, channel, purpose) for channel, purpose in _told_of(profile))
    return min((one.said_at for one in said if one is not None and one.granted), default=None)


def _told_of(profile: Profile) -> frozenset[tuple[Channel, Purpose]]:
    """List the channels and purposes of her statements; `all` are all channels."""
    named = {tuple(register.split("|", 2)[:2]) for register in profile.consents}
    return frozenset(
        (cast(Channel, channel), cast(Purpose, purpose))
        for told, purpose in named
        for channel in (_CHANNELS if told == "all" else (told,))
    )


def _text(profile: Profile, policy: Policy, name: str) -> str:
    """Read what a decision would say of her; "" for nothing."""
    return (text(profile, policy, name) or "").strip()


def _tone(profile: Profile, policy: Policy, _rules: Rules) -> bool:
    return _text(profile, policy, "tone") not in _TONES


def _name(profile: Profile, policy: Policy, _rules: Rules) -> bool:
    return not _text(profile, policy, "first_name") and not _text(profile, policy, "last_name")


def _language(profile: Profile, policy: Policy, _rules: Rules) -> bool:
    return not _text(profile, policy, "language")


def _phone(profile: Profile, policy: Policy, rules: Rules) -> bool:
    """Tell whether a number is none by the rules by which ingest reads numbers, too."""
    return _unread(profile) or any(
        str(value).strip() and rules.phone(str(value)) is None
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


def _bounced(profile: Profile, _policy: Policy, _rules: Rules) -> bool:
    return any_channel_closed(profile)


_FLAGS: Final[dict[Flag, Callable[[Profile, Policy, Rules], bool]]] = {
    "missing_tone": _tone,
    "missing_name": _name,
    "missing_language": _language,
    "invalid_phone": _phone,
    "bounced_address": _bounced,
}
