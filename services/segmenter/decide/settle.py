"""When an answer counts as it will stay, so that the customer may hear of it. Pure.

A tool that sends score and comment in steps, and never says which was the last, is given a window:
from each message anew, because a customer who still types sends the next one soon; an hour after
the first message at most, because some tools send on for ever. It follows from the facts alone, not
from the moment at which they are handled: a backlog ends as it would have without one.
"""

from datetime import datetime, timedelta
from typing import Final

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile, Response
from shared.events import ids

#: Counted from an answer's first message.
_MOST: Final = timedelta(minutes=60)


def subject(response: Response) -> str:
    """Name an answer to its timer."""
    return ids.content_hash(response.identity)


def settled(response: Response, policy: Policy) -> bool:
    """Tell whether an answer is final: complete, or its window was over at its newest message."""
    if response.complete or not policy.settle.minutes:
        return True
    first, last = response.receipts
    return last >= first + _MOST


def waiting(profile: Profile, policy: Policy) -> tuple[Response, datetime] | None:
    """Name the answer whose window will end, and when; None: none.

    Only the newest one with a score: nobody reacts to an older one, nor to one imported.
    """
    newest = profile.scored[-1] if profile.scored else None
    if newest is None or newest.history or settled(newest, policy):
        return None
    first, last = newest.receipts
    window = timedelta(minutes=policy.settle.minutes)
    return newest, min(last + window, first + _MOST)
