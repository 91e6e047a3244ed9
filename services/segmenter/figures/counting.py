"""Counting in the database: each figure is one statement that gives sums, never rows of people.

All functions read on the caller's connection, which sees one moment of the data.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, get_args

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.loop import Cases, Contacts, hours
from services.segmenter.figures.question import Grouping, Scope
from services.segmenter.figures.selecting import (
    ANSWERS,
    CHURNED,
    ITEMS,
    KNOWN,
    PERSON,
    PLACE,
    PROFILE,
    Tests,
    group_of,
    named,
    parameters,
    people_only,
    scored,
)
from shared.events.decisions import Lifecycle

#: More groups than anybody reads; the largest count.
MOST_GROUPS: Final = 200
#: Clocks of two tools differ: an answer that seems a little older than its invitation is to it.
_SKEW: Final = timedelta(minutes=10)
#: What reaches a customer because of what she said: no offer, no further survey.
_CARE: Final = ["service", "asked_for"]

Scores = dict[int, int]
#: Sorting and joining a million answers in memory takes half the time that it takes on disk; a few
#: questions at a time are asked.
_ROOM: Final = text("SET LOCAL work_mem = '64MB'")


async def make_room(connection: AsyncConnection) -> None:
    """Let the statements of this transaction sort and join in memory."""
    await connection.execute(_ROOM)


async def scores(
    connection: AsyncConnection,
    scope: Scope,
    tests: Tests,
    by: Grouping | None = None,
    *,
    keep: Sequence[str | None] = (),
) -> tuple[dict[str | None, Scores], int]:
    """Count answers by group and score, and how many groups there are in all.

    The groups with most answers come first; those named in `keep` come whatever their size.
    """
    profile = PROFILE if tests.condition or (by and by.kind == "attribute") else ""
    statement = f"""
        SELECT value, score, n, place, groups FROM (
            SELECT *, max(place) OVER () AS groups FROM (
                SELECT *, dense_rank() OVER (ORDER BY total DESC, value) AS place FROM (
                    SELECT told.value, raw.score, CAST(sum(raw.n) AS bigint) AS n,
                           sum(sum(raw.n)) OVER (PARTITION BY told.value) AS total
                    FROM (
                        SELECT {group_of(by)} AS v, an.score, count(*) AS n
                        FROM {ANSWERS} {profile}
                        WHERE {scored(scope)} {people_only(tests)}
                        GROUP BY 1, 2
                    ) AS raw {ITEMS}
                    GROUP BY told.value, raw.score
                ) AS counted
            ) AS placed
        ) AS ranked
        WHERE place <= :most OR value = ANY(CAST(:keep AS text[]))
        ORDER BY place, score
    """  # noqa: S608 - names of columns, nothing from outside
    asked = {
        **parameters(scope, tests),
        "most": MOST_GROUPS,
        "keep": [value for value in keep if value is not None],
        **({"group_name": by.name} if by else {}),
    }
    found: dict[str | None, Scores] = {}
    groups = 0
    for row in await connection.execute(text(statement), asked):
        found.setdefault(row.value, {})[row.score] = row.n
        groups = row.groups
    return found, groups


async def responses(
    connection: AsyncConnection,
    scope: Scope,
    tests: Tests,
    by: Grouping | None,
    *,
    window: timedelta,
) -> dict[str | None, tuple[int, int]]:
    """Count by group who was invited in the period, and who of them answered that survey in time.

    A person invited twice to one survey is asked once: reminders are no further invitations.
    """
    survey = " AND f.body->>'survey' = :survey" if scope.survey is not None else ""
    profile = " LEFT JOIN profiles p ON p.customer_id = asked.person"
    statement = f"""
        WITH asked AS (
            SELECT coalesce(al.survivor_id, f.customer_id) AS person, f.body->>'survey' AS survey,
                   min(f.occurred_at) AS at
            FROM facts f LEFT JOIN aliases al ON al.customer_id = f.customer_id
            WHERE f.kind = 'survey.invitation.sent'
              AND f.occurred_at >= :start AND f.occurred_at < :end {survey}
            GROUP BY 1, 2
        ), back AS (
            SELECT DISTINCT asked.person, asked.survey FROM asked JOIN ({ANSWERS})
                ON {PERSON} = asked.person AND an.survey = asked.survey
            WHERE an.answered_at >= asked.at - CAST(:skew AS interval)
              AND an.answered_at < asked.at + CAST(:window AS interval)
              AND an.answered_at >= CAST(:start AS timestamptz) - CAST(:skew AS interval)
              AND an.answered_at < CAST(:end AS timestamptz) + CAST(:window AS interval)
        )
        SELECT told.value, CAST(sum(raw.invited) AS bigint) AS invited,
               CAST(sum(raw.answered) AS bigint) AS answered
        FROM (
            SELECT {group_of(by)} AS v, count(*) AS invited, count(back.person) AS answered
            FROM asked LEFT JOIN back ON back.person = asked.person AND back.survey = asked.survey
            {profile}
            WHERE true {people_only(tests)}
            GROUP BY 1
        ) AS raw {ITEMS}
        GROUP BY 1
    """  # noqa: S608
    asked = {**parameters(scope, tests), "skew": _SKEW, "window": window}
    asked.update({"group_name": by.name} if by else {})
    rows = await connection.execute(text(statement), asked)
    return {row.value: (row.invited, row.answered) for row in rows}


async def moves(
    connection: AsyncConnection, scope: Scope, tests: Tests
) -> list[tuple[int | None, int, int]]:
    """Count the answers of known people by the score before (None: first) and their own."""
    statement = f"""
        WITH people AS (
            SELECT DISTINCT {PERSON} AS person FROM {ANSWERS} {PROFILE}
            WHERE {scored(scope)} AND {KNOWN} {people_only(tests)}
        ), ordered AS (
            SELECT an.score, an.answered_at,
                   lag(an.score) OVER (PARTITION BY {PERSON} ORDER BY {PLACE}) AS before
            FROM {ANSWERS} JOIN people ON people.person = {PERSON}
            WHERE an.score IS NOT NULL AND an.answered_at < :end {named(scope)}
        )
        SELECT before, score, count(*) AS n FROM ordered WHERE answered_at >= :start
        GROUP BY before, score
    """  # noqa: S608
    rows = await connection.execute(text(statement), parameters(scope, tests))
    return [(row.before, row.score, row.n) for row in rows]


async def churn(
    connection: AsyncConnection, scope: Scope, tests: Tests, *, gone_since: date
) -> list[tuple[int, int, int]]:
    """Count known people by the score of their last answer in the period, and the churned ones.

    Where nothing is declared, those are churned whose last order is older than `gone_since`.
    """
    statement = f"""
        SELECT score, count(*) AS people, count(*) FILTER (WHERE churned) AS churned FROM (
            SELECT DISTINCT ON (person) score, churned FROM (
                SELECT {PERSON} AS person, an.score, {PLACE.replace("an.answered_at,", "")} AS name,
                       an.answered_at,
                       {CHURNED} AS churned
                FROM {ANSWERS} {PROFILE}
                WHERE {scored(scope)} AND {KNOWN} {people_only(tests)}
            ) AS told ORDER BY person, answered_at DESC, name DESC
        ) AS last GROUP BY score
    """  # noqa: S608
    asked = {
        **parameters(scope, tests),
        "lifecycles": list(get_args(Lifecycle)),
        "gone_since": gone_since.isoformat(),
    }
    rows = await connection.execute(text(statement), asked)
    return [(row.score, row.people, row.churned) for row in rows]


async def contacts(
    connection: AsyncConnection,
    scope: Scope,
    tests: Tests,
    detractors: Sequence[int],
    *,
    window: timedelta,
) -> Contacts:
    """Tell how many detractor answers of known people were followed by a contact, and how soon."""
    statement = f"""
        WITH told AS (
            SELECT {PERSON} AS person, an.answered_at FROM {ANSWERS} {PROFILE}
            WHERE {scored(scope)} AND an.score = ANY(CAST(:detractors AS smallint[]))
              AND {KNOWN} {people_only(tests)}
        )
        SELECT count(*) AS detractors, count(care.at) AS contacted,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY care.seconds) AS median,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY care.seconds) AS p90
        FROM told LEFT JOIN LATERAL (
            SELECT min(f.occurred_at) AS at,
                   extract(epoch FROM min(f.occurred_at) - told.answered_at) AS seconds
            FROM (
                SELECT told.person AS customer_id
                UNION ALL SELECT a.customer_id FROM aliases a WHERE a.survivor_id = told.person
            ) AS ids
            JOIN facts f ON f.customer_id = ids.customer_id
            WHERE f.occurred_at >= told.answered_at
              AND f.occurred_at < told.answered_at + CAST(:window AS interval)
              AND (f.kind = 'delivery.settled' AND f.body->>'state' = 'accepted'
                   OR f.kind = 'message.sent')
              AND f.body->>'contact_class' = ANY(CAST(:care AS text[]))
        ) AS care ON true
    """  # noqa: S608
    asked = {
        **parameters(scope, tests),
        "detractors": list(detractors),
        "window": window,
        "care": _CARE,
    }
    row = (await connection.execute(text(statement), asked)).one()
    return Contacts(row.detractors, row.contacted, hours(row.median), hours(row.p90))


#: Every case since the start of the period as its last step left it. One of ours that a helpdesk's
#: case took over (both name one answer) does not count beside it; the steps of a ticket that was
#: made for one of ours are its own.
_CASES: Final = """
    made AS (
        SELECT DISTINCT ON (theirs)
               (f.body->>'target') || '/' || (f.body->>'reference') AS theirs,
               f.body->>'case_id' AS ours
        FROM facts f
        WHERE f.kind = 'delivery.settled' AND f.occurred_at >= :start
          AND f.body->>'channel' = 'ticket' AND f.body->>'reference' IS NOT NULL
          AND f.body->>'case_id' IS NOT NULL
        ORDER BY theirs, f.occurred_at, ours
    ), steps AS (
        SELECT coalesce(made.ours, f.body->>'case_id') AS case_id, f.kind, f.occurred_at,
               f.event_id,
               coalesce(al.survivor_id, f.customer_id) AS person,
               f.body#>>'{response,source}' AS source, f.body#>>'{response,survey}' AS survey,
               f.body#>>'{response,response_id}' AS response_id
        FROM facts f LEFT JOIN aliases al ON al.customer_id = f.customer_id
        LEFT JOIN made ON made.theirs = f.body->>'case_id'
        WHERE f.kind IN ('case.opened', 'case.resolved', 'case.reopened')
          AND f.occurred_at >= :start
    ), each AS (
        SELECT case_id, (array_agg(person))[1] AS person,
               min(occurred_at) FILTER (WHERE kind = 'case.opened') AS opened_at,
               max(occurred_at) AS last_at,
               (array_agg(kind ORDER BY occurred_at DESC, CASE kind WHEN 'case.reopened' THEN 2
                    WHEN 'case.resolved' THEN 1 ELSE 0 END DESC, event_id DESC))[1] AS last,
               max(source) AS source, max(survey) AS survey, max(response_id) AS response_id
        FROM steps GROUP BY case_id
    ), counting AS (
        SELECT * FROM each WHERE NOT (case_id LIKE 'nps/%' AND EXISTS (
            SELECT FROM each other WHERE other.case_id NOT LIKE 'nps/%'
              AND other.source = each.source AND other.survey = each.survey
              AND other.response_id = each.response_id))
    )
