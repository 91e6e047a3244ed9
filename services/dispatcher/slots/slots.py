"""Slots: whether one more contact fits the budgets, and when the next one does. Pure.

In: budgets as the segmenter states them, contacts that hold a slot, a moment. Out: a free moment
or the refusing budget with its counts. The caller holds the locks that make counting safe.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from services.dispatcher.delivery import Contact, Delivery
from services.dispatcher.hours.hours import period
from shared.events.decisions import Budget, RollingWindow
from shared.times import iso

#: No day, week or month is longer, nor begins earlier before a moment in it, in any zone.
_LONGEST: Final = {
    "day": timedelta(days=2), "week": timedelta(days=8), "month": timedelta(days=32),
}  # fmt: skip
#: Moves a moment past holds and quiet hours; the text says why it moved (None: it did not).
Release = Callable[[datetime], tuple[datetime, str | None]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The contacts that hold slots: hers, and those of her whole group (hers among them).

    `foreign`: when others contacted the rest of her group, by the group budget that counts it. Her
    own are in her budgets.
    """

    person: tuple[Contact, ...] = ()
    group: tuple[Contact, ...] = ()
    foreign: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)

    def without(self, delivery: Delivery) -> "Taken":
        """Leave a delivery's own slot out, so that it does not stand in its own way."""
        return self._kept(lambda contact: contact.delivery_id != delivery.id)

    def sent(self) -> "Taken":
        """Keep what was sent or may have been: planned ones are judged when their turn comes."""
        return self._kept(lambda contact: not contact.pending)

    def _kept(self, keep: Callable[[Contact], bool]) -> "Taken":
        return Taken(
            tuple(filter(keep, self.person)), tuple(filter(keep, self.group)), self.foreign
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A budget that is used up at a moment: how many of its limit, and when it may be free."""

    budget: str
    used: int
    limit: int
    window: str
    next_free: datetime


def covering(budgets: Iterable[Budget], delivery: Delivery) -> tuple[Budget, ...]:
    """Return the budgets that a delivery's class and channel count against."""
    return tuple(
        budget
        for budget in budgets
        if delivery.contact_class in budget.classes
        and (budget.channels is None or delivery.channel in budget.channels)
    )


def reach(budgets: Iterable[Budget]) -> timedelta:
    """Tell how far back from a moment any of these windows may look."""
    spans = (
        timedelta(hours=b.window.hours)
        if isinstance(b.window, RollingWindow)
        else _LONGEST[b.window.unit]
        for b in budgets
    )
    return max(spans, default=timedelta(0))


def refusal(budget: Budget, taken: Taken, at: datetime) -> Refusal | None:
    """Tell whether a contact at `at` would be one too many, in any window that holds it."""
    of_group = budget.scope == "group"
    contacts = taken.group if of_group else taken.person
    others = taken.foreign.get(budget.name, ()) if of_group else ()
    ours = (contact.at for contact in contacts if _counts(budget, contact))
    times = sorted([*budget.foreign, *others, *ours])
    if isinstance(budget.window, RollingWindow):
        span = timedelta(hours=budget.window.hours)
        return _rolling(budget, times, at, span)
    start, end = period(at, budget.window)
    used = sum(1 for moment in times if start <= moment < end)
    if used < budget.limit:
        return None
    return Refusal(budget.name, used, budget.limit, f"calendar {budget.window.unit}", end)


def _counts(budget: Budget, contact: Contact) -> bool:
    return contact.contact_class in budget.classes and (
        budget.channels is None or contact.channel in budget.channels
    )


def _rolling(
    budget: Budget, times: Sequence[datetime], at: datetime, span: timedelta
) -> Refusal | None:
    """Look at each window of `span` that ends at `at` or at a contact planned soon after it.

    A window is open at its start: exactly `span` later the older contact no longer counts.
    """
    ends = [at, *(moment for moment in times if at < moment < at + span)]
    used = max(sum(1 for moment in times if end - span < moment <= end) for end in ends)
    if used < budget.limit:
        return None
    leaving = [moment + span for moment in times if moment + span > at]
    return Refusal(budget.name, used, budget.limit, f"{span / timedelta(hours=1):g} h", leaving[0])


def next_free(
    budgets: Sequence[Budget], taken: Taken, at: datetime, release: Release
) -> tuple[datetime, str | None]:
    """Return the first moment from `at` on that all budgets and `release` allow, and why not `at`.

    Ends because every round moves past at least one contact or into a later period, and past all
    contacts nothing refuses (limits are at least 1).
    """
    reason: str | None = None
    moment = at
    while True:
        released, why = release(moment)
        refusals = [found for b in budgets if (found := refusal(b, taken, released))]
        reason = reason or why or (_told(refusals[0]) if refusals else None)
        if not refusals:
            return released, reason
        moment = max(found.next_free for found in refusals)


def _told(refused: Refusal) -> str:
    return f"budget {refused.budget}: {refused.used} of {refused.limit} in {refused.window}"


def take(delivery: Delivery, budgets: Iterable[Budget], taken: Taken, release: Release) -> Delivery:
    """Return the delivery with its slot: planned, waiting for a free moment, or suppressed."""
    moment, reason = next_free(
        covering(budgets, delivery), taken.without(delivery), delivery.moment, release
    )
    if reason is None:
        return replace(delivery, moment=moment, due=moment)
    told = f"{reason}; next free {iso(moment)}"
    if moment >= delivery.deadline:
        return delivery.to("suppressed", f"{told}, after the deadline", until=moment)
    return replace(delivery.waiting(told, moment), moment=moment, send_at=moment)
