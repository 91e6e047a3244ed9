"""When a target's readers are told that all is running. Pure.

In: their settings, the time. Out: the notice of the last heartbeat that was due, the same for every
replica; None where they want none, or it is too long ago to be news.
"""

from datetime import date, datetime, timedelta
from typing import Final

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.hours.hours import local_moment, zone_of
from services.dispatcher.targets.alert_settings import AlertSettings
from shared.events.ids import name_id
from shared.events.vocabulary import Channel

#: A heartbeat is worth telling for so long; then the next one is nearer.
_MAX_AGE: Final = timedelta(hours=12)


def heartbeat_of(
    target: str, channel: Channel, alerts: AlertSettings | None, now: datetime
) -> Notice | None:
    """Name the heartbeat that is due, or was within the last hours; it counts from `begun`.

    Of several days one is taken by the calendar, so that no row needs to say when the last one was.
    """
    if alerts is None or alerts.heartbeat is None:
        return None
    zone = zone_of(alerts.zone)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        due = local_moment(day, alerts.heartbeat_at, zone)
        if due <= now < due + _MAX_AGE and _counts(day, alerts.heartbeat):
            return Notice(
                id=name_id("heartbeat", target, day),
                kind="heartbeat",
                target=target,
                action="heartbeat",
                channel=channel,
                begun=due - alerts.heartbeat,
                due=due,
                deadline=due + _MAX_AGE,
            )
    return None


def _counts(day: date, every: timedelta) -> bool:
    return day.toordinal() % every.days == 0
