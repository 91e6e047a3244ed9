"""Counting a week by owner in the database: the scores as `GET /v1/nps` counts them.

All functions read on the caller's connection, which sees one moment of the data.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.digests.weeks import CaseCounts, Sums, Week, by_owner
from services.segmenter.figures import counting
from services.segmenter.figures.distribution import scores_of
from services.segmenter.figures.question import Grouping, Scope, read_grouping
from services.segmenter.figures.selecting import (
    ITEMS,
    named,
    parameters,
    said_of,
    scored,
    with_said,
)
from services.segmenter.policy.digests import OwnerDigest
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.attributes import other_names
from services.segmenter.sweep.portrait import near
from shared.events.decisions import WeekComment, WeekTheme

#: The owners with most answers; what has more values names no owner.
MOST_OWNERS: Final = 1000


async def count(
    connection: AsyncConnection, digest: OwnerDigest, week: Week, policy: Policy
) -> tuple[Sums, int]:
    """Count a week; returns the sums, and how many owners there are in all."""
    await counting.make_room(connection)
    names = other_names(policy)
    by = read_grouping(f"attribute:{digest.owner}", near(policy), names) if digest.owner else None
    scope = Scope(week.period, digest.survey, digest.source)
    scores, owners = await counting.scores(connection, scope, by, most=MOST_OWNERS)
    before, _ = await counting.scores(
        connection,
        Scope(week.before, digest.survey, digest.source),
        by,
        keep=list(scores),
        most=MOST_OWNERS,
    )
    return Sums(
        scores=scores,
        before=before,
        themes=await _themes(connection, scope, by, scores_of("detractor", policy.bands)),
        cases=await _cases(connection, scope, by),
        commented=await _commented(connection, scope, by),
        comments=await _comments(connection, scope, by, digest.comments),
    ), owners


def _asked(scope: Scope, by: Grouping | None, **more: object) -> dict[str, object]:
    return {**parameters(scope), **({"group_name": by.name} if by else {}), **more}


async def _themes(
    connection: AsyncConnection, scope: Scope, by: Grouping | None, detractors: list[int]
) -> dict[str | None, list[WeekTheme]]:
    statement = f"""
        SELECT told.value, raw.theme, CAST(sum(raw.n) AS bigint) AS n,
               CAST(sum(raw.detractors) AS bigint) AS detractors
        FROM (
            SELECT {said_of(by)} AS v, an.theme, count(*) AS n,
                   count(*) FILTER (
                       WHERE an.score = ANY(CAST(:detractors AS smallint[]))
                   ) AS detractors
            FROM told_answers an {with_said(by)}
            WHERE {scored(scope)} AND an.theme IS NOT NULL GROUP BY 1, 2
        ) AS raw {ITEMS}
        GROUP BY told.value, raw.theme
    """  # noqa: S608 - names of columns, nothing from outside
    rows = await connection.execute(text(statement), _asked(scope, by, detractors=detractors))
    found = [
        (row.value, WeekTheme(theme=row.theme, answers=row.n, detractors=row.detractors))
        for row in rows
    ]
    return by_owner(found)


async def _cases(
    connection: AsyncConnection, scope: Scope, by: Grouping | None
) -> dict[str | None, CaseCounts]:
    """Count cases opened and resolved in the week, and those open now, however old."""
    said = "s.said -> CAST(:group_name AS text)" if by else "CAST(NULL AS jsonb)"
    joined = "LEFT JOIN people_said s ON s.customer_id = c.customer_id" if by else ""
    opened = "c.opened_at >= :start AND c.opened_at < :end"
    resolved = "c.resolved_at >= :start AND c.resolved_at < :end"
    statement = f"""
        SELECT told.value, CAST(sum(raw.opened) AS bigint) AS opened,
               CAST(sum(raw.resolved) AS bigint) AS resolved,
               CAST(sum(raw.still) AS bigint) AS still
        FROM (
            SELECT {said} AS v, count(*) FILTER (WHERE {opened}) AS opened,
                   count(*) FILTER (WHERE {resolved}) AS resolved,
                   count(*) FILTER (WHERE c.resolved_at IS NULL) AS still
            FROM told_cases c {joined}
            WHERE ({opened} OR {resolved} OR c.resolved_at IS NULL) {named(scope, "c")}
            GROUP BY 1
        ) AS raw {ITEMS}
        GROUP BY told.value
    """  # noqa: S608
    rows = await connection.execute(text(statement), _asked(scope, by))
    return {row.value: CaseCounts(row.opened, row.resolved, row.still) for row in rows}


async def _commented(
    connection: AsyncConnection, scope: Scope, by: Grouping | None
) -> dict[str | None, int]:
    statement = f"""
        SELECT told.value, CAST(sum(raw.n) AS bigint) AS n
        FROM (
            SELECT {said_of(by)} AS v, count(*) AS n FROM told_answers an {with_said(by)}
            WHERE {scored(scope)} AND an.commented GROUP BY 1
        ) AS raw {ITEMS}
        GROUP BY told.value
    """  # noqa: S608
    rows = await connection.execute(text(statement), _asked(scope, by))
    return {row.value: row.n for row in rows}


async def _comments(
    connection: AsyncConnection, scope: Scope, by: Grouping | None, most: int
) -> dict[str | None, list[WeekComment]]:
    """List answers of known people that have words: the worst, of those the newest, first.

    Ranked twice, so that lists of owners are taken apart for a few answers of each and not for all.
    """
    order = "ORDER BY score, answered_at DESC, customer_id"
    statement = f"""
        SELECT value, customer_id, score, theme FROM (
            SELECT told.value, raw.*, row_number() OVER (PARTITION BY told.value {order}) AS place
            FROM (
                SELECT * FROM (
                    SELECT *, row_number() OVER (PARTITION BY v {order}) AS near FROM (
                        SELECT {said_of(by)} AS v,
                               an.customer_id, an.score, an.theme, an.answered_at
                        FROM told_answers an {with_said(by)}
                        WHERE {scored(scope)} AND an.commented AND an.known
                    ) AS commented
                ) AS told_alike WHERE near <= :most
            ) AS raw {ITEMS}
        ) AS ranked
        WHERE place <= :most ORDER BY value, place
    """  # noqa: S608
    found: dict[str | None, list[WeekComment]] = {}
    for row in await connection.execute(text(statement), _asked(scope, by, most=most)):
        told = WeekComment(customer_id=row.customer_id, score=row.score, theme=row.theme)
        found.setdefault(row.value, []).append(told)
    return found