"""


async def cases(connection: AsyncConnection, scope: Scope, tests: Tests) -> Cases:
    """Tell how many cases were opened in the period, are resolved now, and how long that took.

    With a survey or a source, only the cases that name such an answer.
    """
    about = named(scope).replace("an.", "counting.")
    statement = f"""
        WITH {_CASES}
        SELECT count(*) AS opened, count(*) FILTER (WHERE last = 'case.resolved') AS resolved,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM last_at - opened_at))
                   FILTER (WHERE last = 'case.resolved') AS median
        FROM counting LEFT JOIN profiles p ON p.customer_id = counting.person
        WHERE opened_at < :end {about} {people_only(tests)}
    """  # noqa: S608
    row = (await connection.execute(text(statement), parameters(scope, tests))).one()
    return Cases(row.opened, row.resolved, hours(row.median))


async def recovery(
    connection: AsyncConnection,
    scope: Scope,
    tests: Tests,
    detractors: Sequence[int],
    *,
    window: timedelta,
    now: datetime,
) -> list[tuple[int | None, bool, int]]:
    """Count detractor answers with a resolved case by the first score after it (None: silent yet).

    The second value tells whether there is time left to answer.
    """
    statement = f"""
        WITH {_CASES}, paired AS (
            SELECT DISTINCT ON (an.source, an.survey, an.response_id)
                   {PERSON} AS person, counting.last_at AS resolved_at
            FROM {ANSWERS} {PROFILE}
            JOIN counting ON counting.source = an.source AND counting.survey = an.survey
                         AND counting.response_id = an.response_id
            WHERE {scored(scope)} AND an.score = ANY(CAST(:detractors AS smallint[]))
              AND counting.last = 'case.resolved' {people_only(tests)}
            ORDER BY an.source, an.survey, an.response_id, counting.last_at
        )
        SELECT after.score, resolved_at + CAST(:window AS interval) > :now AS pending,
               count(*) AS n
        FROM paired LEFT JOIN LATERAL (
            SELECT given.score FROM (
                SELECT paired.person AS customer_id
                UNION ALL SELECT a.customer_id FROM aliases a WHERE a.survivor_id = paired.person
            ) AS ids
            JOIN answers given ON given.customer_id = ids.customer_id
            WHERE given.score IS NOT NULL AND given.answered_at > paired.resolved_at
              AND given.answered_at <= paired.resolved_at + CAST(:window AS interval)
            ORDER BY given.answered_at LIMIT 1
        ) AS after ON true
        GROUP BY 1, 2
    """  # noqa: S608
    asked = {
        **parameters(scope, tests),
        "detractors": list(detractors),
        "window": window,
        "now": now,
    }
    rows = await connection.execute(text(statement), asked)
    return [(row.score, row.pending, row.n) for row in rows]
