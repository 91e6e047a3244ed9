"""Responses that must be fetched, as durable rows: one per response, however often it was told of.

In: thin messages. Out: what is due, claimed under a lease so that several replicas share the work.
Promise: a row is closed only for the message it was claimed with; one that a newer message armed
again stays open. Every call raises `DependencyAway` when the database is away.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.fetch.plan import Waiting
from services.ingest.keep.pruning import prune
from services.ingest.told import Thin
from shared.database import away_as_dependency

#: A message is newer by the platform's time, or by what else it says at the same time. An open row
#: keeps its place and its back-off: a platform that is away is not asked more often for news.
_PUT: Final = """
    INSERT INTO fetches (source, survey, response_id, variables, occurred_at, received_at, due_at)
    SELECT :source, thin.survey, thin.response_id, CAST(thin.variables AS jsonb),
           thin.occurred_at, :now, :now
    FROM unnest(CAST(:surveys AS text[]), CAST(:ids AS text[]), CAST(:variables AS text[]),
                CAST(:occurred_at AS timestamptz[]))
         AS thin (survey, response_id, variables, occurred_at)
    ORDER BY thin.survey, thin.response_id
    ON CONFLICT (source, survey, response_id) DO UPDATE
    SET variables = excluded.variables,
        occurred_at = excluded.occurred_at,
        received_at = excluded.received_at,
        arm = fetches.arm + 1,
        attempts = CASE WHEN fetches.due_at IS NULL THEN 0 ELSE fetches.attempts END,
        alone = fetches.alone AND fetches.due_at IS NOT NULL,
        due_at = coalesce(fetches.due_at, excluded.due_at),
        reason = '',
        closed_at = NULL
"""
_PUT_NEWER: Final = text(
    _PUT
    + """
    WHERE excluded.occurred_at > fetches.occurred_at
       OR excluded.occurred_at = fetches.occurred_at AND excluded.variables <> fetches.variables
"""
)
_PUT_AGAIN: Final = text(_PUT)
_FREE: Final = """
    source = :source AND due_at <= :now AND (leased_until IS NULL OR leased_until < now())
"""
#: The oldest few thousand say enough to choose by; counting all of a long queue would not be cheap.
_WAITING: Final = text(f"""
    SELECT due.survey, count(*), count(*) FILTER (WHERE due.alone), min(due.occurred_at),
           max(read.read_at)
    FROM (SELECT survey, alone, occurred_at FROM fetches WHERE {_FREE}
          ORDER BY due_at LIMIT 5000) AS due
    LEFT JOIN fetch_surveys AS read ON read.source = :source AND read.survey = due.survey
    GROUP BY due.survey
