"""Customers turned out to be one, or to be two after all: what is theirs goes where it belongs.

Merged: everything of hers goes to the survivor. Unmerged: what was planned for her goes back, and
what still waits because of what she said; what was planned for the survivor stays. Told before or
after decisions of either, twice, or after the survivor was merged on: all end the same. What was in
flight under the other name still counts as in flight for her.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher import ledger, pushes, store
from services.dispatcher.links import Link, roots
from shared.events.decisions import CustomerMerged, CustomerUnmerged

#: Any number that nothing else here locks: merges are rare, and one at a time sees whole groups.
_MERGING: Final = 6_270_513

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:key)")
_CALLS = text("""
    UPDATE calls SET merged_into = NULLIF(CAST(:survivor AS uuid), customer_id)
    WHERE customer_id = ANY(CAST(:members AS uuid[]))
""")
# Her last state was told before the merge: nothing goes out by it. The new one follows at once.
_FORGET_STATE = text("UPDATE recipients SET state = NULL WHERE customer_id = :customer")


async def merge_customers(
    engine: AsyncEngine, event: CustomerMerged | CustomerUnmerged, now: datetime
) -> None:
    """Move deliveries, slots and wanted states, in one transaction."""
    if isinstance(event, CustomerMerged):
        told = Link(event.merged_id, event.customer_id, event.merged_at)
        named = {event.merged_id, event.customer_id}
    else:
        told = Link(event.customer_id, None, event.unmerged_at)
        named = {event.customer_id, event.survivor_id}
    causes = event.causes if isinstance(event, CustomerUnmerged) else ()
    async with engine.begin() as connection:
        await connection.execute(_ONE_AT_A_TIME, {"key": _MERGING})
        recipients = await store.lock(connection, named | await store.together(connection, named))
        links = await store.links(connection, recipients.keys())
        known = links.get(told.customer_id)
        if known is not None and known.at >= told.at:
            return
        groups = {r.group for r in recipients.values() if r.group}
        await store.lock_groups(connection, groups)
        await store.link(connection, told)
        after = roots(recipients, {**links, told.customer_id: told}.values())
        before = {one: r.merged_into or one for one, r in recipients.items()}
        for (old, new), members in _moves(before, after).items():
            await store.merge(connection, members, new)
            await connection.execute(_CALLS, {"survivor": new, "members": members})
            if old in members:
                await ledger.to_survivor(connection, merged=old, survivor=new)
                await pushes.to_survivor(connection, merged=old, survivor=new, now=now)
            else:
                await connection.execute(_FORGET_STATE, {"customer": new})
                await ledger.back(connection, old, new, members, causes)


def _moves(
    before: Mapping[UUID, UUID], after: Mapping[UUID, UUID]
) -> dict[tuple[UUID, UUID], list[UUID]]:
    """Tell who moves from which survivor to which."""
    found: dict[tuple[UUID, UUID], list[UUID]] = {}
    for customer_id in sorted(before):
        move = before[customer_id], after[customer_id]
        if move[0] != move[1]:
            found.setdefault(move, []).append(customer_id)
    return found
