"""Brokers of our own: one Apache Kafka node from Java and the jars of Maven, or in a container."""

import asyncio
import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.builders.ports import free_ports
from tests.builders.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
POM = ROOT / "tests" / "kafka" / "pom.xml"
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
    """One KRaft node as a child process; while it runs, its number stands in the file `pid`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid_file = folder / "pid"
        self._port, controller = free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{self._port}"
        self._config = {
            **CONFIG,
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(folder / "data"),
        }
        #: What the tool that formats the data folder is told beside it.
        self._formatting: list[str] = []
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

    async def lose(self) -> None:
        """Lose it, and everything that was on its disks; then start another on the same port."""
        await self.kill()  # nothing, if it is down already
        await asyncio.to_thread(shutil.rmtree, self._folder / "data")
        (self._folder / "server.properties").unlink()
        await self.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Format the data folder if it is new, and start the broker on it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += ["-cp", f"{jars()}/*"]
        properties = self._folder / "server.properties"
        with (self._folder / "broker.log").open("ab") as log:
            if not properties.exists():
                properties.write_text("".join(f"{k}={v}\n" for k, v in self._config.items()))
                # Begins with an A: the tool would take a leading dash for an option.
                cluster = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode().rstrip("=")
                tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
                subprocess.run(
                    [*java, *tool, *self._formatting], stdout=log, stderr=log, check=True
                )
            process = subprocess.Popen(
                [*java, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which stops us in its order
            )
        self._pid_file.write_text(str(process.pid))
        return process

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
        self._pid_file.unlink()


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
    wanted = _jars()
    wanted.parent.mkdir(exist_ok=True)
    with (wanted.parent / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two Mavens at a time may spoil their common cache
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
            fresh.rename(wanted)  # whole or not at all
    return wanted


def _jars() -> Path:
    return ROOT / ".kafka" / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]


def java_can() -> bool:
    """Tell whether Java 17+ and the jars (or Maven to fetch them) are here."""
    try:
        told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    version = re.search(r'version "(\d+)', told.stderr)
    return bool(
        version and int(version.group(1)) >= 17 and (_jars().exists() or shutil.which("mvn"))
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
