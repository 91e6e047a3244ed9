"""An owner's week as a notice: where it is left, and when. Pure.

In: the counted week, the digests of the playbook, the targets' rules. Out: the notice, named as the
event is, so that a week is told to an owner once however often it comes; or why there is none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.alerts.digest import Notice, night_end
from services.dispatcher.delivery import TargetRules
from services.dispatcher.playbook.routing import DigestRoute
from shared.events.decisions import OwnerWeekCounted

KIND: Final = "owner_week"
#: Then the next one is due.
_MAX_AGE: Final = timedelta(days=7)


def notice_of(
    event_id: UUID,
    week: OwnerWeekCounted,
    digests: Mapping[str, DigestRoute],
    targets: Mapping[str, TargetRules],
    now: datetime,
) -> Notice | str:
    """Return what to tell the owner, or why nothing is told. In the readers' night it waits."""
    if week.digest not in digests:
        return "the playbook has no digest of this name"
    door = digests[week.digest].door(week.owner)
    if door is None:
        return "the digest leads this owner nowhere"
    rules = targets.get(door.target)
    if rules is None or rules.alerts is None or rules.shadow:
        return "nobody reads this target, or it is in shadow"
    due = night_end(rules.alerts, now) or now
    return Notice(
        id=event_id,
        kind=KIND,
        target=door.target,
        action="weekly_digest",
        channel=next(iter(rules.channels or ()), "chat"),
        begun=week.start,
        due=due,
        deadline=week.due_at + _MAX_AGE,
        room=door.room,
        week=week,
    )
