"""Whose the keys of a fact are, where not all of them need be hers.

A fact belongs to the customer of its first key. Where that customer is kept apart from another, the
fact may name both: then the other's address is none of hers. Everybody else's keys are all her own,
so nothing but one look at the small table `apart` is spent on them.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.identity.merges import own
from services.segmenter.profile.facts import Fact, Key, whole

_KEPT_APART = text("""
    SELECT DISTINCT coalesce(a.survivor_id, p.customer_id) AS id
    FROM apart p LEFT JOIN aliases a ON a.customer_id = p.customer_id
    WHERE p.customer_id = ANY(CAST(:ids AS uuid[]))
       OR p.customer_id IN
          (SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:ids AS uuid[])))
""")
_OWNERS = text("""
    SELECT i.kind, i.value, i.customer_id, coalesce(a.survivor_id, i.customer_id) AS survivor_id
    FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
    WHERE (i.kind, i.value) IN
          (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])))
""")


async def owners(
    connection: AsyncConnection, facts: Iterable[Fact]
) -> dict[Key, tuple[UUID, UUID]]:
    """Read whose each key of these facts is: the customer before any alias, and the survivor."""
    keys = sorted({key for fact in facts for key in fact.keys})
    rows = await connection.execute(
        _OWNERS, {"kinds": [kind for kind, _ in keys], "values": [value for _, value in keys]}
    )
    return {(row.kind, row.value): (row.customer_id, row.survivor_id) for row in rows}


async def survivors(connection: AsyncConnection, facts: Iterable[Fact]) -> dict[Key, UUID]:
    """Read whose each key is that the events of these facts name, by the survivor."""
    found = await owners(connection, map(whole, facts))
    return {key: root for key, (_, root) in found.items()}


async def restrict(connection: AsyncConnection, facts: dict[UUID, list[Fact]]) -> None:
    """Leave out of the facts of customers who are kept apart which keys are not theirs."""
    for customer_id in await connection.scalars(_KEPT_APART, {"ids": sorted(facts)}):
        found = facts[customer_id]
        now = {key: root for key, (_, root) in (await owners(connection, found)).items()}
        facts[customer_id] = [own(fact, now, customer_id) for fact in found]
