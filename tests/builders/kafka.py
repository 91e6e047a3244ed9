"""A real Apache Kafka for the tests: one broker for the whole run, or one of a test's own.

In this order: `KAFKA_BOOTSTRAP_SERVERS` (a running broker); Java 17+ with Maven, which fetches the
jars of tests/kafka/pom.xml once into the ignored folder .kafka/; Docker where its engine answers.
With none of them the tests marked `kafka` are skipped with one loud line; with `CI=true` the run
fails with that line. All of it holds for a run in parallel too.
"""

import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.builders.brokers import Broker, DockerBroker, JavaBroker, docker_can, java_can
from tests.builders.sharing import shared
from tests.builders.tools import missing
from tests.builders.workers import is_worker, run_folder

INSTALL: Final = (
    "KAFKA TESTS NOT RUN: install Java 17 or newer and Maven, or start Docker, "
    "or set KAFKA_BOOTSTRAP_SERVERS to a running broker"
)
#: Waits until we end, however we end, then kills the brokers we left and removes the folder.
_GUARD: Final = """
read -r _
for pid_file in "$1"/*/pid; do
  [ -f "$pid_file" ] && kill -KILL "$(cat "$pid_file")" 2>/dev/null
done
rm -rf "$1"
"""
#: What a worker tells the controller, which collects no tests itself.
_MISSING: Final = "kafka_missing"
_SKIPPED = pytest.StashKey[int]()


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
    if is_worker(config):
        config.workeroutput[_MISSING] = len(needing)  # type: ignore[attr-defined]
    _miss(config, len(needing))
    for item in needing:
        item.add_marker(pytest.mark.skip(reason="no Kafka"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker that ended what it could not run."""
    if count := getattr(node, "workeroutput", {}).get(_MISSING, 0):
        _miss(node.config, count)


def _miss(config: pytest.Config, count: int) -> None:
    if os.environ.get("CI") == "true" and not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.exit(INSTALL, returncode=1)
    config.stash[_SKIPPED] = count  # each worker collects every test


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
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    yield folder
    guard.communicate()


@pytest.fixture(scope="session")
async def kafka(
    kafka_folder: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> AsyncIterator[str]:
    """The bootstrap servers of the run's broker. Share it: use topic prefixes of your own."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield servers
        return
    meeting = run_folder(pytestconfig, tmp_path_factory) / "kafka-shared"
    meeting.mkdir(exist_ok=True)
    async with shared(meeting, lambda: _running(kafka_folder / "shared")) as servers:
        yield servers


@pytest.fixture
async def own_kafka(kafka_folder: Path) -> AsyncIterator[Broker]:
    """A broker of this test alone, not yet started: `start`, `stop`, `kill`, `start` again."""
    async with _broker(kafka_folder / uuid.uuid4().hex[:10]) as broker:
        yield broker


@pytest.fixture(scope="module")
def secured_kafka_folder(kafka_folder: Path) -> Path:
    """Where a broker that asks who is there keeps its data; only Java starts one."""
    if not java_can():
        missing("KAFKA TEST NOT RUN: install Java 17 or newer and Maven")
    folder = kafka_folder / uuid.uuid4().hex[:10]
    folder.mkdir()
    return folder


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[str]:
    async with _broker(folder) as broker:
        await broker.start()
        yield broker.bootstrap_servers


@asynccontextmanager
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
