"""Rows of experiments: who was drawn for which arm, and what she did next.

A draw stays under the customer it was drawn for; whoever she was merged into is found through
`recipients`, and the oldest draw of a play keeps the arm. So no merge moves anybody.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.delivery import Delivery
from services.dispatcher.ledger.rows import as_json
from services.dispatcher.ledger.said import SCORED
from services.dispatcher.plan.experiments import Counted
from shared.events.decisions import CustomerDecided

_HERS = """
    hers AS (
        SELECT customer_id, coalesce(merged_into, customer_id) AS root FROM recipients
        WHERE customer_id = ANY(CAST(:ids AS uuid[])) OR merged_into = ANY(CAST(:ids AS uuid[]))
    )
"""
_ARMS = text(f"""
    WITH {_HERS}
    SELECT DISTINCT ON (h.root, t.play) h.root, t.play, t.arm
    FROM hers h JOIN draws t ON t.customer_id = h.customer_id
    ORDER BY h.root, t.play, t.at, t.customer_id, t.delivery_id
""")  # noqa: S608 - fixed text
_START = text("""
    INSERT INTO draws (delivery_id, customer_id, play, cause_id, arm, at, answered_at, score)
    SELECT delivery_id, customer_id, play, cause_id, arm, at, answered_at, score
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(delivery_id uuid, customer_id uuid,
        play text, cause_id uuid, arm text, at timestamptz, answered_at timestamptz, score int)
    ORDER BY delivery_id ON CONFLICT DO NOTHING
""")
# The earliest answer after it is the next one, in whatever order answers are told; its revisions
# (the same cause) correct it.
_ANSWERED = text(f"""
    WITH {_HERS}, told AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:causes AS uuid[]),
            CAST(:times AS timestamptz[]), CAST(:scores AS int[])) AS x(id, cause, at, score)
    )
    UPDATE draws t SET next_cause = told.cause, next_at = told.at, next_score = told.score
    FROM told JOIN hers h ON h.root = told.id
    WHERE t.customer_id = h.customer_id AND t.cause_id <> told.cause AND t.answered_at < told.at
        AND (t.next_at IS NULL OR t.next_cause = told.cause OR told.at < t.next_at)
""")  # noqa: S608
_CHURNED = text(f"""
    WITH {_HERS}
    UPDATE draws t SET churned_at = :now FROM hers h
    WHERE t.customer_id = h.customer_id AND t.churned_at IS NULL AND t.at <= :now
""")  # noqa: S608
# Each customer counts once, by her first draw: what came later is no other person.
_COUNTED = text("""
    WITH first AS (
        SELECT DISTINCT ON (coalesce(r.merged_into, t.customer_id))
            t.arm, t.at, t.next_score, t.churned_at
        FROM draws t JOIN recipients r ON r.customer_id = t.customer_id
        WHERE t.play = :play
        ORDER BY coalesce(r.merged_into, t.customer_id), t.at, t.customer_id, t.delivery_id
    )
    SELECT arm, count(*) AS customers, count(next_score) AS answered,
        coalesce(sum(next_score), 0) AS total, coalesce(sum(next_score * next_score), 0) AS squares,
        count(*) FILTER (WHERE next_score >= 9) AS promoters,
        count(*) FILTER (WHERE next_score <= 6) AS detractors,
        count(*) FILTER (WHERE churned_at IS NOT NULL) AS churned
    FROM first
    WHERE (CAST(:since AS timestamptz) IS NULL OR at >= :since) AND at <= :until
    GROUP BY arm ORDER BY arm
""")
_FORGET = text("DELETE FROM draws WHERE customer_id = ANY(CAST(:ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that may be the next one after a draw."""

    customer_id: UUID
    cause_id: UUID
    at: datetime
    score: int


def answer_of(decision: CustomerDecided, customer_id: UUID) -> Answer | None:
    """Take the answer from a decision that tells one.

    The decision shows neither a late one nor one without a score.
    """
    snapshot, cause = decision.snapshot, decision.cause
    if cause.kind != "response" or cause.late or SCORED.isdisjoint(cause.triggers):
        return None
    if snapshot.score is None or snapshot.last_answered_at is None:
        return None
    return Answer(customer_id, cause.id, snapshot.last_answered_at, snapshot.score)


async def arms(
    connection: AsyncConnection, customers: Collection[UUID]
) -> dict[UUID, dict[str, str]]:
    """Return the arm of each play that these customers were drawn for."""
    found: dict[UUID, dict[str, str]] = {}
    for row in await connection.execute(_ARMS, {"ids": sorted(customers)}):
        found.setdefault(row.root, {})[row.play] = row.arm
    return found


async def start(
    connection: AsyncConnection,
    deliveries: Iterable[Delivery],
    told: Mapping[UUID, CustomerDecided],
) -> None:
    """Keep what new deliveries were drawn for; `told`: their decisions by id."""
    rows = [
        {
            "delivery_id": d.id,
            "customer_id": d.customer_id,
            "play": d.play,
            "cause_id": d.cause_id,
            "arm": d.arm,
            "at": d.planned_at,
            "answered_at": told[d.decision_id].cause.deadline_from,
            "score": told[d.decision_id].snapshot.score,
        }
        for d in deliveries
        if d.arm is not None
    ]
    if rows:
        await connection.execute(_START, {"rows": as_json(rows)})


async def answered(connection: AsyncConnection, answers: Sequence[Answer]) -> None:
    """Note answers as the next of earlier draws; of a customer's several the earliest first."""
    left = sorted(answers, key=lambda one: (one.at, one.cause_id))
    while left:
        turn: dict[UUID, Answer] = {}
        rest = []
        for one in left:
            if one.customer_id in turn:
                rest.append(one)
            else:
                turn[one.customer_id] = one
        values = {
            "ids": list(turn),
            "causes": [one.cause_id for one in turn.values()],
            "times": [one.at for one in turn.values()],
            "scores": [one.score for one in turn.values()],
        }
        await connection.execute(_ANSWERED, values)
        left = rest


async def churned(connection: AsyncConnection, customers: Collection[UUID], now: datetime) -> None:
    """Note that these customers have left."""
    if customers:
        await connection.execute(_CHURNED, {"ids": sorted(customers), "now": now})


async def counted(
    connection: AsyncConnection, play: str, *, since: datetime | None, until: datetime
) -> list[Counted]:
    """Count what the customers of each arm did whose first draw lies in this time."""
    values = {"play": play, "since": since, "until": until}
    return [
        Counted(
            arm=row.arm,
            customers=row.customers,
            answered=row.answered,
            total=row.total,
            squares=row.squares,
            promoters=row.promoters,
            detractors=row.detractors,
            churned=row.churned,
        )
        for row in await connection.execute(_COUNTED, values)
    ]


async def forget(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Delete the draws of erased people: their scores are theirs."""
    await connection.execute(_FORGET, {"ids": sorted(ids)})
