"""What a customer is to the house: declared, else told by her orders and their dates. Pure.

It depends on the moment that asks, so it is found at each decision and never stored.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, cast, get_args

from services.segmenter.decide.clocks import CUSTOMER_SINCE, moment
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import attributes
from services.segmenter.profile.state import Profile
from shared.events.decisions import Lifecycle

#: What her own systems say of her; it wins over whatever dates suggest.
DECLARED: Final = "lifecycle"
LAST_ORDER: Final = "last_order_at"
ORDERS: Final = "orders_count"
#: What `action.completed` calls an order.
_PURCHASE: Final = "purchase"
_KNOWN: Final = frozenset(get_args(Lifecycle))
#: Before every order.
LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


def lifecycle(profile: Profile, policy: Policy, now: datetime) -> Lifecycle | None:
    """Tell what she is at `now`; None: neither declared nor told by anything known of orders.

    Nobody is called a prospect because her orders are not known: only if they are known to be none.
    """
    told = declared(profile, policy)
    if told is not None:
        return told
    last = last_order(profile, policy)
    if last is not None:
        return _by_order(last, policy, now)
    if attributes.number(profile, policy, ORDERS) == 0:
        return _prospect(profile, policy, now)
    since = moment(attributes.believed(profile, policy, CUSTOMER_SINCE))
    if since is not None and now - since <= timedelta(days=policy.lifecycle.active_days):
        return "active"
    return None


def declared(profile: Profile, policy: Policy) -> Lifecycle | None:
    """Tell what her own systems say she is; None: nothing that is known here."""
    told = attributes.text(profile, policy, DECLARED)
    folded = told.casefold() if told is not None else None
    return cast(Lifecycle, folded) if folded in _KNOWN else None


def left_at(profile: Profile, policy: Policy) -> datetime | None:
    """Tell from when on her silence counts: she is churned once that is before `gone_since`.

    Declared churned: for ever; declared otherwise, or of whom nothing is known: None.
    """
    told = declared(profile, policy)
    if told is not None:
        return LONG_AGO if told == "churned" else None
    return last_order(profile, policy)


def gone_since(policy: Policy, now: datetime) -> datetime:
    """Tell before which moment an order is too long ago."""
    return now - timedelta(days=policy.lifecycle.sleeping_days)


def last_order(profile: Profile, policy: Policy) -> datetime | None:
    """Tell when she last ordered: by her CRM, or reported as an action completed."""
    said = moment(attributes.believed(profile, policy, LAST_ORDER))
    told = (said, profile.completed.get(_PURCHASE))
    return max((at for at in told if at is not None), default=None)


def _by_order(last: datetime, policy: Policy, now: datetime) -> Lifecycle:
    if last < gone_since(policy, now):
        return "churned"
    return "active" if now - last <= timedelta(days=policy.lifecycle.active_days) else "sleeping"


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
