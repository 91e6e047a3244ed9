"""Profile pushes: per customer and target, the state that is wanted and the one that was reached.

A newer decision overwrites `wanted`; equal hashes push nothing. While a call is out, and after one
without a clear answer, nothing counts as reached: the next equal `wanted` is pushed again. What is
`withheld` is a test respondent's at a target that must not hear of her.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.dispatcher.calls.judge import PushNext
from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger.attributes import chosen, push_hash
from services.dispatcher.ledger.recipients import PushState, Recipient
from services.dispatcher.ledger.rows import as_json
from shared.events.vocabulary import Value

#: Instead of a hash: nothing is wanted of a test respondent, whatever was before.
WITHHELD: Final = "withheld"
WHY_WITHHELD: Final = "test respondent: only targets with `sandbox: true` hear of her"

_WANT = text("""
    INSERT INTO pushes AS p (customer_id, target, wanted_version, wanted, wanted_hash, wanted_at,
                             state, reason, due)
    SELECT customer_id, target, version, attributes, hash, :now,
           CASE WHEN hash = 'withheld' THEN 'withheld' ELSE 'due' END,
           CASE WHEN hash = 'withheld' THEN :why ELSE 'wanted' END, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(customer_id uuid, target text, version bigint, attributes jsonb, hash text)
    ORDER BY customer_id, target
    ON CONFLICT (customer_id, target) DO UPDATE SET
        wanted_version = EXCLUDED.wanted_version,
        wanted = EXCLUDED.wanted,
        wanted_hash = EXCLUDED.wanted_hash,
        wanted_at = CASE WHEN EXCLUDED.wanted_hash = p.wanted_hash THEN p.wanted_at ELSE :now END,
        attempts = CASE WHEN EXCLUDED.wanted_hash = p.wanted_hash THEN p.attempts ELSE 0 END,
        due = CASE WHEN EXCLUDED.wanted_hash = p.wanted_hash THEN p.due ELSE :now END,
        reason = CASE WHEN EXCLUDED.state = 'withheld' OR p.state = 'withheld'
                      THEN EXCLUDED.reason ELSE p.reason END,
        state = CASE WHEN p.state = 'sending' THEN 'sending'
                     WHEN EXCLUDED.state = 'withheld' THEN 'withheld'
                     WHEN EXCLUDED.wanted_hash = p.reached_hash THEN 'reached'
                     WHEN EXCLUDED.wanted_hash = p.wanted_hash THEN p.state
                     ELSE 'due' END
    WHERE EXCLUDED.wanted_version > p.wanted_version
""")
# Whatever came in during the call, and a merge, differ from what was sent: then it is due again.
_DONE = text("""
    UPDATE pushes p SET
        state = CASE WHEN p.wanted_hash = x.sent THEN x.state
                     WHEN p.wanted_hash = 'withheld' THEN 'withheld'
                     ELSE 'due' END,
        due = CASE WHEN p.wanted_hash <> x.sent AND x.state <> 'due' THEN x.now ELSE x.due END,
        reason = CASE WHEN p.wanted_hash = 'withheld' THEN p.reason ELSE x.reason END,
        reached_hash = CASE WHEN x.state = 'reached' THEN x.sent END,
        reached_version = CASE WHEN x.state = 'reached' THEN x.version ELSE p.reached_version END,
        reached_at = CASE WHEN x.state = 'reached' THEN x.now ELSE p.reached_at END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(customer_id uuid, target text, sent text, version bigint, state text,
             due timestamptz, reason text, now timestamptz)
    WHERE p.customer_id = x.customer_id AND p.target = x.target AND p.state = 'sending'
    RETURNING p.customer_id, EXTRACT(EPOCH FROM x.now - p.wanted_at) AS seconds
""")
_LAPSED = text("""
    UPDATE pushes SET due = :due,
        state = CASE WHEN wanted_hash = 'withheld' THEN 'withheld' ELSE 'due' END,
        reason = CASE WHEN wanted_hash = 'withheld' THEN reason
                      ELSE 'no answer: the worker was lost' END
    WHERE target = :target AND state = 'sending' AND customer_id = ANY(CAST(:customers AS uuid[]))
""")
_STATES = text("""
    SELECT customer_id, state, due, reason FROM pushes
    WHERE target = :target AND customer_id = ANY(CAST(:customers AS uuid[]))
