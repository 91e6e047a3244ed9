"""Which channels are open for which class of contact, by which basis, or why not. Pure.

Whether an address is known at all is not asked here: the campaign platform may know one that we do
not. An address that bounced is closed.
"""

from functools import lru_cache

from services.segmenter.consents import consent
from services.segmenter.policy.permits import PermitRule
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import ADDRESS
from services.segmenter.state import Profile
from shared.events.decisions import Permit
from shared.events.vocabulary import Channel, ContactClass


def permits(profile: Profile, policy: Policy) -> tuple[Permit, ...]:
    """State every class and channel that the policy knows."""
    return tuple(permit for name in policy.permits for permit in permits_of(profile, policy, name))


def permits_of(profile: Profile, policy: Policy, contact_class: ContactClass) -> tuple[Permit, ...]:
    """State every channel of one class."""
    rule = policy.permits[contact_class]
    return tuple(_permit(profile, contact_class, channel, rule) for channel in rule.channels)


def bounced(profile: Profile, channel: Channel, address: str) -> bool:
    """Tell whether an address (`kind:value`) is closed on a channel.

    A report that names no address closes those that were known when it came.
    """
    if f"{channel}|{address}" in profile.bounces:
        return True
    at = profile.bounces.get(f"{channel}|")
    seen = profile.identifiers.get(address)
    return at is not None and seen is not None and seen.first <= at


def _closed(profile: Profile, channel: Channel) -> bool:
    if not profile.bounces:
        return False
    kind = ADDRESS.get(channel)
    addresses = [name for name in profile.identifiers if kind and name.startswith(f"{kind}:")]
    if not addresses:
        return f"{channel}|" in profile.bounces
    return all(bounced(profile, channel, address) for address in addresses)


def _permit(
    profile: Profile, contact_class: ContactClass, channel: Channel, rule: PermitRule
) -> Permit:
    allowed, reason = _answer(profile, channel, rule)
    if allowed and rule.consent != "none" and _closed(profile, channel):
        allowed, reason = False, "the address bounced"
    return _made(contact_class, channel, rule.basis if allowed else None, reason)


@lru_cache(maxsize=1024)
def _made(contact_class: ContactClass, channel: Channel, basis: str | None, reason: str) -> Permit:
    """Build a permit; the same few dozen are stated in every decision."""
    return Permit(
        contact_class=contact_class,
        channel=channel,
        allowed=basis is not None,
        basis=basis,
        reason=reason,
    )


def _answer(profile: Profile, channel: Channel, rule: PermitRule) -> tuple[bool, str]:
    if rule.consent == "none" or rule.purpose is None:
        return True, "needs no consent"
    said = consent(profile, channel, rule.purpose)
    if said == "refused":
        return False, f"{rule.purpose} refused on this channel"
    if rule.consent == "granted":
        if said == "granted":
            return True, f"{rule.purpose} granted on this channel"
        return False, f"no consent to {rule.purpose} is known, and unknown is no"
    if rule.consent == "requested" and not _asked_for_contact(profile):
        return False, "the customer asked for no contact in the newest answer"
    return True, f"{rule.purpose} not refused on this channel"


def _asked_for_contact(profile: Profile) -> bool:
    newest = max(profile.responses.values(), key=lambda response: response.place, default=None)
    return newest is not None and newest.said("callback_requested") is True
