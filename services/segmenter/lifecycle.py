"""What a customer is to the house: declared, else told by her orders and their dates. Pure.

It depends on the moment that asks, so it is found at each decision and never stored.
"""

from datetime import datetime, timedelta
from typing import Final, cast, get_args

from services.segmenter import attributes
from services.segmenter.clocks import CUSTOMER_SINCE, moment
from services.segmenter.policy.whole import Policy
from services.segmenter.state import Profile
from shared.events.decisions import Lifecycle

#: What her own systems say of her; it wins over whatever dates suggest.
DECLARED: Final = "lifecycle"
LAST_ORDER: Final = "last_order_at"
ORDERS: Final = "orders_count"
#: What `action.completed` calls an order.
_PURCHASE: Final = "purchase"
_KNOWN: Final = frozenset(get_args(Lifecycle))


def lifecycle(profile: Profile, policy: Policy, now: datetime) -> Lifecycle | None:
    """Tell what she is at `now`; None: neither declared nor told by anything known of orders.

    Nobody is called a prospect because her orders are not known: only if they are known to be none.
    """
    declared = attributes.text(profile, policy, DECLARED)
    if declared is not None and declared.casefold() in _KNOWN:
        return cast(Lifecycle, declared.casefold())
    last = last_order(profile)
    if last is not None:
        return _by_order(now - last, policy)
    if attributes.number(profile, policy, ORDERS) == 0:
        return _prospect(profile, policy, now)
    since = moment(profile.attribute(CUSTOMER_SINCE))
    if since is not None and now - since <= timedelta(days=policy.lifecycle.active_days):
        return "active"
    return None


def last_order(profile: Profile) -> datetime | None:
    """Tell when she last ordered: by her CRM, or reported as an action completed."""
    told = (moment(profile.attribute(LAST_ORDER)), profile.completed.get(_PURCHASE))
    return max((at for at in told if at is not None), default=None)


def _by_order(age: timedelta, policy: Policy) -> Lifecycle:
    if age <= timedelta(days=policy.lifecycle.active_days):
        return "active"
    return "sleeping" if age <= timedelta(days=policy.lifecycle.sleeping_days) else "churned"


def _prospect(profile: Profile, policy: Policy, now: datetime) -> Lifecycle:
    """A prospect is hot while there is something between us: an answer, a contact, a deed."""
    moments = [
        *(response.answered_at for response in profile.responses.values()),
        *(contact.at for contact in profile.own.values()),
        *(contact.at for contact in profile.reported.values()),
        *profile.completed.values(),
    ]
    newest = max(moments, default=None)
    hot = newest is not None and now - newest <= timedelta(days=policy.lifecycle.hot_days)
    return "hot_prospect" if hot else "cold_prospect"