""")
# `wanted_hash` becomes one that was never sent, so a call in flight does not count as reached.
_TO_SURVIVOR = text("""
    WITH merged AS (DELETE FROM pushes WHERE customer_id = :merged RETURNING *)
    INSERT INTO pushes AS p (customer_id, target, wanted_version, wanted, wanted_hash, wanted_at,
                             state, reason, due)
    SELECT :survivor, target, 0, wanted, :hash, wanted_at, 'due', 'merged', :now FROM merged
    WHERE wanted_hash <> 'withheld' ORDER BY target
    ON CONFLICT (customer_id, target) DO UPDATE SET
        wanted_hash = EXCLUDED.wanted_hash,
        reached_hash = NULL,
        wanted_at = :now,
        due = :now,
        state = CASE WHEN p.state IN ('sending', 'withheld') THEN p.state ELSE 'due' END
""")


_AGAIN = text("""
    UPDATE pushes p SET wanted_version = x.version, wanted = x.attributes, wanted_hash = x.hash,
        wanted_at = :now, attempts = 0, due = :now, state = 'due', reason = :reason
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(customer_id uuid, target text, version bigint, attributes jsonb, hash text)
    WHERE p.customer_id = x.customer_id AND p.target = x.target
        AND p.state IN ('rejected', 'parked')
""")
_LEAVE_SHADOW = text("""
    UPDATE pushes SET state = 'due', due = :now, reason = 'its target is in shadow no more'
    WHERE state = 'shadowed' AND target = ANY(CAST(:targets AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The state that a target shall have of a customer."""

    customer_id: UUID
    target: str
    version: int
    attributes: Mapping[str, Value]
    hash: str


def wanted(recipients: Iterable[Recipient], targets: Collection[TargetRules]) -> list[Wanted]:
    """Return the profile states that every target shall have."""
    found = (wanted_of(recipient, target) for recipient in recipients for target in targets)
    return [one for one in found if one is not None]


def wanted_of(recipient: Recipient, target: TargetRules) -> Wanted | None:
    """Return the profile state that a target shall have of her; None: it takes nothing of hers."""
    attributes = chosen(recipient.attributes, target.attributes)
    if not attributes:
        return None
    identifiers = recipient.state.identifiers if recipient.state else ()
    shown = target.sandbox or not recipient.test
    return Wanted(
        customer_id=recipient.customer_id,
        target=target.name,
        version=recipient.version,
        attributes=attributes if shown else {},
        hash=push_hash(attributes, identifiers) if shown else WITHHELD,
    )


async def want(connection: AsyncConnection, wanted: Sequence[Wanted], now: datetime) -> None:
    """Overwrite what is wanted with newer versions."""
    if wanted:
        rows = as_json(wanted)
        await connection.execute(_WANT, {"rows": rows, "now": now, "why": WHY_WITHHELD})


async def again(
    connection: AsyncConnection, wanted: Sequence[Wanted], reason: str, now: datetime
) -> None:
    """Make refused pushes due, as they are wanted now (their rows are locked)."""
    rows = as_json(wanted)
    await connection.execute(_AGAIN, {"rows": rows, "reason": reason, "now": now})


async def done(
    connection: AsyncConnection, ended: Sequence[tuple[Wanted, PushNext, datetime]]
) -> dict[UUID, float]:
    """Record the end of calls to one target: what was sent, what became of it, and when.

    Returns, per customer, the seconds from wanting to that end (merged away: nothing).
    """
    if not ended:
        return {}
    rows = [
        {
            "customer_id": sent.customer_id,
            "target": sent.target,
            "sent": sent.hash,
            "version": sent.version,
            "state": after.state,
            "due": after.due,
            "reason": after.reason,
            "now": now,
        }
        for sent, after, now in ended
    ]
    found = await connection.execute(_DONE, {"rows": as_json(rows)})
    return {row.customer_id: float(row.seconds) for row in found}


async def lapsed(
    connection: AsyncConnection, target: str, customers: Collection[UUID], due: datetime
) -> None:
    """Make pushes due again whose worker was lost: repeating one is harmless."""
    await connection.execute(_LAPSED, {"target": target, "customers": list(customers), "due": due})


async def states(
    connection: AsyncConnection, target: str, customers: Collection[UUID]
) -> dict[UUID, PushState]:
    """Return where the pushes of these customers to a target stand."""
    rows = await connection.execute(_STATES, {"target": target, "customers": list(customers)})
    return {row.customer_id: PushState(row.state, row.due, row.reason) for row in rows}


async def leave_shadow(engine: AsyncEngine, live: Collection[str], now: datetime) -> None:
    """Make due what targets in shadow never got, for those of them that are live now."""
    async with engine.begin() as connection:
        await connection.execute(_LEAVE_SHADOW, {"targets": sorted(live), "now": now})


async def to_survivor(
    connection: AsyncConnection, merged: UUID, survivor: UUID, now: datetime
) -> None:
    """Want the survivor's state wherever the merged customer had a profile."""
    await connection.execute(
        _TO_SURVIVOR,
        {"merged": merged, "survivor": survivor, "hash": f"merged:{merged}", "now": now},
    )
