"""Which channels are open for which class of contact, by which basis, or why not. Pure.

Whether an address is known at all is not asked here: the campaign platform may know one that we do
not. An address that bounced is closed until something arrives there again.
"""

from functools import lru_cache
from typing import Final, Literal

from services.segmenter.cases.urgent import wants_a_call
from services.segmenter.policy.permits import PermitRule
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.bounces import channel_closed_since
from services.segmenter.profile.consents import consent
from services.segmenter.profile.state import Profile
from shared.events.decisions import Permit
from shared.events.vocabulary import Channel, ContactClass, Purpose, Ready

#: Why a channel is open or closed for a class of contact.
PermitCode = Literal[
    "needs_none", "refused", "granted", "unknown", "not_asked_for", "not_refused", "bounced"
]
_WORDS: Final[dict[PermitCode, str]] = {
    "needs_none": "needs no consent",
    "refused": "{purpose} refused on this channel",
    "granted": "{purpose} granted on this channel",
    "unknown": "no consent to {purpose} is known, and unknown is no",
    "not_asked_for": "the customer asked for no contact in the newest answers",
    "not_refused": "{purpose} not refused on this channel",
    "bounced": "the address bounced",
}


def permits(profile: Profile, policy: Policy) -> tuple[Permit, ...]:
    """State every class and channel that the policy knows."""
    if not profile.consents and not profile.bounces:
        return _untold(policy, wants_a_call(profile))
    return tuple(permit for name in policy.permits for permit in permits_of(profile, policy, name))


def permits_of(profile: Profile, policy: Policy, contact_class: ContactClass) -> tuple[Permit, ...]:
    """State every channel of one class."""
    rule = policy.permits[contact_class]
    if not profile.consents and not profile.bounces:
        asked = rule.consent == "requested" and wants_a_call(profile)
        return _untold_of(policy, contact_class, asked)
    return tuple(_permit(profile, contact_class, channel, rule) for channel in rule.channels)


def answer(profile: Profile, channel: Channel, rule: PermitRule) -> tuple[bool, PermitCode]:
    """Tell whether a channel is open by one rule, and why (not)."""
    allowed, code = _consented(profile, channel, rule)
    if allowed and rule.consent != "none" and channel_closed_since(profile, channel):
        return False, "bounced"
    return allowed, code


def _permit(
    profile: Profile, contact_class: ContactClass, channel: Channel, rule: PermitRule
) -> Permit:
    allowed, code = answer(profile, channel, rule)
    return _made(contact_class, channel, rule.basis if allowed else None, code, rule.purpose)


@lru_cache(maxsize=16)
def _untold(policy: Policy, asked: bool) -> tuple[Permit, ...]:
    """State all permits of who said neither yes nor no: of nearly everybody, always the same."""
    return Ready(permit for name in policy.permits for permit in _untold_of(policy, name, asked))


@lru_cache(maxsize=64)
def _untold_of(policy: Policy, contact_class: ContactClass, asked: bool) -> tuple[Permit, ...]:
    """State the permits of one class likewise."""
    rule = policy.permits[contact_class]
    allowed, code = _unsaid(rule, asked=asked)
    basis = rule.basis if allowed else None
    return tuple(
        _made(contact_class, channel, basis, code, rule.purpose) for channel in rule.channels
    )


@lru_cache(maxsize=1024)
def _made(
    contact_class: ContactClass,
    channel: Channel,
    basis: str | None,
    code: PermitCode,
    purpose: Purpose | None,
) -> Permit:
    """Build a permit; the same few dozen are stated in every decision."""
    return Permit(
        contact_class=contact_class,
        channel=channel,
        allowed=basis is not None,
        basis=basis,
        reason=_WORDS[code].format(purpose=purpose),
    )


def _consented(profile: Profile, channel: Channel, rule: PermitRule) -> tuple[bool, PermitCode]:
    if rule.consent == "none" or rule.purpose is None:
        return True, "needs_none"
    said = consent(profile, channel, rule.purpose)
    if said == "refused":
        return False, "refused"
    if said == "granted" and rule.consent == "granted":
        return True, "granted"
    return _unsaid(rule, asked=rule.consent == "requested" and wants_a_call(profile))


def _unsaid(rule: PermitRule, *, asked: bool) -> tuple[bool, PermitCode]:
    """Tell what holds without a statement; `asked`: she asked for a contact herself."""
    if rule.consent == "none" or rule.purpose is None:
        return True, "needs_none"
    if rule.consent == "granted":
        return False, "unknown"
    return (
        (True, "not_refused") if asked or rule.consent != "requested" else (False, "not_asked_for")
    )
