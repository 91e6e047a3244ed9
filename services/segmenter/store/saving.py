"""Applying: everything that a batch changes, written in the caller's transaction.

Lists are sorted by key, so that two handlers ask for locks in the same order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.keeping import keep_answers
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.profile import trim
from services.segmenter.profile.state import dump
from services.segmenter.store import merge_store
from services.segmenter.store.rows import Changes, Decision, Timer, TimerKey

# One array of rows: the driver asks of each value of an array whether it is an array itself, and an
# array for each column cost a decision 5 µs more of this process, and 6 µs more of waiting.
_SAVE_FACTS = text("""
    INSERT INTO facts
        (event_id, customer_id, kind, occurred_at, identity, revision, received_at, source, body)
    SELECT event_id, customer_id, kind, occurred_at, identity, revision, received_at, source,
           CAST(body AS jsonb)
    FROM unnest(CAST(:rows AS fact_row[]))
    ON CONFLICT (event_id) DO UPDATE SET
        occurred_at = excluded.occurred_at, received_at = excluded.received_at,
        source = excluded.source, body = excluded.body
""")
_SAVE_PROFILES = text("""
    UPDATE profiles p SET version = new.version, state = CAST(new.state AS jsonb),
        policy = coalesce(new.policy, p.policy)
    FROM unnest(CAST(:rows AS profile_row[])) AS new
    WHERE p.customer_id = new.customer_id
""")
_SAVE_DECISIONS = text("""
    INSERT INTO decisions
        (event_id, decision_id, customer_id, version, kind, decided_at, payload, note)
    SELECT * FROM unnest(CAST(:rows AS decision_row[]))
    ON CONFLICT (event_id) DO UPDATE SET
        decision_id = excluded.decision_id, customer_id = excluded.customer_id,
        version = excluded.version, decided_at = excluded.decided_at,
        payload = excluded.payload, note = excluded.note
""")
_SAVE_TIMERS = text("""
    INSERT INTO timers (kind, customer_id, subject, arm, due_at, state)
    SELECT * FROM unnest(CAST(:rows AS timer_row[]))
    ON CONFLICT (customer_id, kind, subject) DO UPDATE SET
        arm = excluded.arm, due_at = excluded.due_at, state = excluded.state
""")
_KEEP_POLICY = text("""
    INSERT INTO policies (version, text, first_used_at) VALUES (:version, :text, :now)
    ON CONFLICT (version) DO NOTHING
""")


async def save(connection: AsyncConnection, changes: Changes, policy: str) -> None:
    """Write everything that a batch changes, decided under the policy of this version."""
    await _save_facts(connection, changes.facts)
    await merge_store.save(connection, changes)
    customers = [changes.customers[key] for key in sorted(changes.customers)]
    if customers:
        told = {decision.customer_id for decision in changes.decisions if decision.payload}
        rows = [
            (
                one.customer_id,
                one.version,
                dump(trim(one.profile)),
                policy if one.customer_id in told else None,
            )
            for one in customers
        ]
        await connection.execute(_SAVE_PROFILES, {"rows": rows})
    await keep_answers(connection, changes)
    await _save_decisions(connection, changes.decisions)
    await _save_timers(connection, changes.timers)


async def _save_facts(connection: AsyncConnection, owned: Sequence[tuple[UUID, Fact]]) -> None:
    if not owned:
        return
    rows = [
        (
            fact.event_id,
            owner,
            fact.kind,
            fact.occurred_at,
            fact.identity,
            fact.revision,
            fact.received_at,
            fact.source,
            fact.body or fact.data.model_dump_json(),
        )
        for owner, fact in sorted(owned, key=lambda item: item[1].event_id)
    ]
    await connection.execute(_SAVE_FACTS, {"rows": rows})


async def _save_decisions(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    if not decisions:
        return
    rows = [
        (
            one.event_id,
            one.decision_id,
            one.customer_id,
            one.version,
            one.kind,
            one.decided_at,
            one.payload,
            one.note,
        )
        for one in sorted(decisions, key=lambda decision: decision.event_id)
    ]
    await connection.execute(_SAVE_DECISIONS, {"rows": rows})


async def _save_timers(connection: AsyncConnection, changed: Mapping[TimerKey, Timer]) -> None:
    if not changed:
        return
    rows = [
        (
            timer.kind,
            timer.customer_id,
            timer.subject,
            timer.arm,
            timer.due_at,
            "open" if timer.open else "closed",
        )
        for timer in (changed[key] for key in sorted(changed))
    ]
    await connection.execute(_SAVE_TIMERS, {"rows": rows})


async def keep_policy(
    connection: AsyncConnection, version: str, policy_text: str, now: datetime
) -> None:
    """Keep a policy's text under its hash, once: decisions name it."""
    await connection.execute(_KEEP_POLICY, {"version": version, "text": policy_text, "now": now})
