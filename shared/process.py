"""Starting a process of the product: settings, secrets, bus, engines, then host the parts.

Used by every `__main__`. A wrong setting or file ends the start with its lines on standard error
and exit code 2; nothing is half started.
"""

import asyncio
import gc
import os
import secrets as random
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import identifiers
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_security import security_of
from shared.bus.meters import BusMeters
from shared.bus.port import Bus
from shared.bus.postgres import PostgresBus
from shared.database import connect, migrate, refused_by_database
from shared.errors import ConfigError, DependencyAway
from shared.hosting import Part, host
from shared.http.auth import Access, AccessConfig
from shared.observe import configure_logging
from shared.settings import Secrets, Settings, fix_of, load_yaml
from shared.shutdown import BUS_S, BY_SIGNAL, ENDING_S, Stop, bounded
from shared.times import utc_now
from shared.traces.opening import Opened, open_traces
from shared.traces.traces import Traces

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """What a service's `build` may use. Engines are made by the service, for its schema only.

    `bus_meters` are those of all consumers of the process, made once. `traces`: None where they are
    off, as they are unless the settings turn them on.
    """

    settings: Settings
    secrets: Secrets
    access: Access
    registry: CollectorRegistry
    bus: Bus
    clock: Callable[[], datetime]
    member: str
    bus_meters: BusMeters
    traces: Traces | None = None

    def engine(self, schema: str, *, connections: int = 10) -> AsyncEngine:
        """Build the engine of one schema; the part's `close` disposes of it."""
        return connect(self.settings.database_url, schema, connections=connections)

    def config_file(self, name: str) -> Path:
        """Where a configuration file of this installation is."""
        return self.settings.config / name

    def identifier_rules(self) -> identifiers.Rules:
        """Return how identifiers are normalised; the same for all processes."""
        return identifiers.rules(self.settings.default_region, self.settings.plus_addresses)

    def route_key(self) -> bytes:
        """Return the key under which bus routes are made."""
        return self.secrets.get(self.settings.route_key).encode()


Build = Callable[[Context], Awaitable[Part]]


def read_settings(**changes: object) -> Settings:
    """Read `NPS_…` from the environment; `changes` win. Raises `ConfigError`."""
    try:
        return Settings(**changes)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(
            "\n".join(
                f"NPS_{'_'.join(map(str, problem['loc'])).upper()}: {fix_of(problem)}"
                for problem in error.errors(include_input=False)
            )
        ) from None


def read_access(path: Path, secrets: Secrets) -> Access:
    """Read `access.yaml` and the tokens it refers to. Raises `ConfigError` with their lines."""
    loaded = load_yaml(path, AccessConfig)
    problems: list[str] = []
    for place, token in enumerate(loaded.value.tokens):
        try:
            secrets.get(token.token)
        except ConfigError as error:
            problems.append(loaded.told(("tokens", place, "token"), str(error)))
    if problems:
        raise ConfigError("\n".join(problems))
    return Access(loaded.value, secrets)


@asynccontextmanager
async def open_context(
    settings: Settings, environ: Mapping[str, str] | None = None, *, name: str = "nps"
) -> AsyncIterator[Context]:
    """Connect what all services share; closes it again. `name` is the process's in traces."""
    if not settings.database_url:
        raise ConfigError("NPS_DATABASE_URL is not set: give the PostgreSQL of this installation")
    secrets = Secrets(os.environ if environ is None else environ)
    access = read_access(settings.config / "access.yaml", secrets)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    member = f"{socket.gethostname()}-{os.getpid()}-{random.token_hex(3)}"
    bus, close = await _open_bus(settings, secrets, member)
    failed = False
    sight: Opened | None = None
    try:
        sight = open_traces(settings.traces, name, member)
        await bus.check()
        meters = BusMeters(registry)
        traces = None if sight is None else sight.traces
        yield Context(settings, secrets, access, registry, bus, utc_now, member, meters, traces)
    except Exception:
        failed = True
        raise
    finally:
        # Who starts it with something wrong reads one line, the one with the fix.
        closing = bounded("bus", BUS_S, close(), told=not failed)
        if sight is None:
            await closing
        else:
            await asyncio.gather(closing, bounded("traces", BUS_S, sight.send(), told=not failed))


