"""Applying: everything that a batch changes, written in the caller's transaction.

Lists are sorted by key, so that two handlers ask for locks in the same order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter import merge_store
from services.segmenter.facts import Fact
from services.segmenter.figures.keeping import keep_answers
from services.segmenter.profile import trim
from services.segmenter.rows import Changes, Decision, Timer, TimerKey
from services.segmenter.state import dump

_SAVE_FACTS = text("""
    INSERT INTO facts
        (event_id, customer_id, kind, occurred_at, identity, revision, received_at, source, body)
    SELECT e, c, k, o, i, r, t, s, CAST(b AS jsonb) FROM unnest(
        CAST(:events AS uuid[]), CAST(:customers AS uuid[]), CAST(:kinds AS text[]),
        CAST(:occurred AS timestamptz[]), CAST(:identities AS text[]),
        CAST(:revisions AS bigint[]), CAST(:received AS timestamptz[]), CAST(:sources AS text[]),
        CAST(:bodies AS text[])
    ) AS new (e, c, k, o, i, r, t, s, b)
    ON CONFLICT (event_id) DO UPDATE SET
        occurred_at = excluded.occurred_at, received_at = excluded.received_at,
        source = excluded.source, body = excluded.body
""")
_SAVE_PROFILES = text("""
    UPDATE profiles SET version = v, state = CAST(s AS jsonb), policy = coalesce(told, policy)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:states AS text[]),
                CAST(:policies AS text[])) AS new (id, v, s, told)
    WHERE customer_id = id
""")
_SAVE_DECISIONS = text("""
    INSERT INTO decisions
        (event_id, decision_id, customer_id, version, kind, decided_at, payload, note)
    SELECT * FROM unnest(
        CAST(:events AS uuid[]), CAST(:decisions AS uuid[]), CAST(:customers AS uuid[]),
        CAST(:versions AS bigint[]), CAST(:kinds AS text[]), CAST(:decided AS timestamptz[]),
        CAST(:payloads AS text[]), CAST(:notes AS text[]))
    ON CONFLICT (event_id) DO UPDATE SET
        decision_id = excluded.decision_id, customer_id = excluded.customer_id,
        version = excluded.version, decided_at = excluded.decided_at,
        payload = excluded.payload, note = excluded.note
""")
_SAVE_TIMERS = text("""
    INSERT INTO timers (kind, customer_id, subject, arm, due_at, state)
    SELECT * FROM unnest(
        CAST(:kinds AS text[]), CAST(:ids AS uuid[]), CAST(:subjects AS text[]),
        CAST(:arms AS bigint[]), CAST(:dues AS timestamptz[]), CAST(:states AS text[]))
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
        await connection.execute(
            _SAVE_PROFILES,
            {
                "ids": [customer.customer_id for customer in customers],
                "versions": [customer.version for customer in customers],
                "states": [dump(trim(customer.profile)) for customer in customers],
                "policies": [policy if one.customer_id in told else None for one in customers],
            },
        )
    await keep_answers(connection, changes)
    await _save_decisions(connection, changes.decisions)
    await _save_timers(connection, changes.timers)


async def _save_facts(connection: AsyncConnection, owned: Sequence[tuple[UUID, Fact]]) -> None:
    if not owned:
        return
    ordered = sorted(owned, key=lambda item: item[1].event_id)
    told = [fact for _, fact in ordered]
    await connection.execute(
        _SAVE_FACTS,
        {
            "events": [fact.event_id for fact in told],
            "customers": [owner for owner, _ in ordered],
            "kinds": [fact.kind for fact in told],
            "occurred": [fact.occurred_at for fact in told],
            "identities": [fact.identity for fact in told],
            "revisions": [fact.revision for fact in told],
            "received": [fact.received_at for fact in told],
            "sources": [fact.source for fact in told],
            "bodies": [fact.body or fact.data.model_dump_json() for fact in told],
        },
    )


async def _save_decisions(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    if not decisions:
        return
    ordered = sorted(decisions, key=lambda decision: decision.event_id)
    await connection.execute(
        _SAVE_DECISIONS,
        {
            "events": [d.event_id for d in ordered],
            "decisions": [d.decision_id for d in ordered],
            "customers": [d.customer_id for d in ordered],
            "versions": [d.version for d in ordered],
            "kinds": [d.kind for d in ordered],
            "decided": [d.decided_at for d in ordered],
            "payloads": [d.payload for d in ordered],
            "notes": [d.note for d in ordered],
        },
    )


async def _save_timers(connection: AsyncConnection, changed: Mapping[TimerKey, Timer]) -> None:
    if not changed:
        return
    ordered = [changed[key] for key in sorted(changed)]
    await connection.execute(
        _SAVE_TIMERS,
        {
            "kinds": [timer.kind for timer in ordered],
            "ids": [timer.customer_id for timer in ordered],
            "subjects": [timer.subject for timer in ordered],
            "arms": [timer.arm for timer in ordered],
            "dues": [timer.due_at for timer in ordered],
            "states": ["open" if timer.open else "closed" for timer in ordered],
        },
    )


async def keep_policy(
    connection: AsyncConnection, version: str, policy_text: str, now: datetime
) -> None:
    """Keep a policy's text under its hash, once: decisions name it."""
    await connection.execute(_KEEP_POLICY, {"version": version, "text": policy_text, "now": now})
