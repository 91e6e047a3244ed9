"""What a customer's statements add up to, channel by channel. Pure.

A newer statement replaces an older one only where both name a common identifier: so two customers
who turn out to be one never gain a consent by it. Of what is left, the stricter counts.
"""

from collections.abc import Mapping
from typing import Literal

from services.segmenter.profile.facts import PERSONAL
from services.segmenter.profile.state import Profile, Statement
from shared.events.vocabulary import Channel, Purpose

Consent = Literal["granted", "refused", "unknown"]


def standing(profile: Profile, channel: Channel, purpose: Purpose) -> list[Statement]:
    """List the statements about a channel and purpose that no newer one replaces."""
    newest: dict[str, Statement] = {}
    own = f"{channel}|{purpose}|"
    starts = (own, f"all|{purpose}|")
    for register, statement in profile.consents.items():
        if not register.startswith(starts):
            continue
        key = register.split("|", 2)[2]
        known = newest.get(key)
        if known is None or known.rank < statement.rank:
            newest[key] = statement
        elif known.rank == statement.rank and register.startswith(own):
            newest[key] = statement  # said by one event of all channels and of this one
    if not newest:
        return []
    found = {
        statement.rank: statement
        for statement in newest.values()
        if _stands(profile, statement, newest)
    }
    return [found[rank] for rank in sorted(found)]


def deciding(profile: Profile, channel: Channel, purpose: Purpose) -> Statement | None:
    """Find the statement that decides: the newest refusal that stands, else the newest yes."""
    statements = standing(profile, channel, purpose)
    return max(statements, key=lambda said: (not said.granted, said.rank), default=None)


def _stands(profile: Profile, statement: Statement, newest: Mapping[str, Statement]) -> bool:
    if any(newest[key].rank != statement.rank for key in statement.keys):
        return False
    if any(key.partition(":")[0] in PERSONAL for key in statement.keys):
        return True
    # Told by a delivery or an answer alone, it is about her as she was known then: she may take it
    # back, but only by a word about all of that.
    known = [name for name, seen in profile.identifiers.items() if seen.first <= statement.said_at]
    return not known or any(
        name not in newest or newest[name].rank < statement.rank for name in known
    )


def consent(profile: Profile, channel: Channel, purpose: Purpose) -> Consent:
    """Say whether she granted, refused, or never said."""
    statements = standing(profile, channel, purpose)
    if not statements:
        return "unknown"
    return "granted" if all(statement.granted for statement in statements) else "refused"
