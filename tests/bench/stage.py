"""Where scenarios play: a real PostgreSQL, a real Kafka, and the product's processes on them.

Everything is of this run alone and gone at its end; `KAFKA_BOOTSTRAP_SERVERS` and
`NPS_TEST_DATABASE_URL` choose running servers instead, as they do for the tests.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.database import migrate, provision
from shared.embedded import EmbeddedPostgres
from shared.embedded.account import choose
from tests.bench.machine import children
from tests.builders.brokers import Broker, DockerBroker, JavaBroker, docker_can, java_can
from tests.builders.kafka import INSTALL
from tests.builders.postgres import bare_database
from tests.builders.processes import Process
from tests.builders.sink import open_sink
from tests.builders.system import System, open_system


@dataclass(frozen=True)
class Plan:
    """How long and how hard to measure; each thing is measured `rounds` times, taking turns.

    `distinct`: how many different requests one load prepares before it repeats them.
    """

    connections: tuple[int, ...]
    processes: tuple[int, ...]
    seconds: float
    rounds: int
    shape: str = "shop"
    distinct: int = 20_000


@dataclass(frozen=True)
class Stage:
    """The servers, the system (nothing of it started), and the servers' processes we know.

    `broker` is ours to stop; None where a running one was chosen.
    """

    folder: Path
    system: System
    behind: tuple[int, ...]
    broker: Broker | None = None

    @asynccontextmanager
    async def running(self, processes: Sequence[Process]) -> AsyncIterator[Sequence[Process]]:
        """Start processes, wait until they are ready, and stop them afterwards."""
        try:
            for process in processes:
                process.spawn()
            await asyncio.gather(*(process.ready() for process in processes))
            yield processes
        finally:
            await asyncio.gather(*(process.stop() for process in processes))

    def bare(self, *arguments: str, count: int) -> list[Process]:
        """Make processes of a bare limit; see `tests.bench.bare`."""
        environ = {
            "NPS_KAFKA_BOOTSTRAP_SERVERS": self.system.kafka,
            "NPS_BENCH_SECRET": self.system.shop_secret,
        }
        return [
            Process(
                "tests.bench.bare",
                environ,
                self.folder / f"bare-{'-'.join(arguments)}-{place}.log",
                *arguments,
            )
            for place in range(count)
        ]

    def bare_fold(self, *arguments: str) -> Process:
        """Make the process of the segmenter's bare limit; see `tests.bench.bare_fold`."""
        environ = {
            "NPS_KAFKA_BOOTSTRAP_SERVERS": self.system.kafka,
            "NPS_BENCH_DATABASE": self.system.database.replace("+asyncpg", ""),
        }
        return Process("tests.bench.bare_fold", environ, self.folder / "bare-fold.log", *arguments)


@dataclass(frozen=True)
class Servers:
    """A PostgreSQL and a Kafka that run, and the processes of them that we know."""

    folder: Path
    database: str
    kafka: str
    behind: tuple[int, ...]
    broker: Broker | None


@asynccontextmanager
async def open_stage(*, own_broker: bool = False) -> AsyncIterator[Stage]:
    """Set a stage on servers of its own. Raises `RuntimeError` where none can be had."""
    async with (
        open_servers(own_broker=own_broker) as servers,
        open_stage_on(
            servers.folder / "system",
            servers.database,
            servers.kafka,
            servers.behind,
            servers.broker,
        ) as stage,
    ):
        yield stage


@asynccontextmanager
async def open_servers(*, own_broker: bool = False) -> AsyncIterator[Servers]:
    """Start what is not there yet, with `own_broker` a Kafka in any case.

    Raises `RuntimeError` where none can be had.
    """
    async with AsyncExitStack() as stack:
        folder = _folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = os.environ.get("NPS_TEST_DATABASE_URL")
        if server is None:
            postgres = EmbeddedPostgres(folder / "postgres")
            server = await postgres.start()
            stack.push_async_callback(postgres.stop)
        behind: tuple[int, ...] = ()
        broker: Broker | None = None
        kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if kafka is None or own_broker:
            broker, behind = await _broker(folder / "kafka", stack.push_async_callback)
            kafka = broker.bootstrap_servers
        yield Servers(folder, server, kafka, behind, broker)


@asynccontextmanager
async def open_stage_on(
    folder: Path,
    server: str,
    kafka: str,
    behind: tuple[int, ...] = (),
    broker: Broker | None = None,
) -> AsyncIterator[Stage]:
    """Set a stage on servers that run."""
    async with (
        open_sink() as sink,
        open_system(folder, server, kafka, sink, sources=_without_rates) as system,
    ):
        yield Stage(folder, system, behind, broker)


@asynccontextmanager
async def open_database(schema: str = "segmenter") -> AsyncIterator[str]:
    """Give the address of a database of this run alone, one schema migrated: it needs no broker."""
    async with AsyncExitStack() as stack:
        folder = _folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = os.environ.get("NPS_TEST_DATABASE_URL")
        if server is None:
            postgres = EmbeddedPostgres(folder / "postgres")
            server = await postgres.start()
            stack.push_async_callback(postgres.stop)
        yield await stack.enter_async_context(database_on(server, schema))


@asynccontextmanager
async def database_on(server: str, schema: str) -> AsyncIterator[str]:
    """Give the address of a new database of a server, one schema migrated."""
    async with bare_database(server) as database:
        await provision(database)
        await migrate(database, schema)
        yield database


def _without_rates(sources: dict[str, Any]) -> None:
    """Lift the sources' rates: they protect from a sender who runs wild, which is what we are."""
    for source in sources["sources"].values():
        source["rate"] = {"per_second": 100_000, "burst": 1_000_000}


async def _broker(
    folder: Path, at_the_end: Callable[[Callable[[], Awaitable[None]]], object]
) -> tuple[Broker, tuple[int, ...]]:
    if java_can():
        java = JavaBroker(folder)
        at_the_end(java.stop)
        known = children()
        await java.start()
        return java, tuple(children() - known)
    if not docker_can():
        raise RuntimeError(INSTALL)
    container = DockerBroker()
    at_the_end(container.remove)
    await container.start()
    return container, ()


def _folder() -> Path:
    """A new folder that the account of PostgreSQL can enter."""
    account = choose(None)
    public = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    place = next(path for path in public if account.first_unreachable(path) is None)
    folder = Path(tempfile.mkdtemp(prefix="nps-bench-", dir=place))
    folder.chmod(0o755)
    return folder
