"""Rows of what platforms show of consent: one per target and address, once something was refused.

By the address and not the customer, so that a merge changes nothing. Of who is erased there is
none. Locks: recipients come before these rows, and no other row after them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.calls.calls import Shown
from services.dispatcher.consent.change import Change, after, channel_of
from services.dispatcher.ledger.rows import as_json
from shared.events.ids import refusal_shown
from shared.events.vocabulary import Identifier

Key = tuple[str, str]

_KNOWN: Final = """
    SELECT c.kind, c.value, c.customer_id, c.refused FROM consent_shown c
    JOIN unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS x(kind, value)
        ON c.kind = x.kind AND c.value = x.value
    WHERE c.target = :target
"""
_LOOK = text(_KNOWN)
_LOCK = text(f"{_KNOWN} ORDER BY c.kind, c.value FOR UPDATE OF c")
# Forgotten meanwhile: nothing is noted of her any more.
_LIVING = text("""
    SELECT customer_id FROM recipients
    WHERE customer_id = ANY(CAST(:ids AS uuid[])) AND erased_at IS NULL
    ORDER BY customer_id FOR KEY SHARE
""")
# What waits to be told stays the event that it is.
_NOTE = text("""
    INSERT INTO consent_shown AS c (target, kind, value, customer_id, refused, event_id, channel,
                                    proof, changed_at, untold)
    SELECT :target, kind, value, customer_id, refused, event_id, channel, proof, :now,
        event_id IS NOT NULL
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(kind text, value text, customer_id uuid,
        refused jsonb, event_id uuid, channel text, proof text)
    ORDER BY kind, value
    ON CONFLICT (target, kind, value) DO UPDATE SET
        customer_id = EXCLUDED.customer_id,
        refused = EXCLUDED.refused,
        event_id = CASE WHEN c.untold OR NOT EXCLUDED.untold THEN c.event_id
                        ELSE EXCLUDED.event_id END,
        channel = CASE WHEN c.untold OR NOT EXCLUDED.untold THEN c.channel
                       ELSE EXCLUDED.channel END,
        proof = CASE WHEN c.untold OR NOT EXCLUDED.untold THEN c.proof ELSE EXCLUDED.proof END,
        changed_at = CASE WHEN c.untold OR NOT EXCLUDED.untold THEN c.changed_at
                          ELSE EXCLUDED.changed_at END,
        untold = c.untold OR EXCLUDED.untold
""")
_UNTOLD = text("""
    SELECT target, kind, value, customer_id, event_id, channel, proof, changed_at
    FROM consent_shown WHERE untold
    ORDER BY changed_at, event_id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_TOLD = text("""
    UPDATE consent_shown SET untold = false WHERE untold AND event_id = ANY(CAST(:ids AS uuid[]))
""")
_FORGET = text("""
    DELETE FROM consent_shown c WHERE c.customer_id = ANY(CAST(:ids AS uuid[])) OR EXISTS (
        SELECT 1 FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS x(kind, value)
        WHERE c.kind = x.kind AND c.value = x.value)
""")


async def note(
    engine: AsyncEngine, target: str, seen: Sequence[tuple[UUID, Shown]], now: datetime
) -> None:
    """Keep what a target showed of customers; what is new of it is marked untold.

    Of nearly everybody nothing is refused and nothing known: that costs one look. A look is true
    whatever became of the call that brought it, and the same look again changes nothing.
    """
    if not seen:
        return
    keys = _keys([one.by for _, one in seen])
    async with engine.begin() as connection:
        values = {**keys, "target": target}
        known = _by_key(await connection.execute(_LOOK, values))
        if not _changes(known, seen):
            return
        ids = sorted({customer for customer, _ in seen})
        living = set((await connection.scalars(_LIVING, {"ids": ids})).all())
        known = _by_key(await connection.execute(_LOCK, values))
        hers = [one for one in seen if one[0] in living]
        rows = [
            {
                "kind": one.by.kind,
                "value": one.by.value,
                "customer_id": customer,
                "refused": change.refused,
                "event_id": refusal_shown(customer, target, now) if change.new else None,
                "channel": channel_of(change, one),
                "proof": change.proof,
            }
            for customer, one, change in _changes(known, hers)
        ]
        if rows:
            noted = {"target": target, "rows": as_json(rows), "now": now}
            await connection.execute(_NOTE, noted)


async def untold(connection: AsyncConnection, most: int) -> list[Any]:
    """Return the refusals that the bus has not heard of, locked."""
    return list((await connection.execute(_UNTOLD, {"most": most})).all())


async def told(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Note that the bus has these events."""
    await connection.execute(_TOLD, {"ids": list(ids)})


async def forget(
    connection: AsyncConnection, customers: Collection[UUID], hers: Collection[Identifier]
) -> None:
    """Delete what was seen of these customers, and of these identifiers whoever they are."""
    await connection.execute(_FORGET, {"ids": sorted(customers), **_keys(hers)})


def _keys(identifiers: Collection[Identifier]) -> dict[str, list[str]]:
    ordered = sorted({(one.kind, one.value) for one in identifiers})
    return {"kinds": [kind for kind, _ in ordered], "values": [value for _, value in ordered]}


def _by_key(rows: Any) -> dict[Key, Any]:
    return {(row.kind, row.value): row for row in rows}


def _changes(
    known: Mapping[Key, Any], seen: Sequence[tuple[UUID, Shown]]
) -> list[tuple[UUID, Shown, Change]]:
    """List the looks that say another thing than what is kept; of one address the last."""
    found: dict[Key, tuple[UUID, Shown, Change]] = {}
    for customer, one in seen:
        key = (one.by.kind, one.by.value)
        row = known.get(key)
        change = after({} if row is None else row.refused, one)
        same = not change.refused if row is None else row.refused == change.refused
        if not same or (row is not None and row.customer_id != customer):
            found[key] = (customer, one, change)
        else:
            found.pop(key, None)
    return list(found.values())
