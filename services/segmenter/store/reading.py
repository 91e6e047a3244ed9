"""Reading customers for the API, without locks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.profile.facts import Key
from services.segmenter.profile.state import load
from services.segmenter.store import store
from services.segmenter.store.rows import Customer, Decision
from shared.events.outcomes import DeliverySettled

#: Enough to explain the last weeks; the rest stays in the tables.
_RECENT: Final = 50
#: Changes of deliveries: a delivery has a few.
_RECENT_CHANGES: Final = 200

_CUSTOMERS = text("""
    SELECT customer_id, created_at, version, CAST(state AS text) AS state FROM profiles
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) ORDER BY created_at, customer_id
""")
_ALIASES = text("""
    SELECT customer_id FROM aliases WHERE survivor_id = :id ORDER BY merged_at, customer_id
""")
# One statement sees one moment: between two, a merge could leave the profile just found empty, and
# an empty profile has nothing to wait for.
_BY_KEYS = text("""
    SELECT k.kind, k.value, p.customer_id, p.created_at, p.version,
           CAST(p.state AS text) AS state
    FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS k (kind, value)
    JOIN identifiers i ON i.kind = k.kind AND i.value = k.value
    LEFT JOIN aliases a ON a.customer_id = i.customer_id
    JOIN profiles p ON p.customer_id = coalesce(a.survivor_id, i.customer_id)
""")
_DECISIONS = text("""
    SELECT event_id, decision_id, customer_id, version, kind, decided_at, payload, note
    FROM decisions
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND version > 0
    ORDER BY decided_at DESC, version DESC LIMIT :most
""")
_DELIVERIES = text("""
    SELECT CAST(body AS text) FROM facts
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND kind = 'delivery.settled'
    ORDER BY occurred_at DESC, event_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Found:
    """One customer, the ids merged into her, her newest decisions, and what was told of deliveries.

    The newest first.
    """

    customer: Customer
    aliases: Sequence[UUID]
    decisions: Sequence[Decision]
    deliveries: Sequence[DeliverySettled]


async def customer(connection: AsyncConnection, customer_id: UUID) -> Found | None:
    """Read a customer by her id or by one that was merged into it."""
    survivors = await store.survivors(connection, [customer_id])
    survivor = survivors[customer_id]
    row = (await connection.execute(_CUSTOMERS, {"ids": [survivor]})).one_or_none()
    if row is None:
        return None
    aliases = list(await connection.scalars(_ALIASES, {"id": survivor}))
    ids = [survivor, *aliases]
    decisions = await connection.execute(_DECISIONS, {"ids": ids, "most": _RECENT})
    told = await connection.scalars(_DELIVERIES, {"ids": ids, "most": _RECENT_CHANGES})
    return Found(
        _customer(row),
        aliases,
        [Decision(*decision) for decision in decisions],
        [DeliverySettled.model_validate_json(body) for body in told],
    )


async def by_identifiers(connection: AsyncConnection, keys: Sequence[Key]) -> list[Customer]:
    """Read the customers (merged ones as their survivor) that any of the keys leads to."""
    named = await store.customers_of(connection, keys)
    survivors = await store.survivors(connection, set(named.values()))
    rows = await connection.execute(_CUSTOMERS, {"ids": sorted(set(survivors.values()))})
    return [_customer(row) for row in rows]


async def by_keys(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, Customer]:
    """Read the customer (of merged ones the survivor) that each of the keys leads to, if any."""
    ordered = sorted(keys)
    parameters = {"kinds": [kind for kind, _ in ordered], "values": [v for _, v in ordered]}
    read: dict[UUID, Customer] = {}
    found: dict[Key, Customer] = {}
    for row in await connection.execute(_BY_KEYS, parameters):
        known = read.get(row.customer_id) or _customer(row)
        found[row.kind, row.value] = read[row.customer_id] = known
    return found


def _customer(row: Row[tuple[object, ...]]) -> Customer:
    return Customer(row.customer_id, row.created_at, row.version, load(row.state))
