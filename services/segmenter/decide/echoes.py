"""Telling contacts of others from the echo of our own. Pure.

A platform reports every send. One that carries our delivery id never gets here; one without it is
an echo if it is of the same channel and target as a delivery of ours, at nearly the same time.
"""

from datetime import timedelta
from typing import Final

from services.segmenter.profile.state import Contact, Profile

#: Long enough for a platform's queue, short enough that two campaigns are not taken for one.
ECHO: Final = timedelta(minutes=15)


def foreign(profile: Profile) -> tuple[Contact, ...]:
    """List the reported contacts that are not ours, in order of time."""
    if not profile.reported:  # of nearly everybody; every decision asks
        return ()
    own = tuple(profile.own.values())
    found = [c for c in profile.reported.values() if not any(_echoes(c, o) for o in own)]
    return tuple(sorted(found, key=lambda contact: contact.at))


def _echoes(reported: Contact, own: Contact) -> bool:
    # Without a target nobody knows who sent it: it counts, because fewer contacts do no harm.
    return (
        reported.channel == own.channel
        and reported.target == own.target
        and abs(reported.at - own.at) <= ECHO
    )
