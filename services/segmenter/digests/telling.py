"""The loop that tells weeks: each due week is counted, published, and then noted as told.

A kill in between, or a second replica, tells the week again under the same ids, and whoever
delivers it takes each id once. What is told comes out of the sweep, so it waits until that has read
all that was saved before the week was due.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.digests import counting
from services.segmenter.digests.weeks import Week, last_due, tell
from services.segmenter.metrics import Metrics
from services.segmenter.policy.digests import OwnerDigest
from services.segmenter.sweep import progress
from shared.bus.port import Message, Publisher
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.events.envelope import DECISIONS, Event, encode
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Nobody waits for a digest by the minute.
_EVERY_S: Final = 60.0

#: Once a week, of all answers of the week; nobody waits for it, as somebody does for the API.
_PATIENT: Final = text("SET LOCAL statement_timeout = '300s'")
_CANCELLED: Final = "57014"
_UPTO = text("SELECT digest, zone, upto FROM owner_digests")
_TOLD = text("""
    INSERT INTO owner_digests AS d (digest, zone, upto, told_at)
    VALUES (:digest, :zone, :upto, :now)
    ON CONFLICT (digest, zone) DO UPDATE SET upto = EXCLUDED.upto, told_at = EXCLUDED.told_at
    WHERE d.upto < EXCLUDED.upto
""")


class DigestTeller:
    """Tells the weeks of the policy's digests. `clock` tells aware times."""

    def __init__(
        self,
        engine: AsyncEngine,
        publisher: Publisher,
        rulebook: Rulebook,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._policy = rulebook.policy
        self._clock = clock
        self._metrics = metrics

    async def tell_due(self) -> int:
        """Tell the weeks that are due; returns to how many owners. Raises `DependencyAway`."""
        if not self._policy.digests:
            return 0
        told = 0
        with away_as_dependency():
            async with self._engine.connect() as connection:
                upto = await _upto(connection)
        for digest in self._policy.digests:
            for zone in digest.clocks(self._policy.zones.default):
                week = last_due(digest, zone, self._clock())
                last = upto.get((digest.name, zone))
                if last is None or last < week.period.end:
                    told += await self._tell(digest, week)
        return told

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell due weeks until `stopping` is set; an absent dependency only costs a turn."""
        while not stopping.is_set():
            try:
                await self.tell_due()
            except DependencyAway as error:
                _log.warning("segmenter.digests_waiting", reason=str(error))
            await pause(stopping, _EVERY_S)

    async def _tell(self, digest: OwnerDigest, week: Week) -> int:
        now = self._clock()
        events = await self._count(digest, week, now)
        if events is None:
            return 0
        await self._publisher.publish([_message(event) for event in events])
        values = {"digest": digest.name, "zone": week.zone, "upto": week.period.end, "now": now}
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_TOLD, values)
        self._metrics.digests(digest.name, len(events))
        _log.info(
            "segmenter.week_told",
            digest=digest.name,
            zone=week.zone,
            monday=week.monday.isoformat(),
            owners=len(events),
        )
        return len(events)

    async def _count(self, digest: OwnerDigest, week: Week, now: datetime) -> list[Event] | None:
        """Count a week; None: not all is read yet that was said before it was due."""
        with away_as_dependency(), _in_time():
            async with self._engine.connect() as connection:
                # All statements see one moment of the data.
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                await connection.execute(_PATIENT)
                swept = await progress.look(connection)
                if swept is None or swept.as_of is None or swept.as_of < week.due_at:
                    return None
                sums, owners = await counting.count(connection, digest, week, self._policy)
        if owners > counting.MOST_OWNERS:
            _log.warning("segmenter.owners_left_out", digest=digest.name, owners=owners)
        return list(tell(digest, week, sums, self._policy, as_of=swept.as_of, now=now))


@contextmanager
def _in_time() -> Iterator[None]:
    """Turn a statement that the server ended after its time into one that waits for its turn."""
    try:
        yield
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", None) or "") == _CANCELLED:
            raise DependencyAway("database: a week was not counted in 300 s") from error
        raise


async def _upto(connection: AsyncConnection) -> Mapping[tuple[str, str], datetime]:
    """Read up to when weeks are told, by digest and zone."""
    return {(row.digest, row.zone): row.upto for row in await connection.execute(_UPTO)}


def _message(event: Event) -> Message:
    return Message(topic=DECISIONS, key=str(event.id), value=encode(event))
