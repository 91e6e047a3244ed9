"""Digests that reached nobody: what they had gathered goes on by itself, so that nothing is lost.

A digest that its target refused, or that found no way to it before its deadline, gives back its
alerts: they are due at once, count in this hour like any other, and are gathered anew past its
number. What is too late by then expires with that reason, as any alert does.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.ledger import ledger

#: So many at a time, so that the transaction stays short.
_MOST: Final = 500

# One whose target is paused or configured no more is claimed by nobody, and so ended by nobody.
_GIVE_UP = text("""
    UPDATE notices SET state = 'expired', token = NULL, at = :now, week = NULL,
        reason = 'no way to its target before the deadline'
    WHERE deadline <= :now AND (state = 'waiting' OR state = 'sending' AND lease_until < now())
""")
_GATHERED = text(f"""
    SELECT {ledger.COLUMNS}, n.id AS notice, n.state AS digest FROM notices n
    JOIN alerts a ON a.notice = n.id JOIN deliveries d ON d.id = a.delivery_id
    WHERE n.kind = 'digest' AND n.state IN ('rejected', 'expired') AND d.state = 'superseded'
        AND d.reason <> :erased
    ORDER BY d.id LIMIT :most FOR UPDATE OF d SKIP LOCKED
""")  # noqa: S608 - names of columns, nothing from outside
_CORRECTIONS = text(f"""
    SELECT {ledger.COLUMNS} FROM deliveries d JOIN alerts c ON c.delivery_id = d.id
    WHERE d.cause_id = ANY(CAST(:causes AS uuid[])) AND d.state IN ('planned', 'waiting')
        AND c.follows = ANY(CAST(:ids AS uuid[]))
    ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
""")  # noqa: S608
_LEAVE = text("""
    UPDATE alerts SET notice = NULL, told = NULL WHERE delivery_id = ANY(CAST(:ids AS uuid[]))
""")


async def give_back(connection: AsyncConnection, now: datetime) -> list[Delivery]:
    """Let go what lost digests had gathered; returns what changed."""
    await connection.execute(_GIVE_UP, {"now": now})
    released = {}
    for row in await connection.execute(_GATHERED, {"most": _MOST, "erased": ERASED}):
        reason = f"digest {row.notice} was {row.digest}: goes on by itself"
        released[row.id] = ledger.delivery(row).to("planned", reason, due=now)
    if not released:
        return []
    ended = await _ended(connection, released.values(), released)
    await ledger.move(connection, [*released.values(), *ended], by="sweep", now=now)
    await connection.execute(_LEAVE, {"ids": sorted(released)})
    return [*released.values(), *ended]


async def _ended(
    connection: AsyncConnection, released: Collection[Delivery], ids: Collection[UUID]
) -> list[Delivery]:
    """End what waits to correct them: sent by themselves, they say what is so by then."""
    values = {"causes": sorted({one.cause_id for one in released}), "ids": sorted(ids)}
    rows = await connection.execute(_CORRECTIONS, values)
    reason = "the alert that it corrects was not told yet: it will say so itself"
    return [ledger.delivery(row).to("superseded", reason) for row in rows]
