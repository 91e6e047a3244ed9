"""What holds for a platform's account, shared by all replicas: calls made, pauses, readings, turns.

In: a source and the time. Out: how many calls may be made, until when nobody is called, what was
read until when, whose turn it is. Every call raises `DependencyAway` when the database is away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.fetch.plan import Left, left
from services.ingest.fetch.settings import Fetch
from services.ingest.keep.pruning import prune
from shared.database import away_as_dependency

_OPEN_SPANS: Final = text("""
    INSERT INTO fetch_calls (source, span, starts, calls)
    VALUES (:source, 'day', :day, 0), (:source, 'minute', :minute, 0)
    ON CONFLICT (source, span, starts) DO NOTHING
""")
_SPANS: Final = """
    SELECT span, calls FROM fetch_calls
    WHERE source = :source AND (span, starts) IN (('day', :day), ('minute', :minute))
    ORDER BY span
"""
_READ_SPANS: Final = text(_SPANS)
_LOCK_SPANS: Final = text(_SPANS + " FOR UPDATE")
_SPEND: Final = text("""
    UPDATE fetch_calls SET calls = calls + :calls
    WHERE source = :source AND (span, starts) IN (('day', :day), ('minute', :minute))
""")
_PAUSED: Final = text("SELECT paused_until, failures FROM fetch_sources WHERE source = :source")
_PAUSE: Final = text("""
    INSERT INTO fetch_sources (source, paused_until, failures, reason)
    VALUES (:source, :until, 1, :reason)
    ON CONFLICT (source) DO UPDATE
    SET paused_until = greatest(fetch_sources.paused_until, excluded.paused_until),
        failures = fetch_sources.failures + 1, reason = excluded.reason
""")
_WENT_WELL: Final = text("""
    UPDATE fetch_sources SET paused_until = NULL, failures = 0, reason = ''
    WHERE source = :source AND failures > 0
""")
_BEGIN_READING: Final = text("""
    INSERT INTO fetch_surveys (source, survey, read_at) VALUES (:source, :survey, :now)
    ON CONFLICT (source, survey) DO UPDATE SET read_at = excluded.read_at
    WHERE fetch_surveys.read_at IS NULL
       OR fetch_surveys.read_at <= :now - make_interval(secs => :every)
""")
_SURVEYS: Final = text("""
    SELECT survey FROM fetches WHERE source = :source
    UNION SELECT survey FROM fetch_surveys WHERE source = :source
    ORDER BY survey LIMIT 1000
""")
_READ_TO: Final = text("""
    SELECT read_to FROM fetch_surveys WHERE source = :source AND survey = :survey
""")
_HAVE_READ_TO: Final = text("""
    INSERT INTO fetch_surveys (source, survey, read_to) VALUES (:source, :survey, :read_to)
    ON CONFLICT (source, survey) DO UPDATE
    SET read_to = greatest(fetch_surveys.read_to, excluded.read_to)
""")
_TAKE_TURN: Final = text("""
    INSERT INTO fetch_sources (source, reconciling_until)
    VALUES (:source, now() + make_interval(secs => :seconds))
    ON CONFLICT (source) DO UPDATE SET reconciling_until = excluded.reconciling_until
    WHERE (fetch_sources.reconcile_at IS NULL OR fetch_sources.reconcile_at <= :now)
      AND (fetch_sources.reconciling_until IS NULL OR fetch_sources.reconciling_until < now())
""")
_END_TURN: Final = text("""
    UPDATE fetch_sources SET reconcile_at = :next_at, reconciling_until = NULL
    WHERE source = :source
""")
_KNOWN: Final = text("SELECT event_id FROM fetch_told WHERE event_id = ANY(:event_ids)")
_REMEMBER: Final = text("""
    INSERT INTO fetch_told (event_id, told_at)
    SELECT told.event_id, :now FROM unnest(CAST(:event_ids AS uuid[])) AS told (event_id)
    ORDER BY told.event_id
    ON CONFLICT (event_id) DO UPDATE SET told_at = excluded.told_at
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """Until when a source calls nobody (None: it may), after how many failures in a row."""

    paused_until: datetime | None
    failures: int


