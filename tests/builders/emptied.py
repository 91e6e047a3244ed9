"""One database for all ingest tests of a file, emptied before each: making one takes far longer."""

from collections.abc import AsyncIterator

import pytest

from tests.builders.ingest_store import emptied
from tests.builders.postgres import bare_database


@pytest.fixture(scope="module")
async def file_database(server: str, template: str) -> AsyncIterator[str]:
    """The URL of one migrated database for all tests of a file, as superuser."""
    async with bare_database(server, template=template) as url:
        yield url


@pytest.fixture
async def emptied_database(file_database: str) -> str:
    """The file's database, with nothing in ingest's stores and on the log."""
    return await emptied(file_database)
