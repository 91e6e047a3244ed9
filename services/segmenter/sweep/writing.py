"""Writing what was read of some customers in the place of what was read before."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures.history import SCOPES, ToldAnswer, ToldCase, ToldInvitation
from services.segmenter.quality.quality import FLAGS
from services.segmenter.sweep.portrait import Portrait

_TABLES: Final = ("people", "people_said", "told_answers", "told_cases", "told_invitations")
_FORGET: Final = [
    text(f"DELETE FROM {table} WHERE customer_id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608
    for table in _TABLES
]


def _insert(table: str, columns: dict[str, str]) -> str:
    """Write the statement that adds rows; of each column its type, the parameters as arrays.

    JSON comes as text.
    """
    names = ", ".join(columns)
    told = ", ".join(f"CAST({name} AS {kind})" for name, kind in columns.items())
    arrays = ", ".join(
        f"CAST(:{name} AS {'text' if kind == 'jsonb' else kind}[])"
        for name, kind in columns.items()
    )
    return (
        f"INSERT INTO {table} ({names}) "  # noqa: S608 - names of ours
        f"SELECT {told} FROM unnest({arrays}) AS new ({names})"
    )


_PEOPLE: Final = text(
    _insert(
        "people",
        {
            "customer_id": "uuid",
            "known": "boolean",
            "test": "boolean",
            "left_at": "timestamptz",
            "oldest_yes": "timestamptz",
            **dict.fromkeys(FLAGS, "boolean"),
        },
    )
)
_SAID: Final = text("""
    INSERT INTO people_said (customer_id, said)
    SELECT c, CAST(s AS jsonb) FROM unnest(CAST(:ids AS uuid[]), CAST(:said AS text[])) AS n (c, s)
""")
_ANSWERS: Final = text(
    _insert(
        "told_answers",
        {
            "customer_id": "uuid",
            "answered_at": "timestamptz",
            "left_at": "timestamptz",
            **{f"next_{scope}": "timestamptz" for scope in SCOPES},
            "cared_at": "timestamptz",
            "resolved_at": "timestamptz",
            "after_at": "timestamptz",
            "after_score": "smallint",
            "score": "smallint",
            **{f"before_{scope}": "smallint" for scope in SCOPES},
            "known": "boolean",
            "source": "text",
            "survey": "text",
            "said": "jsonb",
            "theme": "text",
            "commented": "boolean",
        },
    )
)
_CASES: Final = text(
    _insert(
        "told_cases",
        {
            "customer_id": "uuid",
            "opened_at": "timestamptz",
            "resolved_at": "timestamptz",
            "source": "text",
            "survey": "text",
        },
    )
)
_INVITATIONS: Final = text(
    _insert(
        "told_invitations",
        {
            "customer_id": "uuid",
            "invited_at": "timestamptz",
            "previous_at": "timestamptz",
            "answered_at": "timestamptz",
            "survey": "text",
            "said": "jsonb",
        },
    )
)


async def forget(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Take away what was read of these customers."""
    asked = {"ids": sorted(ids)}
    for statement in _FORGET:
        await connection.execute(statement, asked)


async def people(connection: AsyncConnection, found: Sequence[Portrait]) -> None:
    """Write how customers were read."""
    if not found:
        return
    flags: dict[str, list[bool]] = {flag: [flag in one.wrong for one in found] for flag in FLAGS}
    await connection.execute(
        _PEOPLE,
        {
            "customer_id": [one.customer_id for one in found],
            "known": [one.known for one in found],
            "test": [one.test for one in found],
            "left_at": [one.left_at for one in found],
            "oldest_yes": [one.oldest_yes for one in found],
            **flags,
        },
    )
    said = [one for one in found if one.said and not one.test]
    texts = [orjson.dumps(one.said).decode() for one in said]
    await connection.execute(_SAID, {"ids": [one.customer_id for one in said], "said": texts})


async def answers(connection: AsyncConnection, told: Sequence[tuple[Portrait, ToldAnswer]]) -> None:
    """Write answers with a score."""
    if not told:
        return
    await connection.execute(
        _ANSWERS,
        {
            "customer_id": [who.customer_id for who, _ in told],
            "answered_at": [one.given.answered_at for _, one in told],
            "left_at": [who.left_at for who, _ in told],
            **{f"next_{scope}": [one.next.get(scope) for _, one in told] for scope in SCOPES},
            "cared_at": [one.cared_at for _, one in told],
            "resolved_at": [one.resolved_at for _, one in told],
            "after_at": [one.after.answered_at if one.after else None for _, one in told],
            "after_score": [one.after.score if one.after else None for _, one in told],
            "score": [one.given.score for _, one in told],
            **{f"before_{scope}": [one.before.get(scope) for _, one in told] for scope in SCOPES},
            "known": [who.known for who, _ in told],
            "source": [one.given.source for _, one in told],
            "survey": [one.given.survey for _, one in told],
            "said": [_groups(who) for who, _ in told],
            "theme": [one.said.theme for _, one in told],
            "commented": [one.said.commented for _, one in told],
        },
    )


async def cases(connection: AsyncConnection, told: Sequence[tuple[Portrait, ToldCase]]) -> None:
    """Write cases."""
    if not told:
        return
    await connection.execute(
        _CASES,
        {
            "customer_id": [who.customer_id for who, _ in told],
            "opened_at": [one.opened_at for _, one in told],
            "resolved_at": [one.resolved_at for _, one in told],
            "source": [one.source for _, one in told],
            "survey": [one.survey for _, one in told],
        },
    )


async def invitations(
    connection: AsyncConnection, told: Sequence[tuple[Portrait, ToldInvitation]]
) -> None:
    """Write invitations."""
    if not told:
        return
    await connection.execute(
        _INVITATIONS,
        {
            "customer_id": [who.customer_id for who, _ in told],
            "invited_at": [one.invited_at for _, one in told],
            "previous_at": [one.previous_at for _, one in told],
            "answered_at": [one.answered_at for _, one in told],
            "survey": [one.survey for _, one in told],
            "said": [_groups(who) for who, _ in told],
        },
    )


def _groups(who: Portrait) -> str | None:
    return orjson.dumps(who.groups).decode() if who.groups else None
