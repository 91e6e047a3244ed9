"""What is kept for a time only: how deliveries came to their state, what alerts said, was asked.

Each table past its own time, in short transactions. For ever, until she is erased, stay: a delivery
with its last state (its id makes it unique), what she completed, who was drawn for an experiment,
which code was given, what platforms showed of her consent; of a playbook its text, since deliveries
name it. Receipts of erasures stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import away_as_dependency

_log = structlog.get_logger(__name__)

#: Once an hour is soon enough for what is kept for months.
EVERY_S: Final = 3600.0
#: Rows of one transaction: a few hundred milliseconds, so that nobody waits for it.
_MOST: Final = 5000

#: Longer than any cooldown and any comparison with the year before.
HISTORY_KEPT: Final = timedelta(days=400)
#: An answer is revised within days; after three months nobody acts on an alert, nor on its digest.
ALERTS_KEPT: Final = timedelta(days=90)

#: The delivery's `message` says what was found; when its platform was asked is news for a month.
INQUIRIES_KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A statement that deletes at most `:most` rows from before `:before`; how long they stay."""

    keep: timedelta
    delete: str


_TABLES: Final[Mapping[str, _Kept]] = {
    "delivery_changes": _Kept(
        HISTORY_KEPT,
        """
        DELETE FROM delivery_changes c USING (
            SELECT delivery_id, change FROM delivery_changes
            WHERE at < :before AND NOT untold LIMIT :most
        ) old WHERE c.delivery_id = old.delivery_id AND c.change = old.change
        """,
    ),
    "message_changes": _Kept(
        HISTORY_KEPT,
        """
        DELETE FROM message_changes c USING (
            SELECT delivery_id, message FROM message_changes WHERE at < :before LIMIT :most
        ) old WHERE c.delivery_id = old.delivery_id AND c.message = old.message
        """,
    ),
    # That a decision was planned is asked while the bus may tell it again (37 days), and by an
    # unmerge, which hands back what is in here.
    "planned": _Kept(
        HISTORY_KEPT,
        """
        DELETE FROM planned WHERE decision_id IN (
            SELECT decision_id FROM planned WHERE planned_at < :before LIMIT :most
        )
        """,
    ),
    "alerts": _Kept(
        ALERTS_KEPT,
        """
        DELETE FROM alerts WHERE delivery_id IN (
            SELECT delivery_id FROM alerts WHERE at < :before LIMIT :most
        )
        """,
    ),
    "inquiries": _Kept(
        INQUIRIES_KEPT,
        """
        DELETE FROM inquiries WHERE delivery_id IN (
            SELECT delivery_id FROM inquiries
            WHERE due IS NULL AND NOT untold AND accepted_at < :before LIMIT :most
        )
        """,
    ),
    # The last that arrived at each target stays: by it silence is told.
    "notices": _Kept(
        ALERTS_KEPT,
        """
        DELETE FROM notices WHERE id IN (
            SELECT id FROM notices n
            WHERE n.at < :before AND n.state IN ('accepted', 'rejected', 'expired') AND NOT (
                n.state = 'accepted' AND n.at = (
                    SELECT max(m.at) FROM notices m
                    WHERE m.target = n.target AND m.kind = n.kind AND m.state = 'accepted'))
            LIMIT :most
        )
        """,
    ),
}
# All are large where it matters, and old rows lie together: their indexes by time say where.
_BY_INDEX: Final = text("SELECT set_config('enable_seqscan', 'off', true)")


async def prune(engine: AsyncEngine, now: datetime) -> None:
    """Delete what is past its time, and write down how much. Raises `DependencyAway`."""
    deleted = {}
    for table, kept in _TABLES.items():
        deleted[table] = 0
        while True:
            with away_as_dependency():
                async with engine.begin() as connection:
                    await connection.execute(_BY_INDEX)
                    values = {"before": now - kept.keep, "most": _MOST}
                    gone = (await connection.execute(text(kept.delete), values)).rowcount
            deleted[table] += gone
            if gone < _MOST:
                break
    _log.info("dispatcher.pruned", **deleted)