async def _open_bus(
    settings: Settings, secrets: Secrets, member: str
) -> tuple[Bus, Callable[[], Awaitable[None]]]:
    """Start the bus that the settings name."""
    if settings.bus == "kafka":
        if not settings.kafka_bootstrap_servers:
            raise ConfigError(
                "NPS_KAFKA_BOOTSTRAP_SERVERS is not set: give the brokers (host:port)"
            )
        kafka = KafkaBus(
            settings.kafka_bootstrap_servers,
            client_id=member,
            topic_prefix=settings.kafka_topic_prefix,
            partitions=settings.kafka_partitions,
            replication=settings.kafka_replication,
            security=security_of(settings, secrets),
        )
        await kafka.start()
        return kafka, kafka.close
    engine = connect(settings.database_url, "bus", connections=8)
    log = PostgresBus(engine, member=member)
    await log.start()

    async def close() -> None:
        await log.close()
        await engine.dispose()

    return log, close


async def serve(
    settings: Settings,
    builds: Sequence[Build],
    *,
    environ: Mapping[str, str] | None = None,
    stop: Stop | None = None,
    on_started: Callable[[int], None] | None = None,
    name: str = "nps",
) -> None:
    """Build the parts and host them until told to stop; `stop` is `host`'s, `name` the process."""
    async with open_context(settings, environ, name=name) as context:
        parts: list[Part] = []
        try:
            for build in builds:
                # Of its own: a part's audit record names the secrets that it uses.
                parts.append(await build(replace(context, secrets=context.secrets.copy())))
        except BaseException:
            for part in reversed(parts):
                await part.close()
            raise
        _spare_the_collector()
        await host(
            parts,
            address=settings.host,
            port=settings.port,
            registry=context.registry,
            connections=settings.max_connections,
            trusted_proxies=settings.trusted_proxies,
            drain_s=settings.drain_s,
            stop=stop,
            on_started=on_started,
            traces=context.traces,
        )


def _spare_the_collector() -> None:
    """Leave what start-up made out of every later garbage collection.

    130 000 objects of imported code live as long as the process: looking through them took up to
    0.1 s at a time, in the middle of requests, and p99 fell to less than half without it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def main(name: str, build: Build) -> None:
    """Be `python -m services.<name>` (`migrate` as the only argument migrates its schema)."""
    run_or_explain(lambda: _main(name, build, sys.argv[1:]))


async def _main(name: str, build: Build, arguments: Sequence[str]) -> None:
    settings = read_settings()
    configure_logging(settings.log_level)
    if arguments == ["migrate"]:
        await migrate(settings.database_url, name)
    elif arguments:
        raise ConfigError(f"usage: python -m services.{name} [migrate]")
    else:
        stop = Stop(settings.drain_s + ENDING_S)
        await serve(settings, [build], stop=stop, name=f"nps-{name}")


def run_or_explain(run: Callable[[], Awaitable[None]]) -> None:
    """Run to the end, and end with words instead of a traceback where a person can act.

    A `ConfigError`, and a database that does not know us, become their lines on standard error and
    exit code 2; a dependency that is away at the start becomes one line and exit code 75 (try again
    later, as sysexits.h has it). Anything else is a bug: a line of the log (without the values that
    a traceback may show) and exit code 1. SIGTERM ends it from the start.
    """

    async def runner() -> None:
        await run()

    try:
        with _ended_by_signal():
            asyncio.run(runner())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    except DependencyAway as error:
        sys.stderr.write(f"{error} does not answer: start it or correct its address, then again\n")
        raise SystemExit(75) from None
    except KeyboardInterrupt:  # before there was a host to stop in order
        raise SystemExit(130) from None
    except Exception as error:
        if words := refused_by_database(error):
            sys.stderr.write(f"{words}\n")
            raise SystemExit(2) from None
        _log.critical("process.failed", error=type(error).__name__, exc_info=error)
        raise SystemExit(1) from None


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM end the process at once; in a thread, the process is not ours to end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _told_early)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told_early(number: int, _frame: object) -> None:
    """End before there is a host that hears signals; nothing was accepted yet.

    A container's first process is not ended by a signal that it does not handle, and an exception
    raised here may be lost in whatever runs at this moment.
    """
    os._exit(BY_SIGNAL + number)
