"""One database for all ingest tests of a file, emptied before each: making one takes far longer."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import connect
from tests.builders.ingest import Ingest
from tests.builders.ingest_store import emptied
from tests.builders.postgres import bare_database
from tests.builders.remapping import mapped_by


@pytest.fixture(scope="module")
async def file_database(server: str, template: str) -> AsyncIterator[str]:
    """The URL of one migrated database for all tests of a file, as superuser."""
    async with bare_database(server, template=template) as url:
        yield url


@pytest.fixture
async def emptied_database(file_database: str) -> str:
    """The file's database, with nothing in ingest's stores and on the log."""
    return await emptied(file_database)


@pytest.fixture
async def ingest_engine(emptied_database: str) -> AsyncIterator[AsyncEngine]:
    """Access to ingest's tables, as ingest has it."""
    made = connect(emptied_database, "ingest", connections=3)
    yield made
    await made.dispose()


@pytest.fixture
async def ingest(
    emptied_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ingest]:
    """A running ingest with the one source."""
    async with mapped_by(emptied_database, tmp_path_factory.mktemp("config")) as running:
        yield running
