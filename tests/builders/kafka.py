"""A real Apache Kafka for the tests: one broker for the session, or one of a test's own.

In this order: `KAFKA_BOOTSTRAP_SERVERS` (a running broker); Java 17+ with Maven, which fetches the
jars of tests/kafka/pom.xml once into the ignored folder .kafka/; Docker where its engine answers.
With none of them the tests marked `kafka` are skipped with one loud line; with `CI=true` the run
fails with that line.
"""

import asyncio
import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.builders.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
POM = ROOT / "tests" / "kafka" / "pom.xml"
INSTALL = (
    "KAFKA TESTS NOT RUN: install Java 17 or newer and Maven, or start Docker, "
    "or set KAFKA_BOOTSTRAP_SERVERS to a running broker"
)
#: What a throw-away broker needs to be quick: no waiting for members, few internal partitions.
CONFIG = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class Broker(Protocol):
    """A broker of our own: may be stopped, killed and started again on the same port and data."""

    bootstrap_servers: str

    async def start(self) -> None:
        """Start it and wait until it answers."""

    async def stop(self) -> None:
        """Stop it in its own order; nothing if it does not run."""

    async def kill(self) -> None:
        """End it like a power cut."""


class JavaBroker:
    """One KRaft node as a child process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, controller = free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        self._config = {
            **CONFIG,
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(folder / "data"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """See `Broker`."""
        self._process = await asyncio.to_thread(self._spawn)
        await answers(self.bootstrap_servers)

    async def stop(self) -> None:
        """See `Broker`."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """See `Broker`."""
        await self._end(signal.SIGKILL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Format the data folder if it is new, and start the broker on it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += ["-cp", f"{jars()}/*"]
        properties = self._folder / "server.properties"
        with (self._folder / "broker.log").open("ab") as log:
            if not properties.exists():
                properties.write_text("".join(f"{k}={v}\n" for k, v in self._config.items()))
                cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
                tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
                subprocess.run([*java, *tool], stdout=log, stderr=log, check=True)
            return subprocess.Popen(
                [*java, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which stops us in its order
            )

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            await asyncio.to_thread(process.wait, 30)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)


class DockerBroker:
    """One KRaft node in a container, for a machine with an engine but no Java."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._name = f"nps-test-kafka-{uuid.uuid4().hex[:10]}"
        version = re.search(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())
        assert version
        config = {
            **CONFIG,
            "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.quorum.voters": "1@localhost:9093",
        }
        names = {f"KAFKA_{k.upper().replace('.', '_')}": v for k, v in config.items()}
        environment = [part for k, v in names.items() for part in ("-e", f"{k}={v}")]
        self._run = ["run", "-d", "--name", self._name, "-p", f"127.0.0.1:{port}:{port}"]
        self._run += [*environment, f"apache/kafka:{version.group(1)}"]
        self._made = False

    async def start(self) -> None:
        """See `Broker`."""
        await docker(*(["start", self._name] if self._made else self._run))
        self._made = True
        await answers(self.bootstrap_servers)

    async def stop(self) -> None:
        """See `Broker`."""
        if self._made:
            await docker("stop", self._name)

    async def kill(self) -> None:
        """See `Broker`."""
        await docker("kill", self._name)

    async def remove(self) -> None:
        """Leave nothing behind."""
        if self._made:
            await docker("rm", "-f", self._name)


def free_ports(count: int) -> list[int]:
    """Ask the system for ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


async def answers(bootstrap_servers: str) -> None:
    """Wait until a broker tells who is in its cluster."""

    async def asked() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()

    await eventually(asked, within=90, what="an answering Kafka broker")


async def docker(*arguments: str) -> None:
    """Run one docker command to its end."""
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {errors.decode(errors='replace')}")


def jars() -> Path:
    """Return the folder of the broker's jars; Maven runs only when the pom is new here."""
    wanted = ROOT / ".kafka" / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if not wanted.exists():
        fresh = wanted.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [
                *("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"),
                *(f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        try:
            fresh.rename(wanted)  # whole or not at all
        except OSError:
            shutil.rmtree(fresh)  # another run was quicker
    return wanted


def java_can() -> bool:
    """Tell whether Java 17+ and the jars (or Maven to fetch them) are here."""
    try:
        told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    version = re.search(r'version "(\d+)', told.stderr)
    cached = ROOT / ".kafka" / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    return bool(
        version and int(version.group(1)) >= 17 and (cached.exists() or shutil.which("mvn"))
    )


def docker_can() -> bool:
    """Tell whether a Docker engine answers (its client alone is no use)."""
    try:
        told = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(told.stdout.strip())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs Kafka where none can be had; refuse to go on with `CI=true`.

    Runs last, so that a selection without any such test asks for nothing.
    """
    needing = [item for item in items if item.get_closest_marker("kafka")]
    given = bool(os.environ.get("KAFKA_BOOTSTRAP_SERVERS"))
    if given:
        # A broker by URL is not ours to stop: the few tests that must stop one need their own.
        needing = [item for item in needing if "own_kafka" in getattr(item, "fixturenames", ())]
    if not needing or java_can() or docker_can():
        return
    if os.environ.get("CI") == "true" and not given:
        pytest.exit(INSTALL, returncode=1)
    config.stash[_SKIPPED] = len(needing)
    for item in needing:
        item.add_marker(pytest.mark.skip(reason="no Kafka"))


_SKIPPED = pytest.StashKey[int]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say loudly, once, what was not tested."""
    if count := config.stash.get(_SKIPPED, 0):
        terminalreporter.write_line(f"{INSTALL} ({count} tests)", red=True, bold=True)


@pytest.fixture(scope="session")
def kafka_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where brokers keep data and logs; gone at the end, for they are large."""
    folder = tmp_path_factory.mktemp("kafka")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def kafka(kafka_folder: Path) -> AsyncIterator[str]:
    """The bootstrap servers of the session's broker. Share it: use topic prefixes of your own."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield servers
        return
    async for broker in _broker(kafka_folder / "session"):
        await broker.start()
        yield broker.bootstrap_servers


@pytest.fixture
async def own_kafka(kafka_folder: Path) -> AsyncIterator[Broker]:
    """A broker of this test alone, not yet started: `start`, `stop`, `kill`, `start` again."""
    async for broker in _broker(kafka_folder / uuid.uuid4().hex[:10]):
        yield broker


async def _broker(folder: Path) -> AsyncIterator[Broker]:
    if java_can():
        java = JavaBroker(folder)
        try:
            yield java
        finally:
            await java.stop()
        return
    container = DockerBroker()
    try:
        yield container
    finally:
        await container.remove()
