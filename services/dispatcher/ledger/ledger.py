"""The delivery ledger, which is the queue: rows of deliveries and of their changes.

Every change of state is appended to `delivery_changes` in the same statement, marked untold where
`nps.outcomes` must hear of it. A change counts only on the row as it was read (`change` guards it).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.delivery import SLOT_STATES, TOLD_STATES, Contact, Delivery
from services.dispatcher.ledger.rows import as_json

_TYPES: Final = {
    "id": "uuid",
    "customer_id": "uuid",
    "decision_id": "uuid",
    "event_id": "uuid",
    "cause_id": "uuid",
    "play": "text",
    "action": "text",
    "variant": "text",
    "template": "text",
    "channel": "text",
    "contact_class": "text",
    "legal_basis": "text",
    "target": "text",
    "context": "jsonb",
    "segments": "text[]",
    "on_unknown": "text",
    "profile_late": "text",
    "playbook": "text",
    "planned_at": "timestamptz",
    "send_at": "timestamptz",
    "moment": "timestamptz",
    "deadline": "timestamptz",
    "state": "text",
    "reason": "text",
    "until": "timestamptz",
    "due": "timestamptz",
    "attempts": "int",
    "attempted_at": "timestamptz",
    "unanswered_since": "timestamptz",
    "reference": "text",
    "message": "text",
    "arm": "text",
    "change": "int",
}
#: The columns of a delivery, each prefixed `d.`.
COLUMNS: Final = ", ".join(f"d.{name}" for name in _TYPES)
_NAMES: Final = ", ".join(_TYPES)
_RECORD: Final = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
#: What a change may alter; customer and message belong to merges and reports.
_MUTABLE: Final = (
    "state",
    "reason",
    "until",
    "due",
    "send_at",
    "moment",
    "attempts",
    "attempted_at",
    "unanswered_since",
    "reference",
)
#: Ends in which nothing was sent, if no attempt was made.
_UNSENT: Final = frozenset({"superseded", "suppressed", "expired"})
_NOTE: Final = """
    INSERT INTO delivery_changes (delivery_id, change, state, reason, until, at, by, untold)
    SELECT id, change, state, reason, until, :now, :by, state = ANY(CAST(:told AS text[]))
    FROM changed
"""
_INSERT = text(f"""
    WITH changed AS (
        INSERT INTO deliveries ({_NAMES})
        SELECT {_NAMES} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x({_RECORD})
        ORDER BY id
        ON CONFLICT (id) DO NOTHING
        RETURNING id, change, state, reason, until
    ), noted AS ({_NOTE})
    SELECT id FROM changed
""")  # noqa: S608 - names of columns, nothing from outside
#: What planning anew writes: all but whose it is, which merges decide, and what was reported.
_ANEW: Final = tuple(n for n in _TYPES if n not in {"id", "customer_id", "message", "change"})


def _change_of(names: Sequence[str]) -> TextClause:
    """Write these columns of deliveries that stand as they were read, and note each change."""
    return text(f"""
        WITH changed AS (
            UPDATE deliveries d SET {", ".join(f"{name} = x.{name}" for name in names)},
                change = d.change + 1
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x({_RECORD})
            WHERE d.id = x.id AND d.change = x.change
            RETURNING d.id, d.change, d.state, d.reason, d.until
        ), noted AS ({_NOTE})
        SELECT id FROM changed
    """)  # noqa: S608 - names of columns, nothing from outside


_MOVE = _change_of(_MUTABLE)
_RENEW = _change_of(_ANEW)
_UNSENT_ROWS = text(f"""
    SELECT {COLUMNS} FROM deliveries d
    WHERE d.id = ANY(CAST(:ids AS uuid[])) AND d.attempts = 0 AND d.unanswered_since IS NULL
        AND d.state IN ('superseded', 'suppressed')
    ORDER BY d.id FOR UPDATE
""")  # noqa: S608
_PUT_OFF = text(f"""
    UPDATE deliveries d SET until = x.until, due = x.due
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x({_RECORD})
    WHERE d.id = x.id AND d.change = x.change
""")  # noqa: S608
# Only a code of a pool is given back; the row forgets it, so that a redrive asks for another one.
_GIVE_BACK = text("""
    WITH back AS (
        UPDATE coupons SET delivery_id = NULL, cause_id = NULL, given_at = NULL
        WHERE delivery_id = ANY(CAST(:ids AS uuid[]))
    )
    UPDATE deliveries SET context = context - 'coupon' WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_EXISTING = text("SELECT id FROM deliveries WHERE id = ANY(CAST(:ids AS uuid[]))")
_READ = text(f"""
    SELECT {COLUMNS} FROM deliveries d WHERE d.id = ANY(CAST(:ids AS uuid[])) ORDER BY d.id FOR UPDATE
""")  # noqa: S608, E501
_PENDING = text(f"""
    SELECT {COLUMNS} FROM deliveries d
    WHERE d.customer_id = ANY(CAST(:customers AS uuid[])) AND d.state IN ('planned', 'waiting')
""")  # noqa: S608
_PARKED = text(f"""
    SELECT {COLUMNS} FROM deliveries d
    WHERE d.customer_id = ANY(CAST(:customers AS uuid[])) AND d.state = 'parked'
    ORDER BY d.id FOR UPDATE
""")  # noqa: S608
_OF_CUSTOMERS = text(f"""
    SELECT {COLUMNS} FROM deliveries d
    WHERE d.customer_id = ANY(CAST(:customers AS uuid[])) ORDER BY d.id FOR UPDATE
""")  # noqa: S608
# In the order of a `Contact`'s fields: of one customer there may be hundreds, at every claim.
_HELD: Final = """
    SELECT id, customer_id, moment, action, play, channel, contact_class, state,
        unanswered_since IS NOT NULL, target
    FROM deliveries
    WHERE customer_id = ANY(CAST(:customers AS uuid[])) AND state = ANY(CAST(:states AS text[]))
"""
_CONTACTS = text(_HELD)
_CONTACTS_SINCE = text(f"{_HELD} AND moment > :since")
_TO_SURVIVOR = text("UPDATE deliveries SET customer_id = :survivor WHERE customer_id = :merged")

