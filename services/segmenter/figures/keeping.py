"""Writing `answers` in the transaction that changes the customers."""

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.rows import changed_answers
from services.segmenter.rows import Changes

_KEEP = text("""
    INSERT INTO answers (source, survey, response_id, customer_id, metric, score, answered_at,
                         complete, history, said)
    SELECT s, u, r, c, m, n, a, d, h, CAST(t AS jsonb) FROM unnest(
        CAST(:sources AS text[]), CAST(:surveys AS text[]), CAST(:responses AS text[]),
        CAST(:customers AS uuid[]), CAST(:metrics AS text[]), CAST(:scores AS smallint[]),
        CAST(:answered AS timestamptz[]), CAST(:complete AS boolean[]),
        CAST(:history AS boolean[]), CAST(:said AS text[])
    ) AS new (s, u, r, c, m, n, a, d, h, t)
    ON CONFLICT (source, survey, response_id) DO UPDATE SET
        customer_id = excluded.customer_id, metric = excluded.metric, score = excluded.score,
        answered_at = excluded.answered_at, complete = excluded.complete,
        history = excluded.history, said = excluded.said
""")


async def keep_answers(connection: AsyncConnection, changes: Changes) -> None:
    """Write the responses that a batch changed; one statement, in the order of their keys."""
    rows = changed_answers(changes)
    if not rows:
        return
    await connection.execute(
        _KEEP,
        {
            "sources": [row.source for row in rows],
            "surveys": [row.survey for row in rows],
            "responses": [row.response_id for row in rows],
            "customers": [row.customer_id for row in rows],
            "metrics": [row.metric for row in rows],
            "scores": [row.score for row in rows],
            "answered": [row.answered_at for row in rows],
            "complete": [row.complete for row in rows],
            "history": [row.history for row in rows],
            "said": [orjson.dumps(row.said).decode() for row in rows],
        },
    )
