"""Rows of notices that tell figures: added once, and weeks without whoever is erased."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.ledger import store
from shared.events.decisions import OwnerWeekCounted
from shared.events.envelope import written

# Whatever comes again is the same: the first one that came is told.
_ADD = text("""
    INSERT INTO notices (id, kind, target, action, channel, begun, due, deadline, reason, at,
                         room, week, figure)
    VALUES (:id, :kind, :target, :action, :channel, :begun, :due, :deadline, 'is due', :now,
            :room, CAST(:week AS jsonb), CAST(:figure AS jsonb))
    ON CONFLICT (id) DO NOTHING RETURNING true
""")
_FORGET = text("""
    UPDATE notices SET week = jsonb_set(week, '{comments}', (
        SELECT coalesce(jsonb_agg(c), '[]') FROM jsonb_array_elements(week -> 'comments') AS c
        WHERE NOT CAST(c ->> 'customer_id' AS uuid) = ANY(CAST(:ids AS uuid[]))))
    WHERE week IS NOT NULL AND EXISTS (
        SELECT 1 FROM jsonb_array_elements(week -> 'comments') AS c
        WHERE CAST(c ->> 'customer_id' AS uuid) = ANY(CAST(:ids AS uuid[])))
""")


async def add(connection: AsyncConnection, notices: Sequence[Notice], now: datetime) -> int:
    """Add notices of weeks and of changed figures; returns how many are new."""
    new = 0
    for notice in sorted(notices, key=lambda one: one.id):
        week, figure = (
            None if told is None else written(told).decode()
            for told in (notice.week, notice.figure)
        )
        bare = asdict(replace(notice, week=None, figure=None))
        values = {**bare, "week": week, "figure": figure, "now": now}
        new += bool(await connection.scalar(_ADD, values))
    return new


async def living(connection: AsyncConnection, week: OwnerWeekCounted) -> OwnerWeekCounted:
    """Leave out the comments of people who were erased since the week was counted."""
    gone = await store.erased(connection, {one.customer_id for one in week.comments})
    left = tuple(one for one in week.comments if one.customer_id not in gone)
    return week.model_copy(update={"comments": left})


async def forget(connection: AsyncConnection, customers: Collection[UUID]) -> None:
    """Take these customers out of what waits to be told."""
    await connection.execute(_FORGET, {"ids": sorted(customers)})