_BACK = text("""
    UPDATE deliveries d SET customer_id = :back
    WHERE d.customer_id = :survivor AND (
        EXISTS (SELECT 1 FROM planned p WHERE p.decision_id = d.decision_id
                AND p.customer_id = ANY(CAST(:members AS uuid[])))
        OR d.state IN ('planned', 'waiting', 'parked')
            AND d.cause_id = ANY(CAST(:causes AS uuid[])))
""")


def delivery(row: Any) -> Delivery:
    """Read a row that has the `COLUMNS`."""
    values = {name: getattr(row, name) for name in _TYPES}
    values["segments"] = tuple(values["segments"])
    return Delivery(**values)


async def insert(
    connection: AsyncConnection, deliveries: Sequence[Delivery], now: datetime
) -> set[UUID]:
    """Add deliveries; returns the ids that are new (an id is unique for ever)."""
    if not deliveries:
        return set()
    values = {"rows": as_json(deliveries), "now": now, "by": "plan", "told": sorted(TOLD_STATES)}
    return set((await connection.scalars(_INSERT, values)).all())


async def move(
    connection: AsyncConnection, deliveries: Sequence[Delivery], *, by: str, now: datetime
) -> set[UUID]:
    """Write each delivery's next state; returns the ids that were still as they had been read."""
    if not deliveries:
        return set()
    values = {"rows": as_json(deliveries), "now": now, "by": by, "told": sorted(TOLD_STATES)}
    moved = set((await connection.scalars(_MOVE, values)).all())
    unsent = [d.id for d in deliveries if d.id in moved and _gives_back(d)]
    if unsent:
        await connection.execute(_GIVE_BACK, {"ids": unsent})
    return moved


def _gives_back(delivery: Delivery) -> bool:
    """Tell whether its code comes free: it ended, and nobody can have seen the code."""
    return (
        "coupon" in delivery.context
        and delivery.state in _UNSENT
        and delivery.attempts == 0
        and delivery.unanswered_since is None
    )


async def renew(connection: AsyncConnection, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Write what ended and is planned anew, as if it were new; its history goes on."""
    if deliveries:
        told = sorted(TOLD_STATES)
        values = {"rows": as_json(deliveries), "now": now, "by": "plan", "told": told}
        await connection.execute(_RENEW, values)


async def unsent(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Delivery]:
    """Return those of these deliveries that were refused or ended before any call, locked."""
    if not ids:
        return {}
    rows = await connection.execute(_UNSENT_ROWS, {"ids": sorted(ids)})
    return {row.id: delivery(row) for row in rows}


async def put_off(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
    """Let deliveries wait on for the reason they have: no change, only another moment."""
    if deliveries:
        await connection.execute(_PUT_OFF, {"rows": as_json(deliveries)})


async def existing(connection: AsyncConnection, ids: Collection[UUID]) -> set[UUID]:
    """Tell which of these deliveries are in the ledger already."""
    return set((await connection.scalars(_EXISTING, {"ids": list(ids)})).all()) if ids else set()


async def read(connection: AsyncConnection, ids: Collection[UUID]) -> list[Delivery]:
    """Return deliveries, locked."""
    return [delivery(row) for row in await connection.execute(_READ, {"ids": sorted(ids)})]


async def of_customers(connection: AsyncConnection, customers: Collection[UUID]) -> list[Delivery]:
    """Return all deliveries of these customers, locked (their recipients are, too)."""
    rows = await connection.execute(_OF_CUSTOMERS, {"customers": sorted(customers)})
    return [delivery(row) for row in rows]


async def pending(
    connection: AsyncConnection, customers: Collection[UUID]
) -> dict[UUID, list[Delivery]]:
    """Return what still waits for these customers (their recipients are locked).

    What waits for a person, a code or a profile is locked besides: no gate asks again whether she
    did meanwhile what it asks for, so nobody may let it go before that is written.
    """
    found: dict[UUID, list[Delivery]] = {customer: [] for customer in customers}
    values = {"customers": sorted(customers)}
    for statement in (_PENDING, _PARKED):
        for row in await connection.execute(statement, values):
            found[row.customer_id].append(delivery(row))
    return found


async def contacts(
    connection: AsyncConnection, customers: Collection[UUID], *, since: datetime | None = None
) -> list[Contact]:
    """Return the contacts of these customers that hold a slot: all, or those after `since`."""
    if not customers:
        return []
    values: dict[str, object] = {"customers": list(customers), "states": sorted(SLOT_STATES)}
    if since is None:
        rows = await connection.execute(_CONTACTS, values)
    else:
        rows = await connection.execute(_CONTACTS_SINCE, {**values, "since": since})
    return [Contact(*row) for row in rows]


async def to_survivor(connection: AsyncConnection, merged: UUID, survivor: UUID) -> None:
    """Hand every delivery of a merged customer, and with it its slot, to the survivor."""
    await connection.execute(_TO_SURVIVOR, {"merged": merged, "survivor": survivor})


async def back(
    connection: AsyncConnection,
    survivor: UUID,
    back: UUID,
    members: Sequence[UUID],
    causes: Sequence[UUID],
) -> None:
    """Hand back what was planned for these members, and what waits because of these causes."""
    await connection.execute(
        _BACK,
        {"survivor": survivor, "back": back, "members": members, "causes": list(causes)},
    )
