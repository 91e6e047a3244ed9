"""Rows beside the deliveries that are alerts: what each told, and which one it corrects."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts.alerting import Alert, DigestState, Followed
from services.dispatcher.ledger import ledger
from services.dispatcher.ledger.rows import as_json
from shared.events.vocabulary import Value

# Of a cause only what was begun to be sent or is in a digest, and corrections: nothing else needs
# correcting.
_ABOUT = text(f"""
    SELECT {ledger.COLUMNS}, a.follows, a.was, a.told, a.notice FROM deliveries d
    JOIN alerts a ON a.delivery_id = d.id
    WHERE d.cause_id = ANY(CAST(:causes AS uuid[])) AND d.contact_class = 'internal'
""")  # noqa: S608 - names of columns, nothing from outside
_FOLLOW = text("""
    INSERT INTO alerts (delivery_id, follows, was, at)
    SELECT delivery_id, follows, was, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(delivery_id uuid, follows uuid, was jsonb)
    ORDER BY delivery_id ON CONFLICT DO NOTHING
""")
# Held until what was decided by it is written: a digest that is about to be told waits for it.
_DIGESTS = text("""
    SELECT id, state FROM notices WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE
""")
_FOLLOWED = text("""
    SELECT a.delivery_id, a.was, f.state, f.reference, g.notice, n.state AS digest FROM alerts a
    JOIN deliveries f ON f.id = a.follows
    LEFT JOIN alerts g ON g.delivery_id = f.id LEFT JOIN notices n ON n.id = g.notice
    WHERE a.delivery_id = ANY(CAST(:ids AS uuid[]))
""")
_TELL = text("""
    INSERT INTO alerts (delivery_id, told, at)
    SELECT delivery_id, told, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(delivery_id uuid, told jsonb)
    ORDER BY delivery_id
    ON CONFLICT (delivery_id) DO UPDATE SET told = EXCLUDED.told, at = EXCLUDED.at
""")
_FORGET = text("""
    DELETE FROM alerts a USING deliveries d
    WHERE d.id = a.delivery_id AND d.customer_id = ANY(CAST(:ids AS uuid[]))
""")


async def about(connection: AsyncConnection, causes: Collection[UUID]) -> dict[UUID, list[Alert]]:
    """Return the alerts about each cause that have one (their recipients are locked)."""
    found: dict[UUID, list[Alert]] = {}
    rows = (await connection.execute(_ABOUT, {"causes": sorted(causes)})).all()
    named = sorted({row.notice for row in rows if row.notice is not None})
    digests = {}
    if named:
        held = await connection.execute(_DIGESTS, {"ids": named})
        digests = {row.id: row.state for row in held}
    for row in rows:
        digest = _digest(row.notice, digests.get(row.notice))
        alert = Alert(ledger.delivery(row), row.follows, row.was, row.told, digest)
        found.setdefault(row.cause_id, []).append(alert)
    return found


async def follow(connection: AsyncConnection, corrections: Sequence[Alert], now: datetime) -> None:
    """Note which alert each new correction is about, and what that one had said."""
    if corrections:
        rows = [
            {"delivery_id": a.delivery.id, "follows": a.follows, "was": a.was} for a in corrections
        ]
        await connection.execute(_FOLLOW, {"rows": as_json(rows), "now": now})


async def followed(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Followed]:
    """Return how the alerts stand that these corrections are about."""
    if not ids:
        return {}
    rows = await connection.execute(_FOLLOWED, {"ids": sorted(ids)})
    return {
        row.delivery_id: Followed(
            row.state, row.reference, row.was, _digest(row.notice, row.digest)
        )
        for row in rows
    }


def _digest(notice: UUID | None, state: DigestState | None) -> DigestState | None:
    """Say how the digest of an alert stands; one whose row is pruned was told long ago."""
    return None if notice is None else state or "accepted"


async def tell(
    connection: AsyncConnection, told: Mapping[UUID, Mapping[str, Value]], now: datetime
) -> None:
    """Note what these alerts say, whose sending begins or whose digest is still to go."""
    if told:
        rows = [{"delivery_id": one, "told": said} for one, said in sorted(told.items())]
        await connection.execute(_TELL, {"rows": as_json(rows), "now": now})


async def forget(connection: AsyncConnection, customers: Collection[UUID]) -> None:
    """Forget what was told of these customers."""
    await connection.execute(_FORGET, {"ids": sorted(customers)})
