"""What time alone changes of a customer: she falls silent, a promoter grows ripe. Pure.

In: a profile, the policy, the time. Out: the next moment at which she would be told otherwise; None
while nothing but a new fact changes it. So platforms never keep what was true long ago.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from services.segmenter.cases.cases import problems
from services.segmenter.decide.clocks import CUSTOMER_SINCE, moment
from services.segmenter.decide.lifecycle import ORDERS, declared, last_order, lifecycle
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import attributes
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Profile

#: An age that a rule still counts is over just after it.
_INSTANT: Final = timedelta(microseconds=1)


def churns_at(profile: Profile, policy: Policy) -> datetime | None:
    """Tell when a promoter is churned because she ordered nothing since; None: never by that.

    What her own systems say of her wins, so then no date tells it.
    """
    scored = profile.scored
    if not scored or segment_of(scored[-1], policy) != "promoter":
        return None
    order = last_order(profile, policy)
    if order is None or declared(profile, policy) is not None:
        return None
    return order + timedelta(days=policy.lifecycle.sleeping_days) + _INSTANT


def lifecycle_changes_at(profile: Profile, policy: Policy, now: datetime) -> datetime | None:
    """Tell when she is another thing to the house than now, such as sleeping."""
    coming = sorted(at for at in _ages(profile, policy) if at > now)
    if not coming:  # most of those of whom no order is known
        return None
    present = lifecycle(profile, policy, now)
    return next((at for at in coming if lifecycle(profile, policy, at) != present), None)


def _ages(profile: Profile, policy: Policy) -> Iterator[datetime]:
    """List the moments that the lifecycle's rules look at."""
    days = policy.lifecycle
    since = moment(attributes.believed(profile, policy, CUSTOMER_SINCE))
    order = last_order(profile, policy)
    if order is not None:
        yield order + timedelta(days=days.active_days) + _INSTANT
        yield order + timedelta(days=days.sleeping_days) + _INSTANT
    elif attributes.number(profile, policy, ORDERS) == 0:
        moments = (
            *(response.answered_at for response in profile.responses.values()),
            *(contact.at for contact in profile.own.values()),
            *(contact.at for contact in profile.reported.values()),
            *profile.completed.values(),
        )
        if moments:
            yield max(moments) + timedelta(days=days.hot_days) + _INSTANT
    elif since is not None:
        yield since + timedelta(days=days.active_days) + _INSTANT


def maturity_changes_at(profile: Profile, policy: Policy, now: datetime) -> datetime | None:
    """Tell when a promoter's points change, or a gate opens that is shut for a time."""
    scored = profile.scored
    if not scored or segment_of(scored[-1], policy) != "promoter":
        return None
    return min((at for at in _ripens(profile, policy) if at > now), default=None)


def _ripens(profile: Profile, policy: Policy) -> Iterator[datetime]:
    rules, scored = policy.maturity, profile.scored
    since = moment(attributes.believed(profile, policy, CUSTOMER_SINCE))
    if since is not None and rules.tenure.points:
        yield since + timedelta(days=rules.tenure.days)
    if len(scored) >= rules.answers.count and rules.answers.points:
        yield scored[-rules.answers.count].answered_at + timedelta(days=rules.answers.days)
    # Of each gate the last reason to be shut: it opens when that is over.
    closed = [case.at for _, case in problems(profile, policy) if not case.open]
    if closed:
        yield max(closed) + timedelta(days=rules.gates.closed_case_days)
    unhappy = [one.answered_at for one in scored if segment_of(one, policy) == "detractor"]
    if unhappy:
        yield max(unhappy) + timedelta(days=rules.gates.detractor_days)
