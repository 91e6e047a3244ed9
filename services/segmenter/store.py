"""The segmenter's tables, as batches: one statement per kind of thing.

All functions work on the caller's connection, inside its transaction. Lists are sorted by key, so
that two handlers ask for locks in the same order.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.facts import MODELS, Fact, Key, make
from services.segmenter.profile import trim
from services.segmenter.rows import Changes, Customer, Decision, Timer
from services.segmenter.state import dump, load

HOLD_END: Final = "hold_end"

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
           d.note, f.received_at
    FROM decisions d LEFT JOIN facts f ON f.event_id = d.event_id
    WHERE d.event_id = ANY(CAST(:ids AS uuid[]))
""")
_FACTS = text("""
    SELECT coalesce(a.survivor_id, f.customer_id) AS customer_id,
           f.event_id, f.kind, f.received_at, CAST(f.body AS text) AS body
    FROM facts f LEFT JOIN aliases a ON a.customer_id = f.customer_id
    WHERE f.customer_id = ANY(CAST(:ids AS uuid[]))
       OR f.customer_id IN
          (SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[])))
    ORDER BY f.occurred_at, f.event_id
""")
_TIMERS = text("""
    SELECT customer_id, arm, due_at, state FROM timers
    WHERE kind = :kind AND customer_id = ANY(CAST(:ids AS uuid[]))
""")
_SAVE_FACTS = text("""
    INSERT INTO facts
        (event_id, customer_id, kind, occurred_at, identity, revision, received_at, body)
    SELECT e, c, k, o, i, r, t, CAST(b AS jsonb) FROM unnest(
        CAST(:events AS uuid[]), CAST(:customers AS uuid[]), CAST(:kinds AS text[]),
        CAST(:occurred AS timestamptz[]), CAST(:identities AS text[]),
        CAST(:revisions AS bigint[]), CAST(:received AS timestamptz[]), CAST(:bodies AS text[])
    ) AS new (e, c, k, o, i, r, t, b)
    ON CONFLICT (event_id) DO UPDATE SET
        occurred_at = excluded.occurred_at, received_at = excluded.received_at, body = excluded.body
""")
_SAVE_PROFILES = text("""
    UPDATE profiles SET version = v, state = CAST(s AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:states AS text[]))
        AS new (id, v, s)
    WHERE customer_id = id
""")
_FLATTEN = text("UPDATE aliases SET survivor_id = :kept WHERE survivor_id = :gone")
_ALIAS = text("""
    INSERT INTO aliases (customer_id, survivor_id, merged_at, event_id)
    VALUES (:gone, :kept, :now, :event)
""")
_SAVE_DECISIONS = text("""
    INSERT INTO decisions
        (event_id, decision_id, customer_id, version, kind, decided_at, payload, note)
    SELECT * FROM unnest(
        CAST(:events AS uuid[]), CAST(:decisions AS uuid[]), CAST(:customers AS uuid[]),
        CAST(:versions AS bigint[]), CAST(:kinds AS text[]), CAST(:decided AS timestamptz[]),
        CAST(:payloads AS text[]), CAST(:notes AS text[]))
    ON CONFLICT (event_id) DO UPDATE SET
        decision_id = excluded.decision_id, customer_id = excluded.customer_id,
        version = excluded.version, decided_at = excluded.decided_at,
        payload = excluded.payload, note = excluded.note
""")
_SAVE_TIMERS = text("""
    INSERT INTO timers (kind, customer_id, arm, due_at, state)
    SELECT :kind, id, a, d, s FROM unnest(
        CAST(:ids AS uuid[]), CAST(:arms AS bigint[]), CAST(:dues AS timestamptz[]),
        CAST(:states AS text[])) AS new (id, a, d, s)
    ON CONFLICT (kind, customer_id) DO UPDATE SET
        arm = excluded.arm, due_at = excluded.due_at, state = excluded.state
""")
_KEEP_POLICY = text("""
    INSERT INTO policies (version, text, first_used_at) VALUES (:version, :text, :now)
    ON CONFLICT (version) DO NOTHING
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
) -> tuple[dict[UUID, Decision], dict[UUID, datetime]]:
    """Find the events decided before, and the receipt of those that are facts."""
    decisions: dict[UUID, Decision] = {}
    received: dict[UUID, datetime] = {}
    for row in await connection.execute(_DONE, {"ids": sorted(event_ids)}):
        decisions[row.event_id] = Decision(*row[:8])
        if row.received_at is not None:
            received[row.event_id] = row.received_at
    return decisions, received


async def facts(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[Fact]]:
    """Read all facts of these customers and of those merged into them."""
    found: dict[UUID, list[Fact]] = {customer_id: [] for customer_id in ids}
    if found:
        for row in await connection.execute(_FACTS, {"ids": sorted(found)}):
            data = MODELS[row.kind].model_validate_json(row.body)
            found[row.customer_id].append(make(row.event_id, data, row.received_at))
    return found


async def timers(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Timer]:
    """Read the timers of these customers."""
    rows = await connection.execute(_TIMERS, {"kind": HOLD_END, "ids": sorted(set(ids))})
    return {
        row.customer_id: Timer(row.customer_id, row.arm, row.due_at, row.state == "open")
        for row in rows
    }


async def save(connection: AsyncConnection, changes: Changes, now: datetime) -> None:
    """Write everything that a batch changes."""
    await _save_facts(connection, changes.facts)
    for gone, kept, event_id in changes.aliases:
        await connection.execute(_FLATTEN, {"gone": gone, "kept": kept})
        await connection.execute(
            _ALIAS, {"gone": gone, "kept": kept, "now": now, "event": event_id}
        )
    customers = [changes.customers[key] for key in sorted(changes.customers)]
    if customers:
        await connection.execute(
            _SAVE_PROFILES,
            {
                "ids": [customer.customer_id for customer in customers],
                "versions": [customer.version for customer in customers],
                "states": [dump(trim(customer.profile)) for customer in customers],
            },
        )
    await _save_decisions(connection, changes.decisions)
    await _save_timers(connection, changes.timers)


async def _save_facts(connection: AsyncConnection, owned: Sequence[tuple[UUID, Fact]]) -> None:
    if not owned:
        return
    ordered = sorted(owned, key=lambda item: item[1].event_id)
    told = [fact for _, fact in ordered]
    await connection.execute(
        _SAVE_FACTS,
        {
            "events": [fact.event_id for fact in told],
            "customers": [owner for owner, _ in ordered],
            "kinds": [fact.kind for fact in told],
            "occurred": [fact.occurred_at for fact in told],
            "identities": [fact.identity for fact in told],
            "revisions": [fact.revision for fact in told],
            "received": [fact.received_at for fact in told],
            "bodies": [fact.data.model_dump_json() for fact in told],
        },
    )


async def _save_decisions(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    if not decisions:
        return
    ordered = sorted(decisions, key=lambda decision: decision.event_id)
    await connection.execute(
        _SAVE_DECISIONS,
        {
            "events": [d.event_id for d in ordered],
            "decisions": [d.decision_id for d in ordered],
            "customers": [d.customer_id for d in ordered],
            "versions": [d.version for d in ordered],
            "kinds": [d.kind for d in ordered],
            "decided": [d.decided_at for d in ordered],
            "payloads": [d.payload for d in ordered],
            "notes": [d.note for d in ordered],
        },
    )


async def _save_timers(connection: AsyncConnection, changed: Mapping[UUID, Timer]) -> None:
    if not changed:
        return
    ordered = [changed[key] for key in sorted(changed)]
    await connection.execute(
        _SAVE_TIMERS,
        {
            "kind": HOLD_END,
            "ids": [timer.customer_id for timer in ordered],
            "arms": [timer.arm for timer in ordered],
            "dues": [timer.due_at for timer in ordered],
            "states": ["open" if timer.open else "closed" for timer in ordered],
        },
    )


async def keep_policy(
    connection: AsyncConnection, version: str, policy_text: str, now: datetime
) -> None:
    """Keep a policy's text under its hash, once: decisions name it."""
    await connection.execute(_KEEP_POLICY, {"version": version, "text": policy_text, "now": now})
