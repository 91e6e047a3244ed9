"""What customers have completed: a review, a referral. A play stops when hers is done.

Kept under the customer that it was told of; whoever she was merged into has done it, too.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text("""
    WITH hers AS (
        SELECT customer_id, coalesce(merged_into, customer_id) AS root FROM recipients
        WHERE customer_id = ANY(CAST(:ids AS uuid[])) OR merged_into = ANY(CAST(:ids AS uuid[]))
    )
    SELECT h.root, c.what FROM hers h JOIN completed c ON c.customer_id = h.customer_id
""")
_KEEP = text("""
    INSERT INTO completed (customer_id, what, at)
    SELECT id, what, :now FROM unnest(CAST(:ids AS uuid[]), CAST(:whats AS text[])) AS x(id, what)
    ORDER BY id, what ON CONFLICT DO NOTHING
""")
_FORGET = text("DELETE FROM completed WHERE customer_id = ANY(CAST(:ids AS uuid[]))")


async def read(connection: AsyncConnection, customers: Collection[UUID]) -> dict[UUID, set[str]]:
    """Return what each of these customers has completed."""
    found: dict[UUID, set[str]] = {}
    for row in await connection.execute(_READ, {"ids": sorted(customers)}):
        found.setdefault(row.root, set()).add(row.what)
    return found


async def keep(
    connection: AsyncConnection, told: Iterable[tuple[UUID, str]], now: datetime
) -> None:
    """Keep what was completed, each once."""
    rows = sorted(set(told))
    if rows:
        ids, whats = zip(*rows, strict=True)
        await connection.execute(_KEEP, {"ids": list(ids), "whats": list(whats), "now": now})


async def forget(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Delete what erased people completed."""
    await connection.execute(_FORGET, {"ids": sorted(ids)})
