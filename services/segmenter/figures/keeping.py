"""Writing `answers` in the transaction that changes the customers."""

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.rows import changed_answers
from services.segmenter.store.rows import Changes

_KEEP = text("""
    INSERT INTO answers (source, survey, response_id, customer_id, metric, score, answered_at,
                         complete, history, said)
    SELECT source, survey, response_id, customer_id, metric, score, answered_at,
           complete, history, CAST(said AS jsonb)
    FROM unnest(CAST(:rows AS answer_row[]))
    ON CONFLICT (source, survey, response_id) DO UPDATE SET
        customer_id = excluded.customer_id, metric = excluded.metric, score = excluded.score,
        answered_at = excluded.answered_at, complete = excluded.complete,
        history = excluded.history, said = excluded.said
""")


async def keep_answers(connection: AsyncConnection, changes: Changes) -> None:
    """Write the responses that a batch changed; one statement, in the order of their keys."""
    rows = [
        (
            row.source,
            row.survey,
            row.response_id,
            row.customer_id,
            row.metric,
            row.score,
            row.answered_at,
            row.complete,
            row.history,
            orjson.dumps(row.said).decode(),
        )
        for row in changed_answers(changes)
    ]
    if rows:
        await connection.execute(_KEEP, {"rows": rows})
