"""Requests to forget somebody: written down first, then told on the bus until all confirmed them.

In: whom, as normalised keys and ids of ours. Out: rows of `erasures`, and on `nps.feedback` the
event `customer.erase_requested`. Promise: a request that was written down is told, whatever is away
meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.erase import store as erase_store
from services.segmenter.erase import waiting as erase_open
from services.segmenter.erase.erasure import Group
from services.segmenter.erase.waiting import Unfinished, WaitsFor
from services.segmenter.profile.facts import PERSONAL, Key
from shared.audit.trail import Trail
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events import ids
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import ErasureRequested
from shared.identifiers import hashed_name
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: How soon a request is told that could not be told at once.
_EVERY_S: Final = 5.0
#: One that somebody did not confirm for so long is told again: it is the same event, and whoever
#: has done it confirms it again.
_AGAIN: Final = timedelta(minutes=10)
#: Platforms are tried for weeks; only their confirmation can have been lost.
_AGAIN_PLATFORMS: Final = timedelta(days=1)
_MOST: Final = 100

_ADD = text("""
    INSERT INTO erasures (erasure_id, asked_at, asked_by, identifiers, customer_ids, people)
    VALUES (:id, :at, :by, CAST(:identifiers AS jsonb), CAST(:ids AS uuid[]),
            CAST(:people AS text[]))
""")
_UNTOLD = text("""
    SELECT erasure_id, asked_at, asked_by, customer_ids, people FROM erasures
    WHERE (ingest_at IS NULL OR platforms_at IS NULL)
        AND (told_at IS NULL OR told_at < :long_before OR
             told_at < :before AND (ingest_at IS NULL OR dispatcher_at IS NULL))
    ORDER BY asked_at LIMIT :most
""")
_TOLD = text("""
    UPDATE erasures SET told_at = :now WHERE erasure_id = ANY(CAST(:ids AS uuid[]))
""")
_READ = text("""
    SELECT erasure_id, asked_at, asked_by, state, customer_ids, CAST(counts AS text) AS counts,
           done_at, ingest_at, dispatcher_at, platforms_at
    FROM erasures WHERE erasure_id = :id
""")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request. `counts`: rows that are gone, by table.

    `confirmed` is when each of the others had done it, as far as they said so.
    """

    erasure_id: UUID
    asked_at: datetime
    asked_by: str
    state: str
    customer_ids: tuple[UUID, ...]
    counts: dict[str, int]
    done_at: datetime | None
    waits_for: tuple[WaitsFor, ...]
    confirmed: dict[str, datetime]


class Requests:
    """The requests of one installation. `clock` tells aware times."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        route_key: bytes,
        *,
        trail: Trail,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._route_key = route_key
        self._trail = trail
        self._clock = clock

    async def preview(
        self, customer_ids: Collection[UUID], keys: Collection[Key]
    ) -> tuple[tuple[UUID, ...], dict[str, int]]:
        """Tell who would be forgotten, and how many rows would go. Raises `DependencyAway`."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                found = await erase_store.group(connection, customer_ids, keys)
                return found.customer_ids, await erase_store.counted(connection, found)

    async def ask(
        self, erasure_id: UUID, customer_ids: Collection[UUID], keys: Collection[Key], by: str
    ) -> None:
        """Write a request down and tell it. Raises `DependencyAway` if it is not written down."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                found = await erase_store.group(connection, customer_ids, keys)
                await self._add(connection, erasure_id, found, keys, by)
                await self._trail.pen(by, self._clock()).note(
                    connection,
                    "erasure.asked",
                    str(erasure_id),
                    customers=sorted(str(one) for one in found.customer_ids),
                )
        try:
            await self.tell()
        except DependencyAway as error:
            _log.warning("segmenter.erasure_waits", erasure_id=str(erasure_id), reason=str(error))

    async def tell(self) -> int:
        """Tell what was not told yet, or long ago; return how many. Raises `DependencyAway`."""
        now = self._clock()
        with away_as_dependency():
            async with self._engine.connect() as connection:
                before, long_before = now - _AGAIN, now - _AGAIN_PLATFORMS
                parameters = {"before": before, "long_before": long_before, "most": _MOST}
                rows = (await connection.execute(_UNTOLD, parameters)).all()
        if not rows:
            return 0
        await self._publisher.publish([_message(row) for row in rows])
        with away_as_dependency():
            async with self._engine.begin() as connection:
                ids_ = sorted(row.erasure_id for row in rows)
                await connection.execute(_TOLD, {"ids": ids_, "now": now})
        return len(rows)

    async def receipt(self, erasure_id: UUID) -> Receipt | None:
        """Read what became of a request. Raises `DependencyAway`."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_READ, {"id": erasure_id})).one_or_none()
        if row is None:
            return None
        return Receipt(
            erasure_id=row.erasure_id,
            asked_at=row.asked_at,
            asked_by=row.asked_by,
            state=row.state,
            customer_ids=tuple(row.customer_ids),
            counts=orjson.loads(row.counts),
            done_at=row.done_at,
            waits_for=erase_open.waits_for(row),
            confirmed=erase_open.confirmed(row),
        )

    async def unfinished(self, most: int) -> list[Unfinished]:
        """List requests that somebody has not done, oldest first. Raises `DependencyAway`."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return await erase_open.unfinished(connection, most)

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell requests until `stopping` is set."""
        away = False
        while not stopping.is_set():
            try:
                await self.tell()
                away = False
            except DependencyAway as error:
                if not away:
                    _log.warning("segmenter.erasures_waiting", reason=str(error))
                away = True
            await pause(stopping, _EVERY_S)

    async def _add(
        self,
        connection: AsyncConnection,
        erasure_id: UUID,
        found: Group,
        given: Collection[Key],
        by: str,
    ) -> None:
        """Write it down with her addresses in plain text: they are needed until it is done."""
        named = sorted({*given, *found.keys})
        # Her answers are many perhaps; they are found by her ids when it is done.
        known = [key for key in named if key[0] in PERSONAL]
        await connection.execute(
            _ADD,
            {
                "id": erasure_id,
                "at": self._clock(),
                "by": by,
                "identifiers": orjson.dumps(sorted(given)).decode(),
                "ids": list(found.customer_ids),
                "people": sorted(hashed_name(self._route_key, *key) for key in known),
            },
        )


def _message(row: Row[Any]) -> Message:
    data = ErasureRequested(
        erasure_id=row.erasure_id,
        customer_ids=tuple(row.customer_ids),
        people=tuple(row.people),
        erased_before=row.asked_at,
        asked_by=row.asked_by,
    )
    event = Event(
        id=ids.name_id(data.TYPE, row.erasure_id),
        source="nps/segmenter",
        time=row.asked_at,
        data=data,
    )
    key = row.customer_ids[0] if row.customer_ids else row.erasure_id
    return Message(topic=FEEDBACK, key=str(key), value=encode(event))
