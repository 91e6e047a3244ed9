"""A change of a watched figure as a notice: where it is left, and when. Pure.

In: the change, the doors of the playbook, the targets' rules. Out: the notice, named as the event
is, so that a change is told once however often it comes; or why there is none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.alerts.digest import Notice, night_end
from services.dispatcher.delivery import TargetRules
from services.dispatcher.playbook.routing import DigestRoute
from shared.events.decisions import FigureChanged

KIND: Final = "figure_alert"
#: Of shorter periods too, a change is worth hearing on the next working day.
_LEAST: Final = timedelta(days=3)


def notice_of(
    event_id: UUID,
    figure: FigureChanged,
    alerts: Mapping[str, DigestRoute],
    targets: Mapping[str, TargetRules],
    now: datetime,
) -> Notice | str:
    """Return what to tell of a change, or why nothing is told. In the readers' night it waits.

    It is news until the next period is over.
    """
    if figure.alert not in alerts:
        return "the playbook has no figure alert of this name"
    door = alerts[figure.alert].door(figure.value)
    if door is None:
        return "the figure alert leads this group nowhere"
    rules = targets.get(door.target)
    if rules is None or rules.alerts is None or rules.shadow:
        return "nobody reads this target, or it is in shadow"
    age = max(_LEAST, figure.after.end - figure.after.start)
    return Notice(
        id=event_id,
        kind=KIND,
        target=door.target,
        action=KIND,
        channel=next(iter(rules.channels or ()), "chat"),
        begun=figure.since,
        due=night_end(rules.alerts, now) or now,
        deadline=figure.since + age,
        room=door.room,
        figure=figure,
    )
