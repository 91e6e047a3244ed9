"""Answers without an address that turn out to be hers who was forgotten.

An old event that is dropped for her address may name an answer, a case or a delivery that came in
by itself meanwhile, and made a customer of whom no address is known. That one is hers, too, and is
asked to be forgotten like anybody else. A customer with an address is not: there a person has to
say whose it is.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.profile.facts import PERSONAL
from services.segmenter.store import store
from shared.events import ids

#: Who asks; checked once more when it is done, for by then somebody may have given an address.
ASKED_BY: Final = "nps/segmenter"

_WITH_ADDRESS = text("""
    SELECT DISTINCT coalesce(a.survivor_id, i.customer_id) AS root
    FROM identifiers i LEFT JOIN aliases a ON a.customer_id = i.customer_id
    WHERE i.kind = ANY(CAST(:kinds AS text[]))
      AND (i.customer_id = ANY(CAST(:roots AS uuid[])) OR i.customer_id IN
           (SELECT customer_id FROM aliases WHERE survivor_id = ANY(CAST(:roots AS uuid[]))))
""")
_ASK = text("""
    INSERT INTO erasures (erasure_id, asked_at, asked_by, identifiers, customer_ids, people)
    SELECT e, :now, :by, '[]', ARRAY[c], '{}'
    FROM unnest(CAST(:erasures AS uuid[]), CAST(:ids AS uuid[])) AS new (e, c)
    ON CONFLICT (erasure_id) DO NOTHING
""")


async def without_address(connection: AsyncConnection, customers: Collection[UUID]) -> set[UUID]:
    """Keep those customers of whom no address is known."""
    roots = await store.survivors(connection, customers)
    known = set(
        await connection.scalars(
            _WITH_ADDRESS, {"kinds": sorted(PERSONAL), "roots": sorted(set(roots.values()))}
        )
    )
    return {customer_id for customer_id in customers if roots[customer_id] not in known}


async def ask(connection: AsyncConnection, customers: Collection[UUID], now: datetime) -> None:
    """Write down that they are to be forgotten; asked again, it is the same request."""
    if customers:
        ordered = sorted(customers)
        erasures = [ids.name_id("erasure", "stray", customer_id) for customer_id in ordered]
        parameters = {"erasures": erasures, "ids": ordered, "now": now, "by": ASKED_BY}
        await connection.execute(_ASK, parameters)
