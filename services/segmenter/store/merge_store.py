"""Merges in the database: who was merged into whom, who is kept apart, and undoing it.

All functions work on the caller's connection, inside its transaction. Every row here is written
under the locks of the customers it is about.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.identity.merges import Apart, Command, LeftOut, Undoing, own, reply_id
from services.segmenter.profile.facts import Fact
from services.segmenter.store import key_owners, store
from services.segmenter.store.key_owners import owners
from services.segmenter.store.rows import Changes, Customer, Gathered
from shared.events import feedback

_APART = text("""
    SELECT coalesce(a.survivor_id, p.customer_id) AS one,
           coalesce(b.survivor_id, p.other_id) AS other, p.reason
    FROM apart p
    LEFT JOIN aliases a ON a.customer_id = p.customer_id
    LEFT JOIN aliases b ON b.customer_id = p.other_id
    WHERE p.customer_id = ANY(CAST(:ids AS uuid[]))
       OR p.customer_id IN
          (SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[])))
    ORDER BY p.reason
""")
_LATEST = text("""
    SELECT max(greatest(merged_at, undone_at)) FROM merges
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_SEQUENCE = text("""
    SELECT coalesce(max(sequence), 0) FROM merges WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_MEMBERS = text("""
    WITH RECURSIVE part AS (
        SELECT CAST(:id AS uuid) AS customer_id
        UNION
        SELECT m.customer_id
        FROM merges m JOIN part p ON m.survivor_id = p.customer_id WHERE m.undone_at IS NULL
    )
    SELECT customer_id FROM part
""")
_THEIRS = text("SELECT event_id FROM facts WHERE customer_id = ANY(CAST(:members AS uuid[]))")
_FLATTEN = text("UPDATE aliases SET survivor_id = :kept WHERE survivor_id = :gone")
_ALIAS = text("""
    INSERT INTO aliases (customer_id, survivor_id, merged_at, event_id)
    VALUES (:gone, :kept, :at, :event)
""")
_MERGED = text("""
    INSERT INTO merges (customer_id, survivor_id, merged_at, event_id)
    VALUES (:gone, :kept, :at, :event)
""")
# Whoever is one by now is no pair any more.
_FORGET_PAIRS = text("""
    WITH one AS (
        SELECT CAST(:kept AS uuid) AS id
        UNION SELECT customer_id FROM aliases WHERE survivor_id = :kept
    )
    DELETE FROM apart
    WHERE customer_id IN (SELECT id FROM one) AND other_id IN (SELECT id FROM one)
""")
_UNDONE = text("""
    UPDATE merges SET undone_at = :at, undone_by = :event
    WHERE customer_id = :gone AND undone_at IS NULL
""")
_UNALIAS = text("DELETE FROM aliases WHERE customer_id = :gone")
_LEAVE = text("""
    UPDATE aliases SET survivor_id = :gone WHERE customer_id = ANY(CAST(:members AS uuid[]))
""")
_PAIR = text("""
    INSERT INTO apart (customer_id, other_id, reason, event_id, since)
    VALUES (:one, :other, :reason, :event, :at), (:other, :one, :reason, :event, :at)
    ON CONFLICT (customer_id, other_id) DO UPDATE SET
        reason = CASE WHEN apart.reason = 'person' THEN apart.reason ELSE excluded.reason END
""")
# Who is somebody else than the whole is somebody else than either half.
_INHERIT = text("""
    INSERT INTO apart (customer_id, other_id, reason, event_id, since)
    SELECT pair.one, pair.other, p.reason, p.event_id, p.since
    FROM apart p
    LEFT JOIN aliases b ON b.customer_id = p.other_id,
    LATERAL (VALUES (CAST(:gone AS uuid)), (CAST(:kept AS uuid))) AS half (id),
    LATERAL (VALUES (half.id, p.other_id), (p.other_id, half.id)) AS pair (one, other)
    WHERE (p.customer_id IN (CAST(:gone AS uuid), CAST(:kept AS uuid))
           OR p.customer_id IN (SELECT customer_id FROM aliases
                                WHERE survivor_id IN (CAST(:gone AS uuid), CAST(:kept AS uuid))))
      AND coalesce(b.survivor_id, p.other_id) NOT IN (CAST(:gone AS uuid), CAST(:kept AS uuid))
    ON CONFLICT (customer_id, other_id) DO NOTHING
""")


async def between(
    connection: AsyncConnection, roots: Collection[UUID]
) -> tuple[Apart, datetime | None]:
    """Read which of these customers are kept apart, and the latest merge or undoing of any."""
    rows = await connection.execute(_APART, {"ids": sorted(roots)})
    # 'person' sorts last, so it stands where both were said.
    apart: Apart = {
        frozenset((row.one, row.other)): row.reason
        for row in rows
        if row.one != row.other and row.other in roots
    }
    return apart, await latest(connection, roots)


async def latest(connection: AsyncConnection, ids: Iterable[UUID]) -> datetime | None:
    """Read when any of these customers was merged last, or unmerged."""
    found: datetime | None = await connection.scalar(_LATEST, {"ids": sorted(ids)})
    return found


async def sequence(connection: AsyncConnection, ids: Iterable[UUID]) -> int:
    """Read the number of the newest merge of any of these customers; 0: there was none."""
    return int(await connection.scalar(_SEQUENCE, {"ids": sorted(ids)}) or 0)


async def gather(connection: AsyncConnection, command: Command) -> Gathered | None:
    """Lock the customers of a command and read what deciding needs; None: they moved, repeat."""
    data = command.data
    named = {data.customer_id}
    if isinstance(data, feedback.MergeRequested):
        named.add(data.other_id)
    if await store.existing(connection, named) != named:
        return await _gathered(connection, command, {}, {}, idle="no customer has this id")
    survivors = await store.survivors(connection, named)
    # An undoing locks the row of her who is to be somebody again, too.
    customers = await store.lock(connection, {*survivors.values(), data.customer_id})
    if await store.survivors(connection, named) != survivors:
        return None
    if isinstance(data, feedback.MergeRequested):
        roots = {root: customers[root] for root in survivors.values()}
        return await _gathered_merge(connection, command, roots, survivors)
    return await _gathered_undoing(connection, command, customers, survivors[data.customer_id])


async def _gathered_merge(
    connection: AsyncConnection,
    command: Command,
    customers: dict[UUID, Customer],
    survivors: dict[UUID, UUID],
) -> Gathered:
    idle = "they are one customer already" if len(customers) < 2 else None
    gathered = await _gathered(connection, command, customers, survivors, idle=idle)
    if idle is None and not gathered.done:
        gathered.facts = await store.facts(connection, customers.keys())
        told = [fact for facts in gathered.facts.values() for fact in facts]
        gathered.owners = await key_owners.survivors(connection, told)
        gathered.latest = await latest(connection, customers)
    return gathered


async def _gathered_undoing(
    connection: AsyncConnection, command: Command, customers: dict[UUID, Customer], kept: UUID
) -> Gathered:
    gone = command.data.customer_id
    survivors = {gone: gone, kept: kept}
    idle = "she is merged into nobody" if kept == gone else None
    gathered = await _gathered(connection, command, customers, survivors, idle=idle)
    if idle is None and not gathered.done:
        members = frozenset(await connection.scalars(_MEMBERS, {"id": gone}))
        gathered.undoing = Undoing(gone, kept, members)
        gathered.facts = await _split(connection, gathered.undoing)
        gathered.latest = await latest(connection, [gone])
    return gathered


async def _gathered(
    connection: AsyncConnection,
    command: Command,
    customers: dict[UUID, Customer],
    survivors: dict[UUID, UUID],
    *,
    idle: str | None,
) -> Gathered:
    """Read what every command needs; what was decided before is read after the locks."""
    reply = reply_id(command.event_id, command.data.customer_id)
    done, copies = await store.done(connection, [command.event_id, reply])
    return Gathered(
        customers=customers,
        survivors=survivors,
        done=done,
        copies=copies,
        facts={},
        timers=await store.timers(connection, customers),
        idle=idle,
    )


async def _split(connection: AsyncConnection, undoing: Undoing) -> dict[UUID, list[Fact]]:
    """Read the facts of one customer as those of the two she will be; each with its own keys."""
    gone, kept = undoing.customer_id, undoing.survivor_id
    both = (await store.facts(connection, [kept]))[kept]
    theirs = set(await connection.scalars(_THEIRS, {"members": sorted(undoing.members)}))
    found = await owners(connection, both)
    then = {key: gone if one in undoing.members else root for key, (one, root) in found.items()}
    facts: dict[UUID, list[Fact]] = {gone: [], kept: []}
    for fact in both:
        side = gone if fact.event_id in theirs else kept
        facts[side].append(own(fact, then, side))
    return facts


async def save(connection: AsyncConnection, changes: Changes) -> None:
    """Write merges, an undoing, and who was left out."""
    for gone, kept, event_id in changes.aliases:
        row = {"gone": gone, "kept": kept, "at": changes.merged_at, "event": event_id}
        await connection.execute(_FLATTEN, {"gone": gone, "kept": kept})
        await connection.execute(_ALIAS, row)
        await connection.execute(_MERGED, row)
        await connection.execute(_FORGET_PAIRS, {"kept": kept})
    if changes.undone is not None:
        await _undo(connection, changes.undone, changes)
    for left in changes.left:
        if left.reason == "consent":
            await _keep_apart(connection, left, changes.merged_at)


async def _undo(connection: AsyncConnection, undone: Undoing, changes: Changes) -> None:
    gone, kept = undone.customer_id, undone.survivor_id
    event_id, at = changes.decisions[0].event_id, changes.merged_at
    others = sorted(undone.members - {gone})
    await connection.execute(_UNDONE, {"gone": gone, "at": at, "event": event_id})
    await connection.execute(_UNALIAS, {"gone": gone})
    await connection.execute(_LEAVE, {"gone": gone, "members": others})
    await connection.execute(_INHERIT, {"gone": gone, "kept": kept})
    await _keep_apart(connection, LeftOut(gone, kept, "person", event_id), at)


async def _keep_apart(connection: AsyncConnection, left: LeftOut, at: datetime) -> None:
    await connection.execute(
        _PAIR,
        {
            "one": left.customer_id,
            "other": left.other_id,
            "reason": left.reason,
            "event": left.event_id,
            "at": at,
        },
    )
