"""The bus for one process (or a stand-by pair): an ordered log in PostgreSQL behind the port.

In: an engine on the schema `bus` (`shared.database.connect(url, "bus")`), migrated. Records may
come twice, never not at all: an offset is committed only after the work.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus import postgres_reader
from shared.bus.port import Publisher, Record
from shared.bus.postgres_consumer import LEASE, PostgresConsumer
from shared.bus.postgres_publisher import PostgresPublisher
from shared.bus.topics import Topic, declared
from shared.database import away_as_dependency
from shared.errors import ConfigError, DependencyAway
from shared.times import utc_now

_log = structlog.get_logger(__name__)

#: Leaves the 5 s that the port promises some room for cancelling what hangs.
_CLOSE: Final = 4.0
_PRUNE_EVERY: Final = timedelta(minutes=10)
_PRUNE_CHUNK: Final = 5000

#: The oldest rows only: offsets rise with time, so no index on `at` is needed.
_PRUNE: Final = text("""
    WITH oldest AS (
        SELECT "offset", at FROM records WHERE topic = :topic ORDER BY "offset" LIMIT :most
    )
    DELETE FROM records USING oldest
    WHERE records.topic = :topic AND records."offset" = oldest."offset" AND oldest.at < :before
""")


class PostgresBus:
    """The PostgreSQL log; see `shared.bus.port.Bus`.

    `member` names this process in the lease rows. `lease` is how long a dead member's work lies
    still. Hosts call `start` first and `close` last; both in the same event loop.
    """

    publisher: Publisher

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        member: str,
        clock: Callable[[], datetime] = utc_now,
        topics: Sequence[Topic] | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        self._topics = tuple(topics or declared())
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        # A restarted process is another member, whatever its host calls it.
        self._member = f"{member}/{uuid4().hex[:8]}"
        self._clock = clock
        self._lease = lease
        self._consumers: list[PostgresConsumer] = []
        self._pruner: asyncio.Task[None] | None = None
        self._publisher = PostgresPublisher(engine, self._topics, self._wake)
        self.publisher = self._publisher

    async def start(self) -> None:
        """Start the writer and the pruning; connects nowhere yet."""
        await self._publisher.start()
        self._pruner = asyncio.create_task(self._keep_pruning(), name="bus-pruner")

    async def subscribe(self, group: str, topics: Sequence[str]) -> PostgresConsumer:
        """See the port. Raises `DependencyAway`."""
        consumer = PostgresConsumer(self._engine, group, tuple(topics), self._member, self._lease)
        await consumer.join()
        self._consumers.append(consumer)
        return consumer

    def read(self, topic: str) -> AsyncGenerator[Record, None]:
        """See the port."""
        return postgres_reader.read(self._engine, topic)

    async def check(self) -> None:
        """See the port. Raises `DependencyAway`, too."""
        try:
            with away_as_dependency():
                async with self._engine.connect() as connection:
                    known = set(await connection.scalars(text("SELECT topic FROM topics")))
        except ProgrammingError:
            raise ConfigError("the schema `bus` holds no log: run the migrations") from None
        if missing := sorted({topic.name for topic in self._topics} - known):
            raise ConfigError(f"the log lacks {', '.join(missing)}: run the migrations")

    async def prune(self) -> int:
        """Delete records past their topic's retention; returns how many."""
        deleted = 0
        for topic in self._topics:
            known = {
                "topic": topic.name,
                "before": self._clock() - topic.retention,
                "most": _PRUNE_CHUNK,
            }
            count = _PRUNE_CHUNK
            while count == _PRUNE_CHUNK:
                with away_as_dependency():
                    async with self._engine.connect() as connection:
                        count = (await connection.execute(_PRUNE, known)).rowcount
                deleted += count
        return deleted

    async def close(self) -> None:
        """See the port."""
        if self._pruner is not None:
            self._pruner.cancel()
            with suppress(asyncio.CancelledError):
                await self._pruner
        farewells = [self._publisher.close(), *(consumer.leave() for consumer in self._consumers)]
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE):
                # A lease that cannot be given back lapses by itself.
                await asyncio.gather(*farewells, return_exceptions=True)

    def _wake(self, topics: set[str]) -> None:
        for consumer in self._consumers:
            if topics.intersection(consumer.topics):
                consumer.wake.set()

    async def _keep_pruning(self) -> None:
        while True:
            try:
                await self.prune()
            except DependencyAway:
                _log.warning("bus.prune_postponed")
            await asyncio.sleep(_PRUNE_EVERY.total_seconds())
