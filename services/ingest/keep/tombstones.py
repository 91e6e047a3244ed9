"""Who was forgotten, as HMACs that nobody can read: so that nothing brings her back.

In: an erasure. Out: whether something told or kept again is erased. Promise: whoever writes rows
about people in a transaction that began with `read` writes them before an erasure looks for them,
or knows of it. Every call raises `DependencyAway` when the database is away.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.keep.people import Stones, hashes, is_erased, people, thin_marks
from services.ingest.told import Thin, Told
from shared import identifiers
from shared.database import away_as_dependency
from shared.events.envelope import Event
from shared.events.feedback import ResponseReceived
from shared.identifiers import Rules

#: Which way something erased came back, and was stopped. What of it a web-hook brings is stopped by
#: the segmenter, and its body here, before it is written.
Way = Literal["replay", "remap", "import", "fetch", "spool", "quarantine"]

#: Normalising what a message told beside its ids takes some 0.1 ms; requests are served by the same
#: loop.
_BREATH: Final = 20
_LOCK: Final = "(hashtext('nps ingest tombstones'))"
#: A statement of its own: one that both waited and read would read as of before it waited.
_SHARED: Final = text(f"SELECT pg_advisory_xact_lock_shared{_LOCK}")
_ALONE: Final = text(f"SELECT pg_advisory_xact_lock{_LOCK}")
_READ: Final = text("""
    SELECT hashed, erased_before FROM tombstones
    WHERE hashed = ANY(string_to_array(CAST(:hashed AS text), ','))
""")
#: Told twice, or erased a second time: the later moment counts.
_PUT: Final = text("""
    INSERT INTO tombstones (hashed, erased_before)
    SELECT hashed, :before FROM unnest(CAST(:hashed AS text[])) AS erased (hashed)
    ORDER BY hashed
    ON CONFLICT (hashed) DO UPDATE
    SET erased_before = greatest(tombstones.erased_before, excluded.erased_before)
""")


async def read(connection: AsyncConnection, marks: Iterable[str]) -> Stones:
    """Read what is erased of these marks; until the transaction ends no erasure is written."""
    await connection.execute(_SHARED)
    return await _stones(connection, hashes(marks))


async def alone(connection: AsyncConnection) -> None:
    """Wait for those who `read`, and keep others from it until the transaction ends."""
    await connection.execute(_ALONE)


async def put(connection: AsyncConnection, hashed: Collection[str], before: datetime) -> None:
    """Write tombstones, after `alone`."""
    if hashed:
        asked = {"hashed": sorted(set(hashed)), "before": before}
        await connection.execute(_PUT, asked)


class Tombstones:
    """The table `tombstones`, and the count of what it stopped.

    `route_key` is the key of the HMACs; `rules` normalise.
    """

    def __init__(
        self, engine: AsyncEngine, *, route_key: bytes, rules: Rules, registry: CollectorRegistry
    ) -> None:
        self._engine = engine
        self._route_key = route_key
        self._rules = rules
        self._stopped = Counter(
            "nps_ingest_erased",
            "Messages neither told nor kept because their person was erased, by the way they came",
            ("way",),
            registry=registry,
        )

    async def add(self, hashed: Collection[str], before: datetime) -> None:
        """Remember that these are erased, up to then."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await alone(connection)
                await put(connection, hashed, before)

    async def of(self, marks: Iterable[str]) -> Stones:
        """Read what is erased of these marks."""
        known = hashes(marks)
        if not known:
            return {}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return await _stones(connection, known)

    async def erased(self, told: Sequence[Told]) -> frozenset[UUID]:
        """Tell which of these events must not be told, by their ids; one query for all."""
        marked = [(one.event, people(self._route_key, one.identifiers)) for one in told]
        stones = await self.of(mark for _, marks in marked for mark in marks)
        return frozenset(
            event.id for event, marks in marked if is_erased(marks, _told_at(event), stones)
        )

    async def erased_thins(self, source: str, thins: Sequence[Thin]) -> list[bool]:
        """Tell of each message of ids whether nothing may be fetched because of it."""
        marked: list[tuple[str, ...]] = []
        for place, thin in enumerate(thins):
            if place % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            marked.append(self._marks(source, thin))
        stones = await self.of(mark for marks in marked for mark in marks)
        return [
            is_erased(marks, thin.occurred_at, stones)
            for thin, marks in zip(thins, marked, strict=True)
        ]

    def _marks(self, source: str, thin: Thin) -> tuple[str, ...]:
        response = identifiers.response(source, thin.survey, thin.response_id)
        return thin_marks(self._route_key, self._rules, response, thin.variables.values())

    def stopped(self, way: Way, messages: int = 1) -> None:
        """Count what was stopped."""
        if messages:
            self._stopped.labels(way).inc(messages)


def _told_at(event: Event) -> datetime:
    """Tell when it was said, or came: the earlier, for a platform's clock may be ahead of ours."""
    data = event.data
    came_at = data.received_at if isinstance(data, ResponseReceived) else event.time
    return min(event.time, came_at)


async def _stones(connection: AsyncConnection, hashed: Sequence[str]) -> Stones:
    # One text: of an array the driver looks at every element.
    rows = await connection.execute(_READ, {"hashed": ",".join(hashed)})
    return {row.hashed: row.erased_before for row in rows}
