"""One running system for all journeys; each journey brings customers of its own."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.builders.sink import Sink, open_sink
from tests.builders.system import System, open_system
from tests.builders.traced import Collector, open_collector


@pytest.fixture(scope="session")
async def sink() -> AsyncIterator[Sink]:
    """The campaign platform behind the system."""
    async with open_sink() as opened:
        yield opened


@pytest.fixture(scope="session")
async def collector() -> AsyncIterator[Collector]:
    """Where the system tells its traces."""
    async with open_collector() as opened:
        yield opened


@pytest.fixture(scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory,
    server: str,
    kafka: str,
    sink: Sink,
    collector: Collector,
) -> AsyncIterator[System]:
    """Ingest, segmenter and dispatcher, one process each, running, with their traces on."""
    folder: Path = tmp_path_factory.mktemp("journeys")
    traced = {
        "NPS_TRACES": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        # Sent soon, so that nobody here waits for the five seconds that are usual.
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    async with open_system(folder, server, kafka, sink, environ=traced) as opened:
        await opened.start()
        yield opened


@pytest.fixture
def someone() -> Callable[[], str]:
    """Makes addresses nobody else has."""
    return lambda: f"{uuid.uuid4().hex[:12]}@example.com"
