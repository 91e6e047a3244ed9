"""Rows of recipients, groups and planned decisions. Locks are taken in id and key order.

The order of locks everywhere: recipients → groups → calls → deliveries and pushes. A lane's claim
skips what is locked instead of waiting.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.ledger.links import Link
from services.dispatcher.ledger.recipients import Recipient, read_state, write_state
from services.dispatcher.ledger.rows import as_json
from services.dispatcher.slots.book import Foreign, foreign_of
from shared.errors import DependencyAway
from shared.events.decisions import Budget

_ADD = text("""
    INSERT INTO recipients (customer_id)
    SELECT id FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY id
    ON CONFLICT DO NOTHING
""")
_MERGED_INTO = text("""
    SELECT merged_into FROM recipients
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NOT NULL
""")
_LOCK = text("""
    SELECT customer_id, version, group_key, test, CAST(state AS text) AS state, merged_into,
        erased_at FROM recipients
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) ORDER BY customer_id FOR UPDATE
""")
_SAVE = text("""
    UPDATE recipients r
    SET version = x.version, group_key = x.group_key, test = x.test, state = x.state
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(customer_id uuid, version bigint, group_key text, test boolean, state jsonb)
    WHERE r.customer_id = x.customer_id
""")
_ADD_GROUPS = text("""
    INSERT INTO groups (group_key)
    SELECT k FROM unnest(CAST(:keys AS text[])) AS k ORDER BY k ON CONFLICT DO NOTHING
""")
_LOCK_GROUPS = text("""
    SELECT group_key FROM groups
    WHERE group_key = ANY(CAST(:keys AS text[])) ORDER BY group_key FOR UPDATE
""")
_LOCK_FREE_GROUPS = text("""
    SELECT group_key FROM groups
    WHERE group_key = ANY(CAST(:keys AS text[])) ORDER BY group_key FOR UPDATE SKIP LOCKED
""")
_MEMBERS = text("""
    SELECT group_key, customer_id FROM recipients WHERE group_key = ANY(CAST(:keys AS text[]))
""")
#: Of whom another one follows the merge, the state is part of that one's.
_FOREIGN = text("""
    SELECT r.customer_id, b.value AS budget
    FROM recipients r, jsonb_array_elements(r.state -> 'budgets') b
    WHERE r.group_key = ANY(CAST(:keys AS text[])) AND r.merged_into IS NULL
        AND b.value ->> 'scope' = 'group' AND b.value -> 'foreign' <> '[]'
""")
_PLANNED = text("""
    INSERT INTO planned (decision_id, customer_id, planned_at, answer)
    SELECT d, c, :now, a FROM unnest(CAST(:decisions AS uuid[]), CAST(:customers AS uuid[]),
        CAST(:answers AS uuid[])) AS x(d, c, a)
    ORDER BY d ON CONFLICT DO NOTHING RETURNING decision_id
""")
_MERGE = text("""
    UPDATE recipients SET merged_into = NULLIF(CAST(:survivor AS uuid), customer_id)
    WHERE customer_id = ANY(CAST(:members AS uuid[]))
""")
_TOGETHER = text("""
    WITH roots AS (
        SELECT coalesce(merged_into, customer_id) AS id FROM recipients
        WHERE customer_id = ANY(CAST(:ids AS uuid[]))
    )
    SELECT customer_id FROM recipients
    WHERE customer_id IN (SELECT id FROM roots) OR merged_into IN (SELECT id FROM roots)
