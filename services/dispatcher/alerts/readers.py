"""Who reads what is told of no single customer: a digest's owner, a figure's group. Pure.

In: the routes of the playbook, the targets' rules. Out: the reader, or why there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.dispatcher.delivery import TargetRules
from services.dispatcher.playbook.routing import DigestRoute
from services.dispatcher.targets.alert_settings import AlertSettings
from shared.events.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class Reader:
    """Where a notice is left: a target and perhaps a room of it, and when they read there."""

    target: str
    room: str | None
    channel: Channel
    alerts: AlertSettings


def reader_of(
    routes: Mapping[str, DigestRoute],
    name: str,
    whose: str | None,
    targets: Mapping[str, TargetRules],
) -> Reader | str:
    """Return who reads the notices of route `name` about `whose` (an owner, a group)."""
    if name not in routes:
        return "the playbook has no digest or figure alert of this name"
    door = routes[name].door(whose)
    if door is None:
        return "its route leads this owner or group nowhere"
    rules = targets.get(door.target)
    if rules is None or rules.alerts is None or rules.shadow:
        return "nobody reads this target, or it is in shadow"
    channel: Channel = next(iter(rules.channels or ()), "chat")
    return Reader(door.target, door.room, channel, rules.alerts)
