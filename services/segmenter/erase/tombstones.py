"""What stops a forgotten person's old data, and the lock between erasures and all other batches.

All functions work on the caller's connection, inside its transaction. An erasure looks for all that
is hers and deletes it: what another batch adds meanwhile it would not see. So every batch holds a
shared lock, and an erasure holds the same lock alone.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.erase import erasure
from services.segmenter.erase import strays as erase_strays
from services.segmenter.erase.erasure import Named, Tombstones
from services.segmenter.profile.facts import PERSONAL, Fact
from services.segmenter.store import store
from services.segmenter.store.rows import Changes
from shared.identifiers import hashed_name

#: The lock's number: "npserase" in ASCII. Advisory locks are the whole database's.
_LOCK: Final = int.from_bytes(b"npserase", "big")
_SHARE = text("SELECT pg_advisory_xact_lock_shared(:lock)")
_ALONE = text("SELECT pg_advisory_xact_lock(:lock)")
# A statement of its own after the lock: its snapshot has every erasure that ended before.
_KNOWN = text("""
    SELECT person, erased_before FROM tombstones WHERE person = ANY(CAST(:people AS text[]))
""")
_ADD = text("""
    INSERT INTO tombstones AS t (person, erased_before)
    SELECT * FROM unnest(CAST(:people AS text[]), CAST(:before AS timestamptz[]))
    ON CONFLICT (person) DO UPDATE SET
        erased_before = CASE WHEN t.erased_before IS NOT NULL AND excluded.erased_before IS NOT NULL
                        THEN greatest(t.erased_before, excluded.erased_before) END
""")


async def lock(connection: AsyncConnection, *, alone: bool) -> None:
    """Work beside other batches and no erasure, or `alone`, until the transaction ends."""
    await connection.execute(_ALONE if alone else _SHARE, {"lock": _LOCK})


async def known(connection: AsyncConnection, facts: Iterable[Named]) -> Tombstones:
    """Read which of what these facts name was forgotten."""
    names = {name for fact in facts for name in (*fact.people, *fact.things)}
    if not names:
        return {}
    rows = await connection.execute(_KNOWN, {"people": sorted(names)})
    return {row.person: row.erased_before for row in rows}


async def add(connection: AsyncConnection, found: Tombstones) -> None:
    """Write tombstones; the later moment stands, and for ever is later than any."""
    ordered = sorted(found.items(), key=lambda one: one[0])
    if ordered:
        people, before = zip(*ordered, strict=True)
        await connection.execute(_ADD, {"people": list(people), "before": list(before)})


async def dropped(
    connection: AsyncConnection,
    facts: Sequence[Fact],
    route_key: bytes,
    forgotten: Collection[UUID],
    now: datetime,
) -> dict[UUID, Fact]:
    """Pick the facts of people forgotten, and keep out what else they name for ever.

    `forgotten` are events of whom that is known already.
    """
    names = [erasure.named(fact, route_key) for fact in facts]
    found = await known(connection, names)
    if not found and not forgotten:
        return {}
    things = [key for fact in facts for key in fact.keys if key[0] not in PERSONAL]
    owned = await store.customers_of(connection, things)
    strays = await erase_strays.without_address(connection, set(owned.values()))
    living = {hashed_name(route_key, *key) for key, whose in owned.items() if whose not in strays}
    gone, further = erasure.dropped(names, found, forgotten=forgotten, living=living)
    await add(connection, dict.fromkeys(further - found.keys()))
    hers = {fact.event_id: fact for fact in facts if fact.event_id in gone}
    named = {owned[key] for fact in hers.values() for key in fact.keys if key in owned}
    await erase_strays.ask(connection, named & strays, now)
    return hers


async def note(
    connection: AsyncConnection, dropped: Iterable[Fact], changes: Changes, now: datetime
) -> None:
    """Note once of each dropped fact that it was handled."""
    facts = list(dropped)
    done, _ = await store.done(connection, [fact.event_id for fact in facts])
    for fact in facts:
        stored = done.get(fact.event_id)
        if stored is None:
            stored = erasure.note(fact, now)
            changes.decisions.append(stored)
        changes.answers[fact.event_id] = stored
