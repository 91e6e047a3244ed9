"""Gathering: finding, making and locking customers, and reading what a decision needs.

All functions work on the caller's connection, inside its transaction, one statement per kind of
thing. Lists are sorted by key, so that two handlers ask for locks in the same order.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.profile.facts import MODELS, CopyPlace, Fact, Key, make
from services.segmenter.profile.state import load
from services.segmenter.store import key_owners
from services.segmenter.store.rows import Customer, Decision, Timer, TimerKey

_KNOWN = text("""
    SELECT kind, value, customer_id FROM identifiers
    WHERE (kind, value) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])))
""")
_ADD_KEYS = text("""
    INSERT INTO identifiers (kind, value, customer_id)
    SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[]), CAST(:ids AS uuid[]))
    ON CONFLICT (kind, value) DO NOTHING
""")
_CREATE = text("""
    INSERT INTO profiles (customer_id, created_at)
    SELECT id, :now FROM unnest(CAST(:ids AS uuid[])) AS id
""")
_SURVIVORS = text("""
    SELECT customer_id, survivor_id FROM aliases WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")
_EXISTING = text("SELECT customer_id FROM profiles WHERE customer_id = ANY(CAST(:ids AS uuid[]))")
_LOCK = text("""
    SELECT customer_id, created_at, version, CAST(state AS text) AS state FROM profiles
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) ORDER BY customer_id FOR UPDATE
""")
_DONE = text("""
    SELECT d.event_id, d.decision_id, d.customer_id, d.version, d.kind, d.decided_at, d.payload,
           d.note, f.received_at, f.occurred_at
    FROM decisions d LEFT JOIN facts f ON f.event_id = d.event_id
    WHERE d.event_id = ANY(CAST(:ids AS uuid[]))
""")
_FACTS = text("""
    SELECT coalesce(a.survivor_id, f.customer_id) AS customer_id,
           f.event_id, f.kind, f.received_at, f.source, CAST(f.body AS text) AS body
    FROM facts f LEFT JOIN aliases a ON a.customer_id = f.customer_id
    WHERE f.customer_id = ANY(CAST(:ids AS uuid[]))
       OR f.customer_id IN
          (SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[])))
    ORDER BY f.occurred_at, f.event_id
""")
_TIMERS = text("""
    SELECT kind, customer_id, subject, arm, due_at, state = 'open' AS open FROM timers
    WHERE customer_id = ANY(CAST(:ids AS uuid[]))
""")


async def customers_of(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, UUID]:
    """Find the customers (before any alias) of the keys that are known."""
    ordered = sorted(set(keys))
    rows = await connection.execute(
        _KNOWN, {"kinds": [kind for kind, _ in ordered], "values": [v for _, v in ordered]}
    )
    return {(row.kind, row.value): row.customer_id for row in rows}


async def existing(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Keep the ids that are customers."""
    if not ids:
        return set()
    return set(await connection.scalars(_EXISTING, {"ids": sorted(ids)}))


async def add_keys(
    connection: AsyncConnection, added: Mapping[Key, UUID], created: Sequence[UUID], now: datetime
) -> bool:
    """Create customers and their keys; False: somebody else took one of the keys meanwhile."""
    ordered = sorted(added.items())
    if ordered:
        parameters = {
            "kinds": [key[0] for key, _ in ordered],
            "values": [key[1] for key, _ in ordered],
            "ids": [customer_id for _, customer_id in ordered],
        }
        if (await connection.execute(_ADD_KEYS, parameters)).rowcount < len(ordered):
            return False
    if created:
        await connection.execute(_CREATE, {"ids": sorted(created), "now": now})
    return True


async def survivors(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Lead from each id to the customer whose state counts (itself, if never merged)."""
    found = {customer_id: customer_id for customer_id in ids}
    rows = await connection.execute(_SURVIVORS, {"ids": sorted(found)})
    found.update({row.customer_id: row.survivor_id for row in rows})
    return found


async def lock(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Lock customers in id order and read them."""
    rows = await connection.execute(_LOCK, {"ids": sorted(set(ids))})
    return {
        row.customer_id: Customer(row.customer_id, row.created_at, row.version, load(row.state))
        for row in rows
    }


async def done(
    connection: AsyncConnection, event_ids: Iterable[UUID]
) -> tuple[dict[UUID, Decision], dict[UUID, CopyPlace]]:
    """Find the events decided before, and of those that are facts the place among copies."""
    decisions: dict[UUID, Decision] = {}
    copies: dict[UUID, CopyPlace] = {}
    for row in await connection.execute(_DONE, {"ids": sorted(event_ids)}):
        decisions[row.event_id] = Decision(*row[:8])
        if row.received_at is not None:
            copies[row.event_id] = row.received_at, row.occurred_at
    return decisions, copies


async def facts(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[Fact]]:
    """Read all facts of these customers and of those merged into them, each with her own keys."""
    found: dict[UUID, list[Fact]] = {customer_id: [] for customer_id in ids}
    if found:
        for row in await connection.execute(_FACTS, {"ids": sorted(found)}):
            data = MODELS[row.kind].model_validate_json(row.body)
            found[row.customer_id].append(make(row.event_id, data, row.received_at, row.source))
        await key_owners.restrict(connection, found)
    return found


async def timers(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[TimerKey, Timer]:
    """Read the timers of these customers."""
    rows = await connection.execute(_TIMERS, {"ids": sorted(set(ids))})
    found = (Timer(*row) for row in rows)
    return {timer.key: timer for timer in found}