""")
_LINKS = text("""
    SELECT customer_id, linked_to, linked_at FROM recipients
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND linked_at IS NOT NULL
""")
_ERASED = text("""
    SELECT customer_id FROM recipients
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND erased_at IS NOT NULL
""")
_LINK = text("UPDATE recipients SET linked_to = :into, linked_at = :at WHERE customer_id = :id")


async def lock(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """Lock these customers and the survivors they were merged into; unknown ones are made.

    Raises `DependencyAway` when a merge slipped in before the locks: repeat the transaction.
    """
    await connection.execute(_ADD, {"ids": sorted(ids)})
    known = (await connection.scalars(_MERGED_INTO, {"ids": list(ids)})).all()
    wanted = {*ids, *known}
    rows = await connection.execute(_LOCK, {"ids": sorted(wanted)})
    recipients = {row.customer_id: recipient(row, row.state) for row in rows}
    if any(r.merged_into and r.merged_into not in recipients for r in recipients.values()):
        raise DependencyAway("database: a merge came in between")
    return recipients


def recipient(row: Any, state: Any) -> Recipient:
    """Read a row with the columns of `recipients`; its `state` apart, for a join may rename it."""
    return Recipient(
        customer_id=row.customer_id,
        version=row.version,
        group=row.group_key,
        state=read_state(state),
        merged_into=row.merged_into,
        test=row.test,
        erased=row.erased_at is not None,
    )


async def save(connection: AsyncConnection, recipients: Iterable[Recipient]) -> None:
    """Write the states of locked recipients."""
    rows = [
        {
            "customer_id": r.customer_id,
            "version": r.version,
            "group_key": r.group,
            "test": r.test,
            "state": orjson.Fragment(write_state(r.state) or "null"),
        }
        for r in recipients
    ]
    if rows:
        await connection.execute(_SAVE, {"rows": as_json(rows)})


async def lock_groups(connection: AsyncConnection, keys: Collection[str]) -> None:
    """Lock groups, so that their budgets are counted by one transaction at a time.

    Raises `DependencyAway` when one was deleted before the lock: repeat the transaction.
    """
    if keys:
        await connection.execute(_ADD_GROUPS, {"keys": sorted(keys)})
        locked = (await connection.scalars(_LOCK_GROUPS, {"keys": sorted(keys)})).all()
        if len(locked) < len(set(keys)):
            # The last member was forgotten while we waited: the next try makes the group anew.
            raise DependencyAway("database: a group went in between")


async def lock_free_groups(connection: AsyncConnection, keys: Collection[str]) -> set[str]:
    """Lock those of the groups that nobody else holds; waits for nobody."""
    if not keys:
        return set()
    return set((await connection.scalars(_LOCK_FREE_GROUPS, {"keys": sorted(keys)})).all())


async def members(connection: AsyncConnection, keys: Collection[str]) -> dict[str, set[UUID]]:
    """Return the customers of each group."""
    found: dict[str, set[UUID]] = {key: set() for key in keys}
    if keys:
        for row in await connection.execute(_MEMBERS, {"keys": list(keys)}):
            found[row.group_key].add(row.customer_id)
    return found


async def foreign(connection: AsyncConnection, keys: Collection[str]) -> dict[UUID, Foreign]:
    """Return what others' contacts with their members use of the budgets of these groups."""
    found: dict[UUID, list[Budget]] = {}
    if keys:
        for row in await connection.execute(_FOREIGN, {"keys": list(keys)}):
            found.setdefault(row.customer_id, []).append(Budget.model_validate(row.budget))
    return {customer: foreign_of(budgets) for customer, budgets in found.items()}


async def mark_planned(
    connection: AsyncConnection,
    decisions: dict[UUID, UUID],
    answers: Mapping[UUID, UUID],
    now: datetime,
) -> set[UUID]:
    """Note decisions (id → customer) as planned; return those that were not before.

    `answers` maps those that are about an answer to it.
    """
    rows = await connection.scalars(
        _PLANNED,
        {
            "decisions": list(decisions),
            "customers": list(decisions.values()),
            "answers": [answers.get(decision) for decision in decisions],
            "now": now,
        },
    )
    return set(rows.all())


async def merge(connection: AsyncConnection, members: Sequence[UUID], survivor: UUID) -> None:
    """Point customers to their survivor; her who is it herself to nobody."""
    await connection.execute(_MERGE, {"members": members, "survivor": survivor})


async def together(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """List all who are one with any of these."""
    return set((await connection.scalars(_TOGETHER, {"ids": sorted(ids)})).all())


async def links(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Link]:
    """Read what was told last of the merges of these customers."""
    rows = await connection.execute(_LINKS, {"ids": sorted(ids)})
    return {row.customer_id: Link(*row) for row in rows}


async def erased(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Tell which of these customers are forgotten."""
    return set((await connection.scalars(_ERASED, {"ids": sorted(ids)})).all())


async def link(connection: AsyncConnection, told: Link) -> None:
    """Keep what was told last of one customer."""
    values = {"id": told.customer_id, "into": told.into, "at": told.at}
    await connection.execute(_LINK, values)
