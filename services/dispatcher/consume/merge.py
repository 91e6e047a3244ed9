"""Customers turned out to be one, or to be two after all: what is theirs goes where it belongs.

Merged: everything of hers goes to the survivor. Unmerged: what was planned for her goes back, and
what still waits because of what she said; what was planned for the survivor stays. Told before or
after decisions of either, twice, or after the survivor was merged on: all end the same. What was in
flight under the other name still counts as in flight for her. What names somebody who was erased
makes nobody one with her.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.consume import forgetting
from services.dispatcher.ledger import ledger, pushes, store
from services.dispatcher.ledger.links import Link, roots
from services.dispatcher.ledger.recipients import Recipient
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
        await one_at_a_time(connection)
        recipients = await store.lock(connection, named | await store.together(connection, named))
        erased = {one for one in named if recipients[one].erased}
        if told.customer_id in erased or told.into in erased:
            if isinstance(event, CustomerUnmerged) and event.survivor_id not in erased:
                await _end_what_was_hers(connection, event, recipients, now)
            return
        links = await store.links(connection, recipients.keys())
        known = links.get(told.customer_id)
        if known is not None and known.at >= told.at:
            return
        groups = {r.group for r in recipients.values() if r.group}
        await store.lock_groups(connection, groups)
        await store.link(connection, told)
        after = roots(recipients, {**links, told.customer_id: told}.values())
        await regroup(connection, recipients, after, causes, now)


async def one_at_a_time(connection: AsyncConnection) -> None:
    """Wait for the transaction before that looked at whole groups of customers, and be the next."""
    await connection.execute(_ONE_AT_A_TIME, {"key": _MERGING})


async def regroup(
    connection: AsyncConnection,
    recipients: Mapping[UUID, Recipient],
    after: Mapping[UUID, UUID],
    causes: Sequence[UUID],
    now: datetime,
) -> None:
    """Let locked recipients (with their groups) be part of whom `after` says, with what is theirs.

    `causes`: what still waits because of them goes with her who is parted.
    """
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


async def _end_what_was_hers(
    connection: AsyncConnection,
    event: CustomerUnmerged,
    recipients: Mapping[UUID, Recipient],
    now: datetime,
) -> None:
    """End what still waits because of what she said, who was parted and then forgotten.

    Heard of the erasure first, we took it for the survivor's, who lives.
    """
    gone, survivor = event.customer_id, recipients[event.survivor_id]
    there = survivor.merged_into or survivor.customer_id
    await ledger.back(connection, there, gone, [gone], event.causes)
    await forgetting.empty_deliveries(connection, [gone], now)


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