""")  # noqa: S608 - a constant
_CLAIM: Final = text(f"""
    UPDATE fetches SET lease = :lease, leased_until = now() + make_interval(secs => :seconds)
    WHERE (source, survey, response_id) IN (
        SELECT source, survey, response_id FROM fetches
        WHERE {_FREE} AND (alone OR NOT CAST(:only_alone AS boolean))
          AND (CAST(:survey AS text) IS NULL OR survey = :survey)
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING survey, response_id, arm, attempts, received_at, occurred_at,
              CAST(variables AS text)
""")  # noqa: S608 - a constant
_ARMS: Final = text("""
    SELECT response_id, arm FROM fetches
    WHERE source = :source AND survey = :survey AND due_at IS NOT NULL LIMIT 10000
""")
#: Rows are locked in the order in which `put` writes them, so nobody waits in a circle.
_DONE: Final = """
    WITH done AS (
        SELECT kept.survey, kept.response_id, told.arm, told.due_at, told.reason
        FROM unnest(CAST(:surveys AS text[]), CAST(:ids AS text[]), CAST(:arms AS integer[]),
                    CAST(:due AS timestamptz[]), CAST(:reasons AS text[]))
             AS told (survey, response_id, arm, due_at, reason)
        JOIN fetches AS kept ON kept.source = :source AND kept.survey = told.survey
                           AND kept.response_id = told.response_id
        ORDER BY kept.survey, kept.response_id FOR UPDATE OF kept
    )
"""
_THESE: Final = """
    FROM done
    WHERE fetches.source = :source AND fetches.survey = done.survey
      AND fetches.response_id = done.response_id AND fetches.due_at IS NOT NULL
"""
_CLOSE: Final = text(f"""
    {_DONE}
    UPDATE fetches SET due_at = NULL, closed_at = :now, attempts = 0, reason = done.reason
    {_THESE} AND fetches.arm = done.arm
""")  # noqa: S608 - a constant
_POSTPONE: Final = text(f"""
    {_DONE}
    UPDATE fetches SET due_at = done.due_at, attempts = attempts + 1, reason = done.reason,
                       alone = alone OR CAST(:alone AS boolean)
    {_THESE} AND fetches.lease = :lease
""")  # noqa: S608 - a constant
_RELEASE: Final = text("UPDATE fetches SET lease = NULL, leased_until = NULL WHERE lease = :lease")
_SIZE: Final = text("""
    SELECT count(*), min(received_at) FROM fetches WHERE source = :source AND due_at IS NOT NULL
""")
_STRAYS: Final = text("""
    SELECT source, count(*) FROM fetches
    WHERE due_at IS NOT NULL AND source <> ALL(CAST(:sources AS text[]))
    GROUP BY source ORDER BY source
""")
#: Only for the message it was claimed with; what came since is looked at anew.
_DROP: Final = text("""
    DELETE FROM fetches
    USING unnest(CAST(:surveys AS text[]), CAST(:ids AS text[]), CAST(:arms AS integer[]))
         AS erased (survey, response_id, arm)
    WHERE fetches.source = :source AND fetches.survey = erased.survey
      AND fetches.response_id = erased.response_id AND fetches.arm = erased.arm
""")


#: The reason of a row whose person is erased.
ERASED: Final = "erased"


@dataclass(frozen=True, slots=True)
class Claimed:
    """One response to fetch; `arm` names the message that it was claimed with."""

    thin: Thin
    arm: int
    attempts: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one response: closed, or due again at `due_at`, with a reason of ours."""

    survey: str
    response_id: str
    arm: int
    reason: str
    due_at: datetime | None = None


class Fetches:
    """The table `fetches`. `arrived` tells a source's loop when this process put something."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.arrived: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def put(
        self, source: str, thins: Sequence[Thin], now: datetime, *, again: bool = False
    ) -> None:
        """Return when they are durable. `again` fetches also what was fetched already."""
        newest: dict[tuple[str, str], Thin] = {}
        for thin in sorted(thins, key=lambda each: each.occurred_at):
            newest[thin.survey, thin.response_id] = thin
        asked = {
            "source": source,
            "now": now,
            "surveys": [thin.survey for thin in newest.values()],
            "ids": [thin.response_id for thin in newest.values()],
            "variables": [orjson.dumps(dict(t.variables)).decode() for t in newest.values()],
            "occurred_at": [thin.occurred_at for thin in newest.values()],
        }
        await self._change(_PUT_AGAIN if again else _PUT_NEWER, asked)
        self.arrived[source].set()

    async def waiting(self, source: str, now: datetime) -> list[Waiting]:
        """Tell what is due, by survey."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_WAITING, {"source": source, "now": now})
                return [Waiting(*row) for row in rows]

    async def claim(
        self,
        source: str,
        now: datetime,
        *,
        most: int,
        lease_s: float,
        only_alone: bool = False,
        survey: str | None = None,
    ) -> tuple[UUID, list[Claimed]]:
        """Take the longest due for ourselves; returns the lease and them."""
        lease = uuid4()
        asked = {
            "source": source,
            "now": now,
            "most": most,
            "lease": lease,
            "seconds": lease_s,
            "only_alone": only_alone,
            "survey": survey,
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                rows = await connection.execute(_CLAIM, asked)
                return lease, [
                    Claimed(
                        Thin(row[0], row[1], row[5], orjson.loads(row[6])), row[2], row[3], row[4]
                    )
                    for row in rows
                ]

    async def arms(self, source: str, survey: str) -> dict[str, int]:
        """Tell which responses of a survey wait, and for which message each."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_ARMS, {"source": source, "survey": survey})
                return {row.response_id: row.arm for row in rows}

    async def close(self, source: str, rows: Sequence[Row], now: datetime) -> None:
        """Note that these are done with, unless a newer message came meanwhile.

        Of those that are erased no row stays.
        """
        erased = [row for row in rows if row.reason == ERASED]
        if erased:
            known = _columns(source, erased)
            await self._change(_DROP, {n: known[n] for n in ("source", "surveys", "ids", "arms")})
        if left := [row for row in rows if row.reason != ERASED]:
            await self._change(_CLOSE, {**_columns(source, left), "now": now})

    async def postpone(
        self, source: str, lease: UUID, rows: Sequence[Row], *, alone: bool = False
    ) -> None:
        """Note when these are tried again; `alone`: not together with others."""
        if rows:
            asked = {**_columns(source, rows), "lease": lease, "alone": alone}
            await self._change(_POSTPONE, asked)

    async def release(self, lease: UUID) -> None:
        """Give up a lease."""
        await self._change(_RELEASE, {"lease": lease})

    async def size(self, source: str) -> tuple[int, datetime | None]:
        """Tell how many responses wait, and since when the oldest does."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_SIZE, {"source": source})).one()
                return row[0], row[1]

    async def strays(self, sources: Sequence[str]) -> dict[str, int]:
        """Count by source what waits for others than these: nobody would ever fetch it."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_STRAYS, {"sources": list(sources)})
                return {row[0]: row[1] for row in rows}

    async def prune(self, before: datetime) -> int:
        """Delete what was closed before; returns how many."""
        return await prune(self._engine, "fetches", "closed_at", before)

    async def _change(self, statement: TextClause, asked: Mapping[str, object]) -> int:
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(statement, dict(asked))).rowcount


def _columns(source: str, rows: Sequence[Row]) -> dict[str, object]:
    return {
        "source": source,
        "surveys": [row.survey for row in rows],
        "ids": [row.response_id for row in rows],
        "arms": [row.arm for row in rows],
        "due": [row.due_at for row in rows],
        "reasons": [row.reason for row in rows],
    }
