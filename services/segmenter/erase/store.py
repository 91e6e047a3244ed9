"""Deleting all that is kept of a person, in one transaction and beside no other batch.

In: the command that came by the bus. Out: what is to be published. What stays: ids, times and HMACs
(docs/erasure.md). All functions work on the caller's connection, inside its transaction.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.erase import erasure, tombstones
from services.segmenter.erase import strays as erase_strays
from services.segmenter.erase.erasure import ERASED, NOBODY, Erasure, Group
from services.segmenter.profile.facts import PERSONAL, Key
from services.segmenter.store import store
from services.segmenter.store.rows import Changes

#: Why a decision about somebody else has no body any more. What was told of it stands.
_SHARED: Final = "erased with somebody who was one with her then"

_GIVEN = text("SELECT CAST(identifiers AS text) FROM erasures WHERE erasure_id = :id")
_MEMBERS = text("SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[]))")
_KEYS = text("""
    SELECT kind, value FROM identifiers WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_COUNTS = text("""
    SELECT (SELECT count(*) FROM facts WHERE customer_id = ANY(g.ids)) AS facts,
           (SELECT count(*) FROM identifiers WHERE customer_id = ANY(g.ids)) AS identifiers,
           (SELECT count(*) FROM answers WHERE customer_id = ANY(g.ids)) AS answers,
           (SELECT count(*) FROM timers WHERE customer_id = ANY(g.ids)) AS timers,
           (SELECT count(*) FROM aliases WHERE customer_id = ANY(g.ids)) AS aliases,
           (SELECT count(*) FROM merges WHERE customer_id = ANY(g.ids)) AS merges,
           (SELECT count(*) FROM apart WHERE customer_id = ANY(g.ids)) AS apart,
           (SELECT count(*) FROM profiles WHERE customer_id = ANY(g.ids)) AS profiles,
           (SELECT count(*) FROM decisions WHERE customer_id = ANY(g.ids) AND version > 0
                                             AND payload IS NOT NULL) AS decisions
    FROM (SELECT CAST(:ids AS uuid[]) AS ids) AS g
""")
#: What is deleted, by table. A pair of `apart` stands from either side.
_DELETES: Final = {
    "facts": text("DELETE FROM facts WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "identifiers": text("DELETE FROM identifiers WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "answers": text("DELETE FROM answers WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "timers": text("DELETE FROM timers WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "aliases": text("DELETE FROM aliases WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "merges": text("DELETE FROM merges WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
    "apart": text("""
        DELETE FROM apart WHERE customer_id = ANY(CAST(:ids AS uuid[]))
            OR (customer_id, other_id) IN
               (SELECT other_id, customer_id FROM apart
                WHERE customer_id = ANY(CAST(:ids AS uuid[])))
    """),
    "profiles": text("DELETE FROM profiles WHERE customer_id = ANY(CAST(:ids AS uuid[]))"),
}
# The ids stay: an event handled before is known for ever, and publishes nothing.
_EMPTY = text("""
    UPDATE decisions SET payload = NULL, note = :note
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND version > 0
""")
# Everybody who was ever one with her, and is not any more.
_ONCE_ONE = text("""
    WITH RECURSIVE near AS (
        SELECT unnest(CAST(:ids AS uuid[])) AS id
        UNION
        SELECT m.id FROM near, LATERAL (
            SELECT survivor_id FROM merges WHERE customer_id = near.id
            UNION ALL
            SELECT customer_id FROM merges WHERE survivor_id = near.id AND undone_at IS NULL
            UNION ALL
            SELECT customer_id FROM merges WHERE survivor_id = near.id AND undone_at IS NOT NULL
        ) AS m (id)
    )
    SELECT id FROM near WHERE NOT id = ANY(CAST(:ids AS uuid[]))
""")
# While they were one, their decisions told of her, too. Clocks of replicas differ a little.
_EMPTY_SHARED = text("""
    UPDATE decisions d SET payload = NULL, note = :note
    WHERE d.customer_id = ANY(CAST(:others AS uuid[])) AND d.version > 0 AND d.payload IS NOT NULL
      AND EXISTS (
          SELECT FROM merges m
          WHERE m.customer_id = ANY(CAST(:everybody AS uuid[])) AND m.undone_at IS NOT NULL
            AND d.event_id <> m.undone_by
            AND d.decided_at BETWEEN m.merged_at - interval '1 hour' AND m.undone_at)
""")
_APART = text("""
    WITH other AS (
        SELECT coalesce(a.survivor_id, p.other_id) AS id
        FROM apart p LEFT JOIN aliases a ON a.customer_id = p.other_id
        WHERE p.customer_id = ANY(CAST(:ids AS uuid[]))
    )
    SELECT id FROM other
    UNION SELECT customer_id FROM aliases WHERE survivor_id IN (SELECT id FROM other)
    UNION SELECT other_id FROM apart WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
# Whoever was kept apart from her still has only his own keys of what named both: what she was known
# by is nobody's, not his. It names nobody any more.
_STAYS_APART = text("""
    INSERT INTO apart (customer_id, other_id, reason, event_id, since)
    SELECT other_id, :nobody, reason, event_id, since FROM apart
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
      AND NOT other_id = ANY(CAST(:ids AS uuid[])) AND other_id <> :nobody
    ON CONFLICT (customer_id, other_id) DO NOTHING
""")
# A fact of somebody kept apart from her may name her address beside that one's own.
_STRIKE_OUT = text("""
    WITH hers AS (
        SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS h (kind, value)
    )
    UPDATE facts f SET body = jsonb_set(f.body, '{identifiers}', (
        SELECT coalesce(jsonb_agg(i ORDER BY place), '[]')
        FROM jsonb_array_elements(f.body->'identifiers') WITH ORDINALITY AS named (i, place)
        WHERE (i->>'kind', i->>'value') NOT IN (SELECT kind, value FROM hers)))
    WHERE f.customer_id = ANY(CAST(:others AS uuid[]))
      AND EXISTS (SELECT FROM jsonb_array_elements(f.body->'identifiers') AS named (i)
                  WHERE (i->>'kind', i->>'value') IN (SELECT kind, value FROM hers))
""")
_FINISH = text("""
    UPDATE erasures SET state = 'done', done_at = :now, identifiers = '[]',
        customer_ids = CAST(:ids AS uuid[]), people = CAST(:people AS text[]),
        counts = CAST(:counts AS jsonb)
    WHERE erasure_id = :id
""")


async def erase(
    connection: AsyncConnection, command: Erasure, route_key: bytes, now: datetime
) -> Changes:
    """Forget a person; asked again by the same event, only tell it again.

    The caller holds the lock alone (`tombstones.lock`).
    """
    changes = Changes(merged_at=now)
    done, _ = await store.done(connection, [command.event_id])
    if done:
        changes.answers.update(done)
        return changes
    data = command.data
    given = await connection.scalar(_GIVEN, {"id": data.erasure_id})
    keys = [(str(kind), str(value)) for kind, value in orjson.loads(given or "[]")]
    found = await group(connection, data.customer_ids, keys)
    if data.asked_by == erase_strays.ASKED_BY and any(kind in PERSONAL for kind, _ in found.keys):
        found = Group((), ())
    counts = await _delete(connection, found)
    stones = erasure.tombstones(found, data, route_key)
    await tombstones.add(connection, stones)
    decision = erasure.told(command, found, now, route_key)
    changes.decisions.append(decision)
    changes.answers[command.event_id] = decision
    await connection.execute(
        _FINISH,
        {
            "id": data.erasure_id,
            "now": now,
            "ids": list(found.customer_ids),
            "people": sorted(data.people),
            "counts": orjson.dumps(counts).decode(),
        },
    )
    return changes


async def group(
    connection: AsyncConnection, customer_ids: Collection[UUID], keys: Collection[Key]
) -> Group:
    """Find all that stand for a person: by ids of ours, and by identifiers.

    An id that is no customer's (any more) stays among them: another service may know it.
    """
    named = await store.existing(connection, customer_ids)
    if keys:
        named |= set((await store.customers_of(connection, keys)).values())
    roots = sorted(set((await store.survivors(connection, named)).values()))
    members = set(await connection.scalars(_MEMBERS, {"ids": roots}))
    others = sorted((members | named | {*customer_ids}) - {*roots})
    ids = (*roots, *others)
    rows = await connection.execute(_KEYS, {"ids": list(ids)})
    return Group(ids, tuple(sorted((row.kind, row.value) for row in rows)))


async def counted(connection: AsyncConnection, found: Group) -> dict[str, int]:
    """Count what would be deleted, by table; of `decisions` it is the bodies."""
    row = (await connection.execute(_COUNTS, {"ids": list(found.customer_ids)})).one()
    return dict(row._asdict())


async def _delete(connection: AsyncConnection, found: Group) -> dict[str, int]:
    """Delete everything of hers; return how many rows of each table."""
    ids = list(found.customer_ids)
    counts = await counted(connection, found)
    await _strike_out(connection, found)
    await _empty_shared(connection, ids)
    await connection.execute(_EMPTY, {"ids": ids, "note": ERASED})
    await connection.execute(_STAYS_APART, {"ids": ids, "nobody": NOBODY})
    for statement in _DELETES.values():
        await connection.execute(statement, {"ids": ids})
    return counts


async def _strike_out(connection: AsyncConnection, found: Group) -> None:
    """Take her addresses out of the facts of those who are kept apart from her."""
    others = await _ids(connection, _APART, {"ids": list(found.customer_ids)})
    hers = [key for key in found.keys if key[0] in PERSONAL]
    if others and hers:
        kinds, values = zip(*hers, strict=True)
        parameters = {"others": others, "kinds": list(kinds), "values": list(values)}
        await connection.execute(_STRIKE_OUT, parameters)


async def _empty_shared(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Empty what was told of others while they were one with her."""
    others = await _ids(connection, _ONCE_ONE, {"ids": ids})
    if others:
        parameters = {"others": others, "everybody": [*ids, *others], "note": _SHARED}
        await connection.execute(_EMPTY_SHARED, parameters)


async def _ids(connection: AsyncConnection, query: Any, parameters: dict[str, Any]) -> list[UUID]:
    return sorted(await connection.scalars(query, parameters))
