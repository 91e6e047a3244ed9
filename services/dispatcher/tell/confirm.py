"""Telling `nps.outcomes` that an erasure is done here, and later that it is at the platforms.

At least once, always under the same event ids: a process killed between the acknowledgement and the
mark tells it again.
"""

from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.tell.tell import SOURCE
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.events.envelope import OUTCOMES, Event, encode
from shared.events.ids import erasure_confirmed
from shared.events.outcomes import ErasureConfirmed

_log = structlog.get_logger(__name__)

_MOST: Final = 100
# What is left to a person is not asked any more. Locked, so that replicas do not tell the same.
_UNTOLD = text("""
    SELECT erasure_id, part FROM (
        SELECT e.erasure_id, e.handled_at, e.told, CASE WHEN EXISTS (
            SELECT 1 FROM deletions d
            WHERE d.erasure_id = e.erasure_id AND d.state IN ('due', 'sending')
        ) THEN 'dispatcher' ELSE 'platforms' END AS part
        FROM erasures e WHERE e.told <> 'platforms' FOR UPDATE SKIP LOCKED
    ) AS open
    WHERE part <> told ORDER BY handled_at LIMIT :most
""")
_TOLD = text("""
    UPDATE erasures e SET told = x.part
    FROM unnest(CAST(:ids AS uuid[]), CAST(:parts AS text[])) AS x (erasure_id, part)
    WHERE e.erasure_id = x.erasure_id
""")


async def confirm_erasures(engine: AsyncEngine, publisher: Publisher, now: datetime) -> int:
    """Tell what was not told yet of erasures; returns how many. Raises `DependencyAway`."""
    with away_as_dependency():
        async with engine.begin() as connection:
            rows = (await connection.execute(_UNTOLD, {"most": _MOST})).all()
            if not rows:
                return 0
            await publisher.publish([_message(row, now) for row in rows])
            told = {"ids": [row.erasure_id for row in rows], "parts": [row.part for row in rows]}
            await connection.execute(_TOLD, told)
    for row in rows:
        _log.info("dispatcher.erasure_confirmed", erasure_id=str(row.erasure_id), part=row.part)
    return len(rows)


def _message(row: Any, now: datetime) -> Message:
    confirmed = ErasureConfirmed(erasure_id=row.erasure_id, part=row.part, at=now)
    event = Event(erasure_confirmed(row.erasure_id, row.part), SOURCE, now, confirmed)
    return Message(OUTCOMES, str(row.erasure_id), encode(event))
