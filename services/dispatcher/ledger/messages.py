"""How far messages have come: `message` of a delivery, and a row for each stage it reached.

Told by platforms, by their web-hooks or when they are asked. A later stage wins over an earlier one
in whatever order they are told, so each is reached once at most. The rows stand beside the changes
of state without being one of them: a report must not take a call in flight out of its lane's hands.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.status.inquiry import ORDER
from shared.events.outcomes import MessageState

_ADVANCE = text("""
    WITH moved AS (
        UPDATE deliveries d SET message = :stage
        FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[])) AS x(id, occurred_at)
        WHERE d.id = x.id
            AND array_position(CAST(:order AS text[]), d.message)
                < array_position(CAST(:order AS text[]), CAST(:stage AS text))
            AND (NOT :asked OR EXISTS (SELECT 1 FROM inquiries i WHERE i.delivery_id = d.id))
        RETURNING d.id, d.change, d.state, x.occurred_at
    ), noted AS (
        INSERT INTO message_changes (delivery_id, message, change, state, occurred_at, at, by)
        SELECT id, :stage, change, state, occurred_at, :now, :by FROM moved
        ON CONFLICT DO NOTHING
    )
    SELECT id FROM moved
""")


async def advance(
    connection: AsyncConnection,
    stage: MessageState,
    told: Mapping[UUID, datetime],
    *,
    by: Literal["report", "status"],
    now: datetime,
) -> set[UUID]:
    """Move messages on to a stage (`told`: delivery → when it happened); returns what moved.

    By `status` alone a message moves that is still asked about: who was erased has no question.
    """
    if not told:
        return set()
    values = {
        "stage": stage,
        "ids": sorted(told),
        "times": [told[one] for one in sorted(told)],
        "order": list(ORDER),
        "asked": by == "status",
        "now": now,
        "by": by,
    }
    return set((await connection.scalars(_ADVANCE, values)).all())
