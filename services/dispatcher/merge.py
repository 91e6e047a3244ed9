"""Two customers turned out to be one: everything of the merged one goes to the survivor.

Told before or after decisions of the merged customer, twice, or after the survivor was merged on:
all end the same. What was in flight under the merged name still counts as in flight for her.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher import ledger, pushes, store
from shared.events.decisions import CustomerMerged

_CALLS = text("""
    UPDATE calls SET merged_into = :survivor WHERE customer_id = :merged OR merged_into = :merged
""")


async def merge_customers(engine: AsyncEngine, event: CustomerMerged, now: datetime) -> None:
    """Move deliveries, slots and wanted states, in one transaction."""
    async with engine.begin() as connection:
        pair = {event.merged_id, event.customer_id}
        recipients = await store.lock(connection, pair)
        survivor = recipients[event.customer_id].merged_into or event.customer_id
        merged = recipients[event.merged_id]
        if survivor in {merged.customer_id, merged.merged_into}:
            return
        groups = {r.group for r in recipients.values() if r.group}
        await store.lock_groups(connection, groups)
        await store.merge(connection, merged.customer_id, survivor)
        moved = {"merged": merged.customer_id, "survivor": survivor}
        await connection.execute(_CALLS, moved)
        await ledger.to_survivor(connection, **moved)
        await pushes.to_survivor(connection, **moved, now=now)
