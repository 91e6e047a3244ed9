"""Counting answers in the database: sums, never rows of people.

All functions read on the caller's connection, which sees one moment of the data. What is counted
was read of each person by the sweep, so that no answer needs to be looked up beside another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.question import Grouping, Scope
from services.segmenter.figures.selecting import (
    ITEMS,
    NO_TESTS,
    among,
    named,
    parameters,
    said_of,
    scored,
    with_said,
)

#: More groups than anybody reads; the largest count.
MOST_GROUPS: Final = 200

Scores = dict[int, int]
#: Joining a million answers in memory takes half the time that it takes on disk; a few questions at
#: a time are asked.
_ROOM: Final = text("SET LOCAL work_mem = '64MB'")


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers that are alike. `before`: her score before it; `last`: her last one in the period;
    `churned`: by now. Of an answer of nobody's the score counts alone.
    """

    score: int
    known: bool
    before: int | None
    last: bool
    churned: bool
    n: int


async def make_room(connection: AsyncConnection) -> None:
    """Let the statements of this transaction join in memory."""
    await connection.execute(_ROOM)


async def tallies(
    connection: AsyncConnection, scope: Scope, gone_since: datetime
) -> Sequence[Tally]:
    """Count the answers of the scope once, for score, moves and churn together.

    Those are churned who left before `gone_since`.
    """
    which = among(scope)
    statement = f"""
        SELECT an.score, an.known, an.before_{which} AS before,
               an.next_{which} IS NULL OR an.next_{which} >= :end AS last,
               coalesce(an.left_at < :gone_since, false) AS churned, count(*) AS n
        FROM told_answers an WHERE {scored(scope)} GROUP BY 1, 2, 3, 4, 5
    """  # noqa: S608 - names of columns, nothing from outside
    asked = {**parameters(scope), "gone_since": gone_since}
    return [Tally(*row) for row in await connection.execute(text(statement), asked)]


async def scores(
    connection: AsyncConnection,
    scope: Scope,
    by: Grouping | None = None,
    *,
    keep: Sequence[str | None] = (),
    most: int = MOST_GROUPS,
) -> tuple[dict[str | None, Scores], int]:
    """Count answers by group and score, and how many groups there are in all.

    The groups with most answers come first; those named in `keep` come whatever their size.
    """
    statement = f"""
        SELECT value, score, n, place, groups FROM (
            SELECT *, max(place) OVER () AS groups FROM (
                SELECT *, dense_rank() OVER (ORDER BY total DESC, value) AS place FROM (
                    SELECT told.value, raw.score, CAST(sum(raw.n) AS bigint) AS n,
                           sum(sum(raw.n)) OVER (PARTITION BY told.value) AS total
                    FROM ({_grouped(scope, by)}) AS raw {ITEMS}
                    GROUP BY told.value, raw.score
                ) AS counted
            ) AS placed
        ) AS ranked
        WHERE place <= :most OR value = ANY(CAST(:keep AS text[]))
        ORDER BY place, score
    """  # noqa: S608
    asked = {
        **parameters(scope),
        "most": most,
        "keep": [value for value in keep if value is not None],
        **({"group_name": by.name} if by else {}),
    }
    found: dict[str | None, Scores] = {}
    groups = 0
    for row in await connection.execute(text(statement), asked):
        found.setdefault(row.value, {})[row.score] = row.n
        groups = row.groups
    return found, groups


def _grouped(scope: Scope, by: Grouping | None) -> str:
    """Count by the group as it is stored, and score."""
    if by is not None and by.kind == "answer":
        return f"""
            SELECT an.said -> CAST(:group_name AS text) AS v, an.score, count(*) AS n
            FROM answers an WHERE an.score IS NOT NULL AND {scored(scope)} {NO_TESTS}
            GROUP BY 1, 2
        """  # noqa: S608
    return f"""
        SELECT {said_of(by)} AS v, an.score, count(*) AS n
        FROM told_answers an {with_said(by)} WHERE {scored(scope)} GROUP BY 1, 2
    """  # noqa: S608


async def responses(
    connection: AsyncConnection, scope: Scope, by: Grouping | None, *, window: timedelta
) -> dict[str | None, tuple[int, int]]:
    """Count by group who was invited in the period, and who of them answered that survey in time.

    A person invited twice to one survey is asked once: reminders are no further invitations.
    """
    statement = f"""
        SELECT told.value, CAST(sum(raw.invited) AS bigint) AS invited,
               CAST(sum(raw.answered) AS bigint) AS answered
        FROM (
            SELECT {said_of(by)} AS v, count(*) AS invited,
                   count(*) FILTER (
                       WHERE an.answered_at < an.invited_at + CAST(:window AS interval)
                   ) AS answered
            FROM told_invitations an {with_said(by)}
            WHERE an.invited_at >= :start AND an.invited_at < :end {named(scope)}
              AND (an.previous_at IS NULL OR an.previous_at < :start)
            GROUP BY 1
        ) AS raw {ITEMS}
        GROUP BY 1
    """  # noqa: S608
    asked = {**parameters(scope), "window": window}
    asked.update({"group_name": by.name} if by else {})
    rows = await connection.execute(text(statement), asked)
    return {row.value: (row.invited, row.answered) for row in rows}
