"""Rows of deletions: what each platform is still to delete of people who were erased.

They survive a kill, are tried until done, and lose the identifiers with their last try. Locks: a
deletion's row comes before any profile push.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.calls.calls import Deletion
from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger.deletion import (
    KEPT,
    DeletionNext,
    Naming,
    impossible,
    namings,
    too_late,
)
from services.dispatcher.ledger.desk import ClaimedDeletion
from services.dispatcher.ledger.recipients import Recipient, read_identifiers
from services.dispatcher.ledger.rows import as_json
from shared.events.vocabulary import Identifier
from shared.times import iso

_ADD = text("""
    INSERT INTO deletions (customer_id, target, part, erasure_id, named, identifiers, state, reason,
                           asked_at, due, done_at)
    SELECT :customer, target, part + (SELECT count(*) FROM deletions WHERE customer_id = :customer),
        :erasure, named, identifiers, state, reason, :now,
        CASE WHEN state = 'due' THEN CAST(:now AS timestamptz) END,
        CASE WHEN state <> 'due' THEN CAST(:now AS timestamptz) END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(target text, part int, named uuid, identifiers jsonb, state text, reason text)
    ORDER BY target, part
""")
# A call under any name of hers must have ended: what it wrote is deleted, too.
_DUE = text("""
    SELECT d.customer_id, d.part, d.erasure_id, d.named, d.identifiers, d.attempts, d.asked_at
    FROM deletions d
    WHERE d.target = :target AND d.state = 'due' AND d.due <= :now AND NOT EXISTS (
        SELECT 1 FROM calls c
        WHERE c.target = d.target AND d.customer_id IN (c.customer_id, c.merged_into)
    )
    ORDER BY d.due, d.customer_id, d.part LIMIT :most FOR UPDATE SKIP LOCKED
""")
_SENDING = text("""
    UPDATE deletions d SET state = 'sending', attempts = attempts + 1
    FROM unnest(CAST(:customers AS uuid[]), CAST(:parts AS int[])) AS x(customer_id, part)
    WHERE d.customer_id = x.customer_id AND d.part = x.part AND d.target = :target
""")
_DONE = text("""
    UPDATE deletions d SET state = x.state, reason = x.reason, due = x.due,
        identifiers = CASE WHEN x.due IS NULL THEN NULL ELSE d.identifiers END,
        done_at = CASE WHEN x.due IS NULL THEN CAST(:now AS timestamptz) END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(customer_id uuid, part int, state text, reason text, due timestamptz)
    WHERE d.customer_id = x.customer_id AND d.part = x.part AND d.target = :target
        AND d.state = 'sending'
    RETURNING d.state, d.followers
""")
# Their profile went with hers, or may have: a push in flight does not count as reached.
_AGAIN = text("""
    UPDATE pushes p SET wanted_hash = :hash, reached_hash = NULL, due = :now,
        state = CASE WHEN p.state = 'sending' THEN 'sending' ELSE 'due' END
    WHERE p.target = :target AND p.customer_id = ANY(CAST(:followers AS uuid[]))
        AND p.wanted_hash <> 'withheld'
""")
_LAPSED = text("""
    UPDATE deletions SET state = 'due', due = :now, reason = 'no answer: the worker was lost'
    WHERE target = :target AND state = 'sending' AND customer_id = ANY(CAST(:customers AS uuid[]))
""")
_ANY_OPEN = text("SELECT EXISTS (SELECT 1 FROM deletions WHERE state IN ('due', 'sending'))")
_FOLLOW = text("""
    WITH found AS (
        SELECT d.customer_id, d.target, d.part, array_agg(DISTINCT x.customer_id) AS followers
        FROM deletions d JOIN jsonb_to_recordset(CAST(:rows AS jsonb))
            AS x(customer_id uuid, kind text, value text)
            ON d.identifiers @> jsonb_build_array(
                jsonb_build_object('kind', x.kind, 'value', x.value))
        WHERE d.state IN ('due', 'sending') AND NOT x.customer_id = ANY(d.followers)
        GROUP BY d.customer_id, d.target, d.part
    )
    UPDATE deletions d SET followers = d.followers || f.followers FROM found f
    WHERE d.customer_id = f.customer_id AND d.target = f.target AND d.part = f.part
""")
_GIVE_UP = text("""
    UPDATE deletions SET state = 'by_hand', identifiers = NULL, due = NULL, done_at = :now,
        reason = :reason
    WHERE state = 'due' AND asked_at <= CAST(:now AS timestamptz) - CAST(:kept AS interval)
""")
#: Instead of a number of attempts in a name: every try of one naming is the same message.
_NAME: Final = "{erasure}-{part}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One row to be: a naming to be tried, or (None) the reason why a person must ask."""

    target: str
    part: int
    naming: Naming | None
    reason: str


