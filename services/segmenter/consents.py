"""What a customer's statements add up to, channel by channel. Pure.

A newer statement replaces an older one only where both name a common identifier: so two customers
who turn out to be one never gain a consent by it. Of what is left, the stricter counts.
"""

from typing import Literal

from services.segmenter.state import Profile, Statement
from shared.events.vocabulary import Channel, Purpose

Consent = Literal["granted", "refused", "unknown"]


def standing(profile: Profile, channel: Channel, purpose: Purpose) -> list[Statement]:
    """List the statements about a channel and purpose that no newer one replaces."""
    newest: dict[str, Statement] = {}
    starts = (f"{channel}|{purpose}|", f"all|{purpose}|")
    for register, statement in profile.consents.items():
        if not register.startswith(starts):
            continue
        key = register.split("|", 2)[2]
        known = newest.get(key)
        if known is None or known.rank < statement.rank:
            newest[key] = statement
    if not newest:
        return []
    found = {
        statement.rank: statement
        for statement in newest.values()
        if all(newest[key].rank == statement.rank for key in statement.keys)
    }
    return [found[rank] for rank in sorted(found)]


def consent(profile: Profile, channel: Channel, purpose: Purpose) -> Consent:
    """Say whether she granted, refused, or never said."""
    statements = standing(profile, channel, purpose)
    if not statements:
        return "unknown"
    return "granted" if all(statement.granted for statement in statements) else "refused"
