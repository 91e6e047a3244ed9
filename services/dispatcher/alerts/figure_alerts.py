"""A change of a watched figure as a notice: where it is left, and when. Pure.

In: the change, the doors of the playbook, the targets' rules. Out: the notice, named as the event
is, so that a change is told once however often it comes; or why there is none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.alerts.digest import Notice, night_end
from services.dispatcher.alerts.readers import reader_of
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
    reader = reader_of(alerts, figure.alert, figure.value, targets)
    if isinstance(reader, str):
        return reader
    age = max(_LEAST, figure.after.end - figure.after.start)
    return Notice(
        id=event_id,
        kind=KIND,
        target=reader.target,
        action=KIND,
        channel=reader.channel,
        begun=figure.since,
        due=night_end(reader.alerts, now) or now,
        deadline=figure.since + age,
        room=reader.room,
        figure=figure,
    )
