"""Emptying the rows of people who are erased: ids and times stay, everything else goes.

A delivery stays unique for ever, and its slot goes on counting where it counted. Locks: recipients
and groups are held by the caller; here follow calls, deliveries and their changes, pushes.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts import alert_store, week_store
from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.ledger import ledger
from services.dispatcher.plan import completed, draws
from services.dispatcher.status import inquiries

# Its answer may still come, and the deletion must not overtake it.
_CALLS = text("""
    UPDATE calls SET merged_into = NULLIF(CAST(:customer AS uuid), customer_id)
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_DELIVERIES = text("""
    UPDATE deliveries SET variant = '', template = '', legal_basis = NULL, context = '{}',
        segments = '{}', reference = NULL, message = 'none', arm = NULL, until = NULL,
        reason = :reason
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
# Nobody needs to hear any more what became of what she should have received.
_CHANGES = text("""
    UPDATE delivery_changes c SET reason = :reason, until = NULL, untold = false
    FROM deliveries d WHERE d.id = c.delivery_id AND d.customer_id = ANY(CAST(:ids AS uuid[]))
""")
# Where nothing ever went there is nothing to delete: a delivery without an attempt, a test
# respondent's profile that was withheld.
_REACHED = text("""
    SELECT target FROM pushes
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
        AND (state <> 'withheld' OR reached_at IS NOT NULL)
    UNION
    SELECT target FROM deliveries
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND attempts > 0
""")
_PUSHES = text("DELETE FROM pushes WHERE customer_id = ANY(CAST(:ids AS uuid[]))")
# What was told of her merges is not needed either: whatever names her is dropped.
_RECIPIENTS = text("""
    UPDATE recipients SET state = NULL, test = false, merged_into = NULL, linked_to = NULL,
        linked_at = NULL, erased_at = :at
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
# Whoever was part of her, and is not by now, is somebody of her own.
_LINKS = text("""
    UPDATE recipients SET linked_to = NULL WHERE linked_to = ANY(CAST(:ids AS uuid[]))
        AND customer_id = ANY(CAST(:known AS uuid[]))
""")
_LEAVE = text("""
    UPDATE recipients r SET group_key = NULL
    WHERE r.group_key = ANY(CAST(:keys AS text[])) AND NOT EXISTS (
        SELECT 1 FROM recipients o WHERE o.group_key = r.group_key AND o.erased_at IS NULL
    )
""")
_DELETE_GROUPS = text("""
    DELETE FROM groups g WHERE g.group_key = ANY(CAST(:keys AS text[])) AND NOT EXISTS (
        SELECT 1 FROM recipients r WHERE r.group_key = g.group_key
    )
""")
#: States in which something may still be sent, or has been without our knowing.
_OPEN: Final = frozenset({"planned", "waiting", "parked", "sending"})


def ended(delivery: Delivery) -> Delivery | None:
    """Return a forgotten customer's delivery as it ends; None: it has ended, or is in doubt. Pure.

    What may have reached her is in doubt and keeps its slot, as ever.
    """
    if delivery.state not in _OPEN:
        return None
    unsure = delivery.state == "sending" or delivery.unanswered_since is not None
    return delivery.to("in_doubt" if unsure else "superseded", ERASED)


async def reached(connection: AsyncConnection, ids: Collection[UUID]) -> set[str]:
    """Name the targets that may know her."""
    return set((await connection.scalars(_REACHED, {"ids": sorted(ids)})).all())


async def empty(
    connection: AsyncConnection,
    customer_id: UUID,
    ids: Collection[UUID],
    erased_at: datetime,
    now: datetime,
) -> Mapping[str, int]:
    """Forget these customers, whose calls go on under `customer_id`; returns counts of rows.

    `erased_at` is when the segmenter had forgotten them.
    """
    hers = {"ids": sorted(ids)}
    await connection.execute(_CALLS, {**hers, "customer": customer_id})
    counts = await empty_deliveries(connection, ids, now)
    await draws.forget(connection, ids)
    await completed.forget(connection, ids)
    pushed = await connection.execute(_PUSHES, hers)
    await connection.execute(_RECIPIENTS, {**hers, "at": erased_at})
    return {**counts, "pushes": pushed.rowcount, "recipients": len(hers["ids"])}


async def empty_deliveries(
    connection: AsyncConnection, ids: Collection[UUID], now: datetime
) -> Mapping[str, int]:
    """End what waits for them and empty every delivery; returns counts.

    A call's late answer finds another `change` than it knows, and writes nothing.
    """
    rows = await ledger.of_customers(connection, ids)
    after = [delivery for delivery in map(ended, rows) if delivery is not None]
    await ledger.move(connection, after, by="erasure", now=now)
    await alert_store.forget(connection, ids)
    await week_store.forget(connection, ids)
    await inquiries.forget(connection, ids)
    values = {"ids": sorted(ids), "reason": ERASED}
    await connection.execute(_DELIVERIES, values)
    await connection.execute(_CHANGES, values)
    return {"deliveries": len(rows), "ended": len(after)}


async def unlink(
    connection: AsyncConnection, ids: Collection[UUID], known: Collection[UUID]
) -> None:
    """Let nobody of those known be part of the forgotten ones any more."""
    await connection.execute(_LINKS, {"ids": sorted(ids), "known": sorted(known)})


async def leave_groups(connection: AsyncConnection, keys: Collection[str]) -> None:
    """Forget those of these groups (their rows are locked) in which nobody is left.

    A household goes on counting what somebody of it received who is erased since, as long as
    somebody lives there.
    """
    if keys:
        await connection.execute(_LEAVE, {"keys": sorted(keys)})
        await connection.execute(_DELETE_GROUPS, {"keys": sorted(keys)})
