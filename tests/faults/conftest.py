"""Every fault gets a system, and a platform behind it, of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders.sink import Sink, open_sink
from tests.builders.system import System, open_system


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """The campaign platform behind the system."""
    async with open_sink() as opened:
        yield opened


@pytest.fixture
async def system(tmp_path: Path, server: str, kafka: str, sink: Sink) -> AsyncIterator[System]:
    """A prepared system; the test starts and kills its processes."""
    async with open_system(tmp_path, server, kafka, sink) as opened:
        yield opened
