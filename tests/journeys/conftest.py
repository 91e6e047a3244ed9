"""One running system for all journeys; each journey brings customers of its own."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.builders.sink import Sink, open_sink
from tests.builders.system import System, open_system


@pytest.fixture(scope="session")
async def sink() -> AsyncIterator[Sink]:
    """The campaign platform behind the system."""
    async with open_sink() as opened:
        yield opened


@pytest.fixture(scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory, server: str, kafka: str, sink: Sink
) -> AsyncIterator[System]:
    """Ingest, segmenter and dispatcher, one process each, running."""
    folder: Path = tmp_path_factory.mktemp("journeys")
    async with open_system(folder, server, kafka, sink) as opened:
        await opened.start()
        yield opened


@pytest.fixture
def someone() -> Callable[[], str]:
    """Makes addresses nobody else has."""
    return lambda: f"{uuid.uuid4().hex[:12]}@example.com"