def ask(
    targets: Iterable[str],
    rules: Mapping[str, TargetRules],
    customers: Sequence[UUID],
    identifiers: Collection[Identifier],
) -> list[Asked]:
    """Decide what each target is asked that may know her."""
    rows: list[Asked] = []
    for target in sorted(targets):
        known = rules.get(target)
        found = namings(customers, identifiers, (known and known.erased_by) or ())
        refused = impossible(known, found)
        if refused:
            rows.append(Asked(target, 0, None, refused))
        else:
            rows += [Asked(target, part, one, "asked") for part, one in enumerate(found)]
    return rows


async def add(
    connection: AsyncConnection,
    erasure_id: UUID,
    customer_id: UUID,
    asked: Sequence[Asked],
    now: datetime,
) -> None:
    """Keep what is asked, until it is done."""
    rows = [
        {
            "target": one.target,
            "part": one.part,
            "named": one.naming.customer_id if one.naming else customer_id,
            "identifiers": one.naming and [_plain(i) for i in one.naming.identifiers],
            "state": "due" if one.naming else "by_hand",
            "reason": one.reason,
        }
        for one in asked
    ]
    if rows:
        values = {"customer": customer_id, "erasure": erasure_id, "now": now}
        await connection.execute(_ADD, {**values, "rows": as_json(rows)})


def _plain(identifier: Identifier) -> dict[str, str]:
    return {"kind": identifier.kind, "value": identifier.value}


async def due(connection: AsyncConnection, target: str, most: int, now: datetime) -> list[Any]:
    """Return what is due at a target, locked: at most one row of a person."""
    rows = await connection.execute(_DUE, {"target": target, "now": now, "most": most})
    first: dict[UUID, Any] = {}
    for row in rows:
        first.setdefault(row.customer_id, row)
    return list(first.values())


async def sending(
    connection: AsyncConnection, target: str, rows: Mapping[UUID, Any], tokens: Mapping[UUID, UUID]
) -> tuple[ClaimedDeletion, ...]:
    """Write the attempt down before the first byte; returns what is ours to call."""
    if not tokens:
        return ()
    parts = [rows[customer].part for customer in tokens]
    values = {"target": target, "customers": list(tokens), "parts": parts}
    await connection.execute(_SENDING, values)
    return tuple(_claimed(rows[customer], token) for customer, token in tokens.items())


def _claimed(row: Any, token: UUID) -> ClaimedDeletion:
    call = Deletion(
        message_id=_NAME.format(erasure=row.erasure_id, part=row.part),
        customer_id=row.named,
        identifiers=read_identifiers(row.identifiers),
    )
    return ClaimedDeletion(token, row.customer_id, row.part, call, row.attempts + 1, row.asked_at)


async def done(
    connection: AsyncConnection,
    target: str,
    ended: Sequence[tuple[ClaimedDeletion, DeletionNext]],
    now: datetime,
) -> None:
    """Record the ends of calls; the last try empties the identifiers."""
    if not ended:
        return
    rows = [
        {
            "customer_id": claimed.customer_id,
            "part": claimed.part,
            "state": after.state,
            "reason": after.reason,
            "due": after.due,
        }
        for claimed, after in ended
    ]
    values = {"rows": as_json(rows), "target": target, "now": now}
    found = (await connection.execute(_DONE, values)).all()
    followers = {one for row in found if row.state == "done" for one in row.followers}
    if followers:
        again = {"followers": sorted(followers), "target": target, "now": now}
        await connection.execute(_AGAIN, {**again, "hash": f"deleted:{iso(now)}"})


async def lapsed(
    connection: AsyncConnection, target: str, customers: Collection[UUID], now: datetime
) -> None:
    """Make deletions due again whose worker was lost: repeating one is harmless."""
    values = {"target": target, "customers": list(customers), "now": now}
    await connection.execute(_LAPSED, values)


async def follow(connection: AsyncConnection, recipients: Iterable[Recipient]) -> None:
    """Note who lives under an identifier that a platform is still to delete.

    It is she who was erased and came back, or who shares her address.
    """
    if not await connection.scalar(_ANY_OPEN):
        return
    rows = [
        {"customer_id": r.customer_id, **_plain(identifier)}
        for r in recipients
        for identifier in (r.state.identifiers if r.state else ())
    ]
    await connection.execute(_FOLLOW, {"rows": as_json(rows)})


async def give_up(connection: AsyncConnection, now: datetime) -> None:
    """Leave to a person what no lane has ended in time, and forget the names kept for it."""
    await connection.execute(_GIVE_UP, {"now": now, "kept": KEPT, "reason": too_late()})
