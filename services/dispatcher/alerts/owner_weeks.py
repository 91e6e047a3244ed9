"""An owner's week as a notice: where it is left, and when. Pure.

In: the counted week, the digests of the playbook, the targets' rules. Out: the notice, named as the
event is, so that a week is told to an owner once however often it comes; or why there is none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.alerts.digest import Notice, night_end
from services.dispatcher.alerts.readers import reader_of
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
    reader = reader_of(digests, week.digest, week.owner, targets)
    if isinstance(reader, str):
        return reader
    return Notice(
        id=event_id,
        kind=KIND,
        target=reader.target,
        action="weekly_digest",
        channel=reader.channel,
        begun=week.start,
        due=night_end(reader.alerts, now) or now,
        deadline=week.due_at + _MAX_AGE,
        room=reader.room,
        week=week,
    )
