"""What in an answer is no matter of its score and cannot wait: a call, a topic raised. Pure.

A request is a fact once she has made it. It does not wait for the settle window, which is there so
that a customer hears of her final score and reason: whoever calls her speaks of neither, and what
is asked again or taken back until then is the same answer, so the same cause. Nor does it matter
that a newer answer is known: that one took nothing back.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile, Response
from services.segmenter.themes.themes import finder, newest, of
from shared.events import ids
from shared.events.decisions import URGENT, Cause, Trigger

#: So much older than her newest answer a request may be and still stands: that one says nothing of
#: it, because a box left open in another survey takes nothing back. Whoever asked a week before has
#: been called, or wants no call any more.
_STANDS: Final = timedelta(days=7)


def asks(response: Response) -> bool:
    """Tell whether she asks in this answer to be called back."""
    return response.said("callback_requested") is True


def wants_a_call(profile: Profile) -> bool:
    """Tell whether a request of hers stands, by her newest answers: with a score or without.

    Not one imported: whoever answered it is long done.
    """
    asking = [one for one in profile.responses.values() if asks(one) and not one.history]
    if not asking:
        return False  # nearly everybody: which answer is the newest does not matter then
    last = max(one.answered_at for one in profile.responses.values())
    return any(last - one.answered_at <= _STANDS for one in asking)


def raised(response: Response, policy: Policy) -> tuple[str, ...]:
    """List the topics of an answer that beat the band."""
    return of(response, policy, finder(policy)).escalations


def raised_of(response: Response, profile: Profile, policy: Policy) -> tuple[str, ...]:
    """List the same, where it was found out of her newest answer before: nearly always."""
    if profile.scored and response is profile.scored[-1]:
        return newest(profile, policy, finder(policy)).escalations
    return raised(response, policy)


def urgent(response: Response, profile: Profile, policy: Policy) -> Iterator[Trigger]:
    """List the triggers of what cannot wait in one of her answers."""
    if asks(response):
        yield "callback_asked"
    if raised_of(response, profile, policy):
        yield "escalation_raised"


def telling(cause: Cause, profile: Profile) -> Response | None:
    """Find the answer in which something urgent was said, by the cause that tells it."""
    if URGENT.isdisjoint(cause.triggers):
        return None
    return next((one for one in profile.responses.values() if cause_id(one) == cause.id), None)


def cause_id(response: Response) -> UUID:
    """Name the cause that an answer with all its revisions is."""
    return ids.response_cause(response.source, response.survey, response.response_id)
