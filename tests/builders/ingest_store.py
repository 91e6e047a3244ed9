"""Ingest's stores over a real PostgreSQL, and a bus whose going away the test decides."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep.breaker import Breaker
from services.ingest.keep.drain import Drain
from services.ingest.keep.intake import Intake
from services.ingest.keep.spool import Spool, SpoolLimits
from services.ingest.keep.spool_table import Entry, SpoolTable
from services.ingest.keep.tombstones import Tombstones
from services.ingest.told import Told
from shared import identifiers
from shared.bus.port import Bus, Consumer, Message, Publisher, Record
from shared.database import connect
from shared.errors import BusAway, RecordTooLarge
from shared.events.envelope import FEEDBACK, Event
from shared.events.feedback import CustomerUpdated
from shared.identifiers import AS_SAID
from tests.builders.postgres import run_sql

#: All that ingest's stores hold; emptied before each test of a file that shares one database.
_EMPTY = (
    "TRUNCATE ingest.spool, ingest.spool_dead, ingest.bodies, ingest.mappings, ingest.quarantine",
    "TRUNCATE ingest.fetches, ingest.fetch_calls, ingest.fetch_sources, ingest.fetch_surveys",
    "TRUNCATE ingest.fetch_told, ingest.imports, ingest.tombstones",
    "UPDATE ingest.spool_size SET rows = 0, bytes = 0",
    "TRUNCATE bus.records",
)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROUTE_KEY = b"route key of the tests"
_NAMES = UUID("6a1fd7e0-9c8e-4a83-8a43-0a6d5cf44a11")


async def emptied(url: str) -> str:
    """Empty the stores and the log of a migrated database; gives its URL back."""
    await run_sql(url, *_EMPTY)
    return url


def told(number: int, at: datetime = START) -> Told:
    """One event about the customer of this number."""
    known = identifiers.external_id(f"C-{number}")
    assert known is not None
    data = CustomerUpdated(identifiers=(known,), occurred_at=at)
    return Told(Event(id=uuid5(_NAMES, str(number)), source="crm", time=at, data=data), (known,))


def entry(number: int, *, at: datetime = START, value: bytes = b"{}", person: str = "") -> Entry:
    """One entry of the spool."""
    message = Message(FEEDBACK, f"key-{number}", value)
    people = (person,) if person else ()
    return Entry(uuid5(_NAMES, str(number)), people, at, message)


@dataclass
class SwitchedBus:
    """Passes on to a real publisher unless the test says otherwise; notes what it passed."""

    inner: Publisher
    away: bool = False
    refuses: bytes | None = None
    takes: int | None = None
    passed: list[Message] = field(default_factory=list)
    calls: int = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, be away, or refuse a record that holds certain bytes."""
        self.calls += 1
        if self.away or (self.takes is not None and len(self.passed) >= self.takes):
            raise BusAway("switched off")
        if self.refuses is not None and any(self.refuses in each.value for each in messages):
            raise RecordTooLarge("the broker refused a record for its size")
        await self.inner.publish(messages)
        self.passed += messages


@dataclass
class BusWith:
    """The real bus with another publisher."""

    inner: Bus
    publisher: Publisher

    async def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join as the inner bus does."""
        return await self.inner.subscribe(group, topics)

    def read(self, topic: str) -> AsyncGenerator[Record, None]:
        """Read as the inner bus does."""
        return self.inner.read(topic)

    async def check(self) -> None:
        """Compare as the inner bus does."""
        await self.inner.check()

    async def close(self) -> None:
        """Close the inner bus."""
        await self.inner.close()


@dataclass
class Replica:
    """One process's intake, spool and drain loop."""

    engine: AsyncEngine
    bus: SwitchedBus
    table: SpoolTable
    spool: Spool
    breaker: Breaker
    drain: Drain
    intake: Intake
    tombstones: Tombstones
    registry: CollectorRegistry
    now: datetime = START

    def metric(self, name: str, **labels: str) -> float:
        """Read one sample; 0 if it was never set."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def later(self, **time: float) -> None:
        """Move this replica's clock."""
        self.now += timedelta(**time)


def replica(url: str, inner: Publisher, limits: SpoolLimits | None = None) -> Replica:
    """Build one replica on a migrated database; its engine is the caller's to dispose of."""
    engine = connect(url, "ingest", connections=5)
    registry, breaker, bus, table = (
        CollectorRegistry(),
        Breaker(),
        SwitchedBus(inner),
        SpoolTable(engine),
    )
    built: list[Replica] = []

    def clock() -> datetime:
        return built[0].now if built else START

    common: dict[str, Any] = {"clock": clock, "registry": registry}
    spool = Spool(table, limits=limits or SpoolLimits(), **common)
    tombstones = Tombstones(engine, route_key=ROUTE_KEY, rules=AS_SAID, registry=registry)
    drain = Drain(table, spool, bus, breaker, tombstones, **common)

    async def ping() -> None:
        await table.size()

    intake = Intake(
        bus,
        ping,
        route_key=ROUTE_KEY,
        body_bytes=1024,
        clock=clock,
        spool=spool,
        breaker=breaker,
    )
    built.append(Replica(engine, bus, table, spool, breaker, drain, intake, tombstones, registry))
    return built[0]