class Accounts:
    """The tables `fetch_sources`, `fetch_calls`, `fetch_surveys` and `fetch_told`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def left(self, source: str, settings: Fetch, now: datetime, *, most: int) -> Left:
        """Tell how many calls may be made, `most` at most."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_READ_SPANS, _spans(source, now))
                return _left({row.span: row.calls for row in rows}, settings, now, most)

    async def spend(self, source: str, settings: Fetch, now: datetime, calls: int) -> int:
        """Take so many calls, or as many as are left; returns how many may be made."""
        asked = _spans(source, now)
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_OPEN_SPANS, asked)
                rows = await connection.execute(_LOCK_SPANS, asked)
                granted = _left({r.span: r.calls for r in rows}, settings, now, calls).now
                if granted:
                    await connection.execute(_SPEND, {**asked, "calls": granted})
        return granted

    async def standing(self, source: str) -> Standing:
        """Tell whether the source pauses, and after how many failures in a row."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_PAUSED, {"source": source})).one_or_none()
                return Standing(*row) if row else Standing(None, 0)

    async def pause(self, source: str, until: datetime, reason: str) -> None:
        """Let the source call nobody until then."""
        await self._change(_PAUSE, {"source": source, "until": until, "reason": reason})

    async def went_well(self, source: str) -> None:
        """Note that the platform answered; failures count from the start again."""
        await self._change(_WENT_WELL, {"source": source})

    async def begin_reading(self, source: str, survey: str, now: datetime, every_s: float) -> bool:
        """Tell whether a survey may be read together now, and note that it is."""
        asked = {"source": source, "survey": survey, "now": now, "every": every_s}
        return await self._change(_BEGIN_READING, asked) > 0

    async def surveys(self, source: str) -> list[str]:
        """Name the surveys that this source ever told of, as far as is remembered."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return list(await connection.scalars(_SURVEYS, {"source": source}))

    async def read_to(self, source: str, survey: str) -> datetime | None:
        """Tell until when everything of a survey has been found."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                asked = {"source": source, "survey": survey}
                found: datetime | None = await connection.scalar(_READ_TO, asked)
                return found

    async def have_read_to(self, source: str, survey: str, moment: datetime) -> None:
        """Note that everything changed before has been found."""
        asked = {"source": source, "survey": survey, "read_to": moment}
        await self._change(_HAVE_READ_TO, asked)

    async def take_turn(self, source: str, now: datetime, lease_s: float) -> bool:
        """Tell whether it is time to reconcile, and ours to do; a lease lapses by itself."""
        asked = {"source": source, "now": now, "seconds": lease_s}
        return await self._change(_TAKE_TURN, asked) > 0

    async def end_turn(self, source: str, next_at: datetime) -> None:
        """Note when to reconcile next."""
        await self._change(_END_TURN, {"source": source, "next_at": next_at})

    async def known(self, event_ids: Sequence[UUID]) -> set[UUID]:
        """Tell which of these events were published from a fetched document already."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return set(await connection.scalars(_KNOWN, {"event_ids": list(event_ids)}))

    async def remember(self, event_ids: Sequence[UUID], now: datetime) -> None:
        """Note that these were published."""
        await self._change(_REMEMBER, {"event_ids": sorted(set(event_ids)), "now": now})

    async def forget(self, before: datetime) -> int:
        """Delete calls and told events of before; returns how many rows."""
        calls = await prune(self._engine, "fetch_calls", "starts", before)
        return calls + await prune(self._engine, "fetch_told", "told_at", before)

    async def _change(self, statement: TextClause, asked: Mapping[str, object]) -> int:
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(statement, dict(asked))).rowcount


def _spans(source: str, now: datetime) -> dict[str, object]:
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    return {"source": source, "minute": moment, "day": moment.replace(hour=0, minute=0)}


def _left(calls: Mapping[str, int], settings: Fetch, now: datetime, most: int) -> Left:
    return left(
        settings,
        used_minute=calls.get("minute", 0),
        used_day=calls.get("day", 0),
        now=now,
        most=most,
    )
