"""A real PostgreSQL for the tests: one server, and a fresh, migrated database for each test.

`NPS_TEST_DATABASE_URL` (a superuser's URL, `postgresql+asyncpg://…`) chooses a running server
instead of the embedded one.
"""

import os
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.database import SCHEMAS, migrate, provision
from shared.embedded import EmbeddedPostgres
from shared.embedded.account import choose

#: Waits until we end, however we end, then stops the servers we left and removes the folder.
_GUARD = """
read -r _
for pid_file in "$1"/*/pgdata/postmaster.pid; do
  [ -f "$pid_file" ] || continue
  pid=$(head -n 1 "$pid_file")
  kill -QUIT "$pid" 2>/dev/null && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
done
rm -rf "$1"
"""
ROOT = Path(__file__).resolve().parent.parent.parent


def in_database(url: str, name: str) -> str:
    """Give the URL of another database on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def permissions(path: Path) -> int:
    """Take the permission bits of a file or folder."""
    return path.stat().st_mode & 0o777


async def run_sql(url: str, *statements: str) -> None:
    """Run statements one by one, each in its own transaction, on a connection of their own."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def read_sql(url: str, query: str) -> list[tuple[object, ...]]:
    """Run one query on a connection of its own."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]
    finally:
        await engine.dispose()


def has_migrations(schema: str) -> bool:
    """Tell whether a schema has any migration yet."""
    return any((ROOT / SCHEMAS[schema] / "versions").glob("*.py"))


@asynccontextmanager
async def bare_database(server: str, template: str = "template1") -> AsyncIterator[str]:
    """Make a database, give its URL, and drop it whoever is still connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await run_sql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield in_database(server, name)
    finally:
        await run_sql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """A new folder for data folders that any account can enter (pytest's own are private)."""
    account = choose(None)
    public = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    place = next(path for path in public if account.first_unreachable(path) is None)
    folder = Path(tempfile.mkdtemp(prefix="nps-", dir=place))
    folder.chmod(0o755)
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    yield folder
    guard.communicate()


@pytest.fixture(scope="session")
async def server(reachable_folder: Path) -> AsyncIterator[str]:
    """The URL of the session's PostgreSQL server, as superuser."""
    if url := os.environ.get("NPS_TEST_DATABASE_URL"):
        yield url
        return
    postgres = EmbeddedPostgres(reachable_folder / "session", durable=False)
    url = await postgres.start()
    try:
        yield url
    finally:
        await postgres.stop()


@pytest.fixture(scope="session")
async def template(server: str) -> AsyncIterator[str]:
    """The name of a database with every schema migrated, to be copied and never connected to."""
    async with bare_database(server) as url:
        await provision(url)
        for schema in SCHEMAS:
            if has_migrations(schema):
                await migrate(url, schema)
        yield str(make_url(url).database)


@pytest.fixture
async def database(server: str, template: str) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database of this test alone, as superuser."""
    async with bare_database(server, template=template) as url:
        yield url


@pytest.fixture
async def own_postgres(reachable_folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test alone, not yet started; `pid` is the process to kill."""
    postgres = EmbeddedPostgres(reachable_folder / uuid.uuid4().hex[:12], durable=False)
    try:
        yield postgres
    finally:
        await postgres.stop()
