"""Rows beside the deliveries that are alerts: what each told, and which one it corrects."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.alerts.alerting import Alert, Followed
from services.dispatcher.ledger import ledger
from services.dispatcher.ledger.rows import as_json
from shared.events.vocabulary import Value

# Of a cause only what was begun to be sent, and corrections: nothing else needs correcting.
_ABOUT = text(f"""
    SELECT {ledger.COLUMNS}, a.follows, a.was, a.told FROM deliveries d
    JOIN alerts a ON a.delivery_id = d.id
    WHERE d.cause_id = ANY(CAST(:causes AS uuid[])) AND d.contact_class = 'internal'
""")  # noqa: S608 - names of columns, nothing from outside
_FOLLOW = text("""
    INSERT INTO alerts (delivery_id, follows, was)
    SELECT delivery_id, follows, was FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(delivery_id uuid, follows uuid, was jsonb)
    ORDER BY delivery_id ON CONFLICT DO NOTHING
""")
_FOLLOWED = text("""
    SELECT a.delivery_id, a.was, f.state, f.reference FROM alerts a
    JOIN deliveries f ON f.id = a.follows
    WHERE a.delivery_id = ANY(CAST(:ids AS uuid[]))
""")
_TELL = text("""
    INSERT INTO alerts (delivery_id, told)
    SELECT delivery_id, told FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(delivery_id uuid, told jsonb)
    ORDER BY delivery_id ON CONFLICT (delivery_id) DO UPDATE SET told = EXCLUDED.told
""")
_FORGET = text("""
    DELETE FROM alerts a USING deliveries d
    WHERE d.id = a.delivery_id AND d.customer_id = ANY(CAST(:ids AS uuid[]))
""")


async def about(connection: AsyncConnection, causes: Collection[UUID]) -> dict[UUID, list[Alert]]:
    """Return the alerts about each cause that have one (their recipients are locked)."""
    found: dict[UUID, list[Alert]] = {}
    for row in await connection.execute(_ABOUT, {"causes": sorted(causes)}):
        alert = Alert(ledger.delivery(row), row.follows, row.was, row.told)
        found.setdefault(row.cause_id, []).append(alert)
    return found


async def follow(connection: AsyncConnection, corrections: Sequence[Alert]) -> None:
    """Note which alert each new correction is about, and what that one had said."""
    if corrections:
        rows = [
            {"delivery_id": a.delivery.id, "follows": a.follows, "was": a.was} for a in corrections
        ]
        await connection.execute(_FOLLOW, {"rows": as_json(rows)})


async def followed(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Followed]:
    """Return how the alerts stand that these corrections are about."""
    if not ids:
        return {}
    rows = await connection.execute(_FOLLOWED, {"ids": sorted(ids)})
    return {row.delivery_id: Followed(row.state, row.reference, row.was) for row in rows}


async def tell(connection: AsyncConnection, told: Mapping[UUID, Mapping[str, Value]]) -> None:
    """Note what these alerts say, whose sending begins."""
    if told:
        rows = [{"delivery_id": one, "told": said} for one, said in sorted(told.items())]
        await connection.execute(_TELL, {"rows": as_json(rows)})


async def forget(connection: AsyncConnection, customers: Collection[UUID]) -> None:
    """Forget what was told of these customers."""
    await connection.execute(_FORGET, {"ids": sorted(customers)})
