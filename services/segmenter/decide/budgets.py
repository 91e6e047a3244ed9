"""Contact budgets as a decision states them: the rule, and what others used up of it. Pure.

The dispatcher knows our own deliveries and takes the slots; the segmenter knows the rule and the
contacts that are not ours.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.segmenter.decide.echoes import foreign
from services.segmenter.policy.budgets import BudgetRule, CalendarRule
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Contact, Profile
from shared.events.decisions import Budget
from shared.events.vocabulary import Ready


def budgets(profile: Profile, policy: Policy, zone: str, now: datetime) -> tuple[Budget, ...]:
    """State every budget of the policy for a customer who lives in `zone`."""
    others = foreign(profile)
    if not others:
        return _untouched(policy, zone)
    return tuple(_budget(rule, others, zone, now) for rule in policy.budgets)


def reach(rule: BudgetRule, zone: str, now: datetime) -> datetime:
    """Tell from which moment on contacts matter to a window that holds `now` or comes later."""
    window = rule.window
    if not isinstance(window, CalendarRule):
        return now - timedelta(hours=window.hours)
    local = now.astimezone(ZoneInfo(zone if window.zone == "customer" else window.zone))
    start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if window.unit == "week":
        start -= timedelta(days=start.weekday())
    elif window.unit == "month":
        start = start.replace(day=1)
    return start


def _budget(rule: BudgetRule, others: tuple[Contact, ...], zone: str, now: datetime) -> Budget:
    since = reach(rule, zone, now)
    return _stated(rule, zone, tuple(c.at for c in others if counts(rule, c, since)))


@lru_cache(maxsize=1024)
def _untouched(policy: Policy, zone: str) -> tuple[Budget, ...]:
    """State all budgets of who hears of nobody else: nearly all are told the same."""
    return Ready(_stated(rule, zone, ()) for rule in policy.budgets)


def _stated(rule: BudgetRule, zone: str, times: tuple[datetime, ...]) -> Budget:
    return Budget(
        name=rule.name,
        scope=rule.scope,
        classes=rule.classes,
        channels=rule.channels,
        limit=rule.limit,
        window=rule.window.wire(zone),
        foreign=times,
    )


def counts(rule: BudgetRule, contact: Contact, since: datetime) -> bool:
    """Tell whether a contact counts against a budget whose window begins at `since`."""
    return (
        contact.at >= since
        and contact.contact_class in rule.classes
        and (rule.channels is None or contact.channel in rule.channels)
    )
