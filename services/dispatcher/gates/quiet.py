"""Quiet times: the house's quiet hours and the calendars together, for one delivery. Pure.

In: the delivery, where the recipient is, the playbook, the target's rules. Out: a function that
moves a moment past all of them. What opens at eight for ten thousand people is spread over
`opening_jitter`, each delivery by its own share, which never changes.
"""

from datetime import datetime, timedelta

from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.hours.hours import quiet_until, zone_of
from services.dispatcher.hours.opening import FARTHEST, concerning, next_open, place_of
from services.dispatcher.ledger.recipients import Recipient
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.slots import Release


def quiet_of(
    delivery: Delivery, recipient: Recipient, playbook: Playbook, rules: TargetRules
) -> Release:
    """Make the function that moves a moment past quiet times, with what stood in the way."""
    if rules.skip_delay_and_quiet_hours:
        return _always_open
    state, kind = recipient.state, delivery.contact_class
    place = place_of(state.zone if state else "UTC", recipient.attributes)
    packs = concerning(playbook.calendars, kind, delivery.channel, place)
    hours = playbook.quiet_hours
    nights = hours if hours is not None and kind in hours.classes else None
    if nights is None and not packs:
        return _always_open
    zone = zone_of(place.zone)

    def opened(at: datetime) -> tuple[datetime, str | None]:
        moment, why = at, None
        while moment < at + FARTHEST:
            until = quiet_until(moment, zone, nights.start, nights.end) if nights else None
            later, pack = next_open(packs, place, until or moment)
            if until is None and pack is None:
                break
            why = why or ("quiet hours" if until or pack is None else f"calendar {pack.name}")
            moment = later
        return moment, why

    jitter = _share(delivery, playbook.opening_jitter)

    def released(at: datetime) -> tuple[datetime, str | None]:
        moment, why = opened(at)
        if why is None:
            return at, None
        spread, closed_again = opened(moment + jitter)
        return (moment if closed_again else spread), why

    return released


def _always_open(at: datetime) -> tuple[datetime, str | None]:
    return at, None


def _share(delivery: Delivery, jitter: timedelta) -> timedelta:
    """Choose her part of the jitter by other digits than her delay, in whole seconds."""
    share = delivery.id.int // 10_000 % 10_000 / 10_000
    return timedelta(seconds=int(jitter.total_seconds() * share))
