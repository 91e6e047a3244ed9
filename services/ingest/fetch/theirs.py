"""Which fetches concern a person: those whose messages named her, and those for her responses.

In: a person. Out: her rows, to delete or to show. A row that is done with and names
nobody holds nothing of hers: it stays, so that a sender's repeat is not fetched again. Every call
raises `DependencyAway` when the database is away.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep.people import Whom, named_in, people, thin_marks
from shared import identifiers
from shared.database import away_as_dependency
from shared.identifiers import Rules

_ROWS: Final = text("""
    SELECT source, survey, response_id, CAST(variables AS text) AS variables, occurred_at,
           received_at, due_at IS NOT NULL AS waits
    FROM fetches
    WHERE (variables <> '{}' OR due_at IS NOT NULL)
      AND (source, survey, response_id) > (:source, :survey, :response_id)
    ORDER BY source, survey, response_id LIMIT :most
""")
_ERASE: Final = text("""
    DELETE FROM fetches
    USING unnest(CAST(:sources AS text[]), CAST(:surveys AS text[]), CAST(:ids AS text[]))
         AS hers (source, survey, response_id)
    WHERE fetches.source = hers.source AND fetches.survey = hers.survey
      AND fetches.response_id = hers.response_id
""")
_PAGE: Final = 1000
#: Rows looked at in one go: normalising what they hold takes some 0.1 ms each, and requests are
#: served by the same loop.
_BREATH: Final = 20

Place = tuple[str, str, str]
START: Final[Place] = ("", "", "")


@dataclass(frozen=True, slots=True)
class Fetch:
    """One response that was told of: by what `variables`, and whether it still waits."""

    source: str
    survey: str
    response_id: str
    variables: Mapping[str, str]
    occurred_at: datetime
    received_at: datetime
    waits: bool

    @property
    def place(self) -> Place:
        """Where it stands among all."""
        return (self.source, self.survey, self.response_id)


class TheirFetches:
    """The rows of `fetches` by people.

    `route_key` is the key of the HMACs; `rules` normalise what rows hold.
    """

    def __init__(self, engine: AsyncEngine, *, route_key: bytes, rules: Rules) -> None:
        self._engine = engine
        self._route_key = route_key
        self._rules = rules

    async def of(self, whom: Whom, after: Place = START) -> AsyncIterator[Fetch]:
        """Find a person's rows behind a place, in the order of their places."""
        rows, looked_at = await self._page(after), 0
        while rows:
            for row in rows:
                if whom.owns(self._marks(row), min(row.occurred_at, row.received_at)):
                    yield row
                looked_at += 1
                if looked_at % _BREATH == 0:
                    await asyncio.sleep(0)
            rows = await self._page(rows[-1].place) if len(rows) == _PAGE else []

    async def erase(self, whom: Whom) -> int:
        """Delete a person's rows; returns how many."""
        places = [row.place async for row in self.of(whom)]
        if not places:
            return 0
        sources, surveys, ids = zip(*sorted(places), strict=True)
        asked = {"sources": list(sources), "surveys": list(surveys), "ids": list(ids)}
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(_ERASE, asked)).rowcount

    def _marks(self, row: Fetch) -> tuple[str, ...]:
        texts = row.variables.values()
        if not row.waits:
            return people(self._route_key, named_in(texts, self._rules))
        return thin_marks(self._route_key, self._rules, identifiers.response(*row.place), texts)

    async def _page(self, after: Place) -> list[Fetch]:
        source, survey, response_id = after
        asked = {"source": source, "survey": survey, "response_id": response_id, "most": _PAGE}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return [
                    Fetch(
                        source=row.source,
                        survey=row.survey,
                        response_id=row.response_id,
                        variables=orjson.loads(row.variables),
                        occurred_at=row.occurred_at,
                        received_at=row.received_at,
                        waits=row.waits,
                    )
                    for row in await connection.execute(_ROWS, asked)
                ]
