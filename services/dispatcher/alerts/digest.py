"""More alerts than a chat can bear: what is past the hour's number goes into one digest. Pure.

In: alerts about to be sent, how many went in this hour, the readers' settings. Out: which of them
wait for which digest. Escalations never do, nor what was tried already, nor corrections.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.delivery import Delivery
from services.dispatcher.hours.hours import quiet_until, zone_of
from services.dispatcher.targets.alert_settings import AlertSettings
from shared.events.decisions import FigureChanged, OwnerWeekCounted
from shared.events.ids import name_id
from shared.events.vocabulary import Channel
from shared.times import iso

_HOUR: Final = timedelta(hours=1)
#: A digest that comes later than this is no news.
_MAX_AGE: Final = timedelta(hours=24)
#: Said lightly by many; the other topics are somebody's at once, those of the operator's own too.
_PATIENT: Final = frozenset({"churn"})


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell colleagues about no single customer, and by when at the latest.

    `room` is a channel of a target that has several; `week` what the owner's digest tells, `figure`
    what an alert on a figure does.
    """

    id: UUID
    kind: str
    target: str
    action: str
    channel: Channel
    begun: datetime
    due: datetime
    deadline: datetime
    room: str | None = None
    week: OwnerWeekCounted | None = None
    figure: FigureChanged | None = None


def escalated(delivery: Delivery) -> bool:
    """Tell whether an alert is somebody's at once: by day and night, and never in a digest."""
    raised = delivery.context.get("escalations")
    return isinstance(raised, list | tuple) and not set(raised) <= _PATIENT


def night_until(delivery: Delivery, alerts: AlertSettings | None, at: datetime) -> datetime | None:
    """Return the end of the readers' night, if `at` lies in it and the alert can wait."""
    if alerts is None or delivery.customer_facing or escalated(delivery):
        return None
    return night_end(alerts, at)


def countable(delivery: Delivery) -> bool:
    """Tell whether an alert counts in the hour, and may wait for its digest."""
    first = delivery.attempts == 0 and CORRECTS not in delivery.context
    return not delivery.customer_facing and first and not escalated(delivery)


def hour_of(now: datetime) -> datetime:
    """Return the beginning of the hour."""
    return now.replace(minute=0, second=0, microsecond=0)


def digest_of(delivery: Delivery, alerts: AlertSettings, now: datetime) -> Notice:
    """Name the digest of this hour that would hold an alert; it goes at the hour's end.

    Where that is in the readers' night, it goes in the morning.
    """
    hour = hour_of(now)
    end = hour + _HOUR
    due = night_end(alerts, end) or end
    return Notice(
        id=name_id("digest", delivery.target, delivery.action, iso(hour)),
        kind="digest",
        target=delivery.target,
        action=delivery.action,
        channel=delivery.channel,
        begun=hour,
        due=due,
        deadline=due + _MAX_AGE,
    )


def above(
    going: Iterable[Delivery], used: Mapping[str, int], most: int
) -> tuple[dict[str, int], list[Delivery]]:
    """Count alerts in the hour, by action; returns the new counts, and those past the number."""
    counts = dict(used)
    past = []
    for delivery in going:
        if counts.get(delivery.action, 0) < most:
            counts[delivery.action] = counts.get(delivery.action, 0) + 1
        else:
            past.append(delivery)
    return counts, past


def gathered(delivery: Delivery, notice: Notice, most: int) -> Delivery:
    """Return an alert that will be told by a digest."""
    return delivery.to("superseded", f"gathered into digest {notice.id}: more than {most} an hour")


def night_end(alerts: AlertSettings, at: datetime) -> datetime | None:
    """Return the end of the readers' night, if `at` lies in it."""
    night = alerts.night
    return quiet_until(at, zone_of(alerts.zone), night.start, night.end) if night else None
