"""Which of her addresses are closed because a message bounced, and since when. Pure.

The newest report about an address counts: what arrived or was opened after a bounce opens it again;
of one moment the bounce counts. An address is closed by itself, so another one of hers stays open,
and a channel is closed once all of its addresses are.
"""

from datetime import datetime
from typing import Final, cast

from services.segmenter.profile.state import Profile
from shared.events.vocabulary import Channel

#: Which identifier is the address of a channel.
ADDRESS: Final = {"email": "email", "sms": "phone", "call": "phone"}


def closed_since(profile: Profile, channel: Channel, address: str) -> datetime | None:
    """Tell since when an address (`kind:value`) is closed on a channel; None: it is open.

    A bounce that names no address closes those that were known when it came. An arrival that names
    none opens the only one that was known then: of several nobody can tell to which it went.
    """
    if not profile.bounces:
        return None
    bounced = profile.bounces.get(f"{channel}|{address}")
    seen = profile.identifiers.get(address)
    unnamed = profile.bounces.get(f"{channel}|")
    if unnamed is not None and seen is not None and seen.first <= unnamed:
        bounced = unnamed if bounced is None else max(bounced, unnamed)
    if bounced is None:
        return None
    arrived = profile.arrivals.get(f"{channel}|{address}")
    if arrived is not None and arrived > bounced:
        return None
    somewhere = profile.arrivals.get(f"{channel}|")
    if somewhere is not None and somewhere > bounced and _only(profile, address, somewhere):
        return None
    return bounced


def channel_closed_since(profile: Profile, channel: Channel) -> datetime | None:
    """Tell since when none of her addresses on a channel works; None: one does, as far as known."""
    if not profile.bounces:
        return None
    addresses = _addresses(profile, channel)
    if not addresses:
        bounced = profile.bounces.get(f"{channel}|")
        arrived = profile.arrivals.get(f"{channel}|")
        if bounced is None or arrived is None:
            return bounced
        return None if arrived > bounced else bounced
    since = [closed_since(profile, channel, address) for address in addresses]
    told = [at for at in since if at is not None]
    return max(told) if len(told) == len(since) else None


def closings(profile: Profile) -> frozenset[tuple[str, str]]:
    """List all that is closed, as (channel, address), the address empty where all of a channel is.

    That is what permits and the choice of an address can see of all bounces and arrivals.
    """
    if not profile.bounces:
        return frozenset()
    channels = {cast(Channel, name.partition("|")[0]) for name in profile.bounces}
    named = {
        (channel, address)
        for channel in channels
        for address in _addresses(profile, channel)
        if closed_since(profile, channel, address) is not None
    }
    whole = {(c, "") for c in channels if channel_closed_since(profile, c) is not None}
    return frozenset(named | whole)


def any_channel_closed(profile: Profile) -> bool:
    """Tell whether some channel has no address that works."""
    return any(address == "" for _, address in closings(profile))


def _addresses(profile: Profile, channel: Channel) -> list[str]:
    kind = ADDRESS.get(channel)
    return [name for name in profile.identifiers if kind and name.startswith(f"{kind}:")]


def _only(profile: Profile, address: str, at: datetime) -> bool:
    """Tell whether no other address of the kind was known by then."""
    kind = address.partition(":")[0]
    return all(
        seen.first > at
        for name, seen in profile.identifiers.items()
        if name != address and name.startswith(f"{kind}:")
    )
