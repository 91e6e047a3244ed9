"""Counting the steps of the loop in the database: contacted, resolved, recovered.

All functions read on the caller's connection, which sees one moment of the data.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.loop import Cases, Contacts, hours
from services.segmenter.figures.question import Scope
from services.segmenter.figures.selecting import named, parameters, scored


async def contacts(
    connection: AsyncConnection, scope: Scope, detractors: Sequence[int], *, window: timedelta
) -> Contacts:
    """Tell how many detractor answers of known people were followed by a contact, and how soon."""
    statement = f"""
        SELECT count(*) AS detractors, count(waited) AS contacted,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS median,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY waited) AS p90
        FROM (
            SELECT CASE WHEN an.cared_at < an.answered_at + CAST(:window AS interval)
                   THEN extract(epoch FROM an.cared_at - an.answered_at) END AS waited
            FROM told_answers an
            WHERE {scored(scope)} AND an.known AND an.score = ANY(CAST(:detractors AS smallint[]))
        ) AS told
    """  # noqa: S608 - names of columns, nothing from outside
    asked = {**parameters(scope), "detractors": list(detractors), "window": window}
    row = (await connection.execute(text(statement), asked)).one()
    return Contacts(row.detractors, row.contacted, hours(row.median), hours(row.p90))


async def cases(connection: AsyncConnection, scope: Scope) -> Cases:
    """Tell how many cases were opened in the period, are resolved now, and how long that took.

    With a survey or a source, only the cases that name such an answer.
    """
    statement = f"""
        SELECT count(*) AS opened, count(resolved_at) AS resolved,
               percentile_cont(0.5) WITHIN GROUP (
                   ORDER BY extract(epoch FROM resolved_at - opened_at)) AS median
        FROM told_cases c
        WHERE opened_at >= :start AND opened_at < :end {named(scope, "c")}
    """  # noqa: S608
    row = (await connection.execute(text(statement), parameters(scope))).one()
    return Cases(row.opened, row.resolved, hours(row.median))


async def recovery(
    connection: AsyncConnection,
    scope: Scope,
    detractors: Sequence[int],
    *,
    window: timedelta,
    now: datetime,
) -> list[tuple[int | None, bool, int]]:
    """Count detractor answers with a resolved case by the first score after it (None: silent yet).

    The second value tells whether there is time left to answer.
    """
    statement = f"""
        SELECT CASE WHEN an.after_at <= an.resolved_at + CAST(:window AS interval)
               THEN an.after_score END AS after,
               an.resolved_at + CAST(:window AS interval) > :now AS pending, count(*) AS n
        FROM told_answers an
        WHERE {scored(scope)} AND an.resolved_at IS NOT NULL
          AND an.score = ANY(CAST(:detractors AS smallint[]))
        GROUP BY 1, 2
    """  # noqa: S608
    asked = {**parameters(scope), "detractors": list(detractors), "window": window, "now": now}
    rows = await connection.execute(text(statement), asked)
    return [(row.after, row.pending, row.n) for row in rows]
