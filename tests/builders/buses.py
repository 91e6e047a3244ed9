"""Both buses for the tests: `buses` opens members of the same, otherwise empty bus.

A test that takes `buses` runs twice: on the PostgreSQL log and, marked `kafka`, on Apache Kafka.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.kafka import KafkaBus
from shared.bus.port import Consumer, Record
from shared.bus.postgres import PostgresBus
from shared.database import connect
from tests.builders.waiting import eventually

#: On Kafka the tests spread each topic over this many partitions.
PARTITIONS = 3


@dataclass
class Buses:
    """One bus that nobody else uses, and what is connected to it."""

    kind: Literal["postgres", "kafka"]
    url: str
    prefix: str = ""
    partitions: int = PARTITIONS
    _opened: list[PostgresBus | KafkaBus] = field(default_factory=list)
    _engines: list[AsyncEngine] = field(default_factory=list)

    async def open(self, *, patience: timedelta | None = None) -> PostgresBus | KafkaBus:
        """Connect one more process. `patience`: how long it may not poll and keep its work."""
        bus = self._postgres(patience) if self.kind == "postgres" else self._kafka(patience)
        self._opened.append(bus)
        await bus.start()
        if isinstance(bus, KafkaBus) and len(self._opened) == 1:
            await bus.create_topics()
        return bus

    async def close(self) -> None:
        """Close all that was opened; closing a bus twice is allowed."""
        for bus in self._opened:
            await bus.close()
        for engine in self._engines:
            await engine.dispose()

    def _postgres(self, patience: timedelta | None) -> PostgresBus:
        engine = connect(self.url, "bus", connections=6)
        self._engines.append(engine)
        member = f"test-{len(self._opened)}"
        if patience is None:
            return PostgresBus(engine, member=member)
        return PostgresBus(engine, member=member, lease=patience)

    def _kafka(self, patience: timedelta | None) -> KafkaBus:
        return KafkaBus(
            self.url,
            client_id=f"test-{len(self._opened)}",
            topic_prefix=self.prefix,
            partitions=self.partitions,
            session=timedelta(seconds=6),  # the least that a broker allows by default
            poll_interval=patience or timedelta(minutes=2),
        )


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def bus_place(request: pytest.FixtureRequest) -> Buses:
    """Where the bus of this test is; nothing is connected yet."""
    if request.param == "postgres":
        return Buses("postgres", request.getfixturevalue("database"))
    return Buses("kafka", request.getfixturevalue("kafka"), f"t{uuid.uuid4().hex[:10]}.")


@pytest.fixture
async def buses(bus_place: Buses) -> AsyncIterator[Buses]:
    """An empty bus on each adapter; `await buses.open()` is one process's connection."""
    yield bus_place
    await bus_place.close()


async def take(consumer: Consumer, count: int, *, within: float = 30.0) -> Sequence[Record]:
    """Poll until `count` records have come."""
    taken: list[Record] = []

    async def enough() -> bool:
        taken.extend(await consumer.poll(count - len(taken)))
        return len(taken) >= count

    await eventually(enough, within=within, what=f"{count} records")
    return taken
