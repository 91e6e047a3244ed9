"""The embedded PostgreSQL keeps what it was given and leaves nothing running."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.embedded import EmbeddedPostgres
from shared.embedded.account import choose
from shared.errors import ConfigError
from tests.builders.postgres import permissions, read_sql, run_sql
from tests.builders.waiting import eventually

#: A parent that starts the server of a folder, says so, and lives until it is told or killed.
PARENT = """
import asyncio, sys
from pathlib import Path
from shared.embedded import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
    print(await postgres.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()

asyncio.run(main())
"""


@asynccontextmanager
async def parent_of(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Start the server of `folder` in another process; gives that process and the server's URL."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        yield parent, (await parent.stdout.readline()).decode().strip()
    finally:
        parent.stdin.close()
        with suppress(ProcessLookupError):
            await parent.wait()


def running_on(folder: Path) -> list[int]:
    """List the processes that work in the folder's cluster."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.joinpath("cwd").samefile(folder / "pgdata"):
                found.append(int(process.name))
    return found


async def test_a_stop_leaves_no_process_and_a_second_start_continues(
    own_postgres: EmbeddedPostgres,
) -> None:
    """What was committed before a stop is there after the next start, under the same URL."""
    url = await own_postgres.start()
    await run_sql(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    assert running_on(own_postgres.folder)
    await own_postgres.stop()
    assert running_on(own_postgres.folder) == []
    assert await own_postgres.start() == url
    assert await read_sql(url, "SELECT n FROM kept") == [(7,)]


async def test_nothing_listens_on_tcp_and_the_socket_is_private(
    own_postgres: EmbeddedPostgres,
) -> None:
    """The trusted superuser can be reached by the account of the server (and root) only."""
    url = await own_postgres.start()
    assert await read_sql(url, "SHOW listen_addresses") == [("",)]
    [(socket,)] = await read_sql(url, "SHOW unix_socket_directories")
    assert permissions(Path(str(socket))) == 0o700
    assert permissions(own_postgres.folder) == 0o700


@pytest.mark.parametrize(
    ("durable", "fsync"),
    [pytest.param(True, "on", id="product"), pytest.param(False, "off", id="tests")],
)
async def test_only_a_server_of_the_tests_may_forget(
    reachable_folder: Path, durable: bool, fsync: str
) -> None:
    """In product use a commit is on the disk when it returns; a server of the tests may lose it to
    a power cut, though not to a kill."""
    postgres = EmbeddedPostgres(reachable_folder / f"durable-{fsync}", durable=durable)
    try:
        url = await postgres.start()
        assert await read_sql(url, "SHOW fsync") == [(fsync,)]
        assert await read_sql(url, "SHOW full_page_writes") == [(fsync,)]
        assert await read_sql(url, "SHOW synchronous_commit") == [("on",)]
        assert await read_sql(url, "SHOW server_encoding") == [("UTF8",)]
        assert await read_sql(url, "SHOW lc_messages") == [("C",)]
    finally:
        await postgres.stop()


async def test_the_log_holds_no_row_and_no_statement(own_postgres: EmbeddedPostgres) -> None:
    """PostgreSQL would log the values of a broken constraint and the text of a failed statement."""
    url = await own_postgres.start()
    await run_sql(url, "CREATE TABLE known (address text PRIMARY KEY)")
    insert = "INSERT INTO known VALUES ('ann@example.com')"
    await run_sql(url, insert)
    with pytest.raises(IntegrityError):
        await run_sql(url, insert)
    await own_postgres.stop()
    log = (own_postgres.folder / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert "ann@" not in log
    assert "INSERT" not in log


async def test_a_server_that_outlived_its_killed_parent_is_adopted(
    own_postgres: EmbeddedPostgres,
) -> None:
    """After kill -9 of the parent the next start takes the same server over, and can stop it."""
    async with parent_of(own_postgres.folder) as (parent, url):
        await run_sql(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        [(before,)] = await read_sql(url, "SELECT pg_postmaster_start_time()")
        parent.kill()
        await parent.wait()
    assert running_on(own_postgres.folder)
    assert await own_postgres.start() == url
    assert await read_sql(url, "SELECT pg_postmaster_start_time()") == [(before,)]
    assert await read_sql(url, "SELECT n FROM kept") == [(7,)]
    await own_postgres.stop()
    assert running_on(own_postgres.folder) == []


async def test_a_folder_in_use_by_another_process_is_refused(
    own_postgres: EmbeddedPostgres,
) -> None:
    """Two owners would stop the server under each other; the second is told, the first unharmed."""
    async with parent_of(own_postgres.folder) as (_, url):
        with pytest.raises(ConfigError, match="another process is running the database"):
            await own_postgres.start()
        await own_postgres.stop()
        assert await read_sql(url, "SELECT 1") == [(1,)]
    assert running_on(own_postgres.folder) == []


async def test_a_killed_server_recovers_every_acknowledged_row(
    own_postgres: EmbeddedPostgres,
) -> None:
    """After kill -9 of postgres in the middle of writing, no row whose commit returned is gone."""
    url = await own_postgres.start()
    await run_sql(url, "CREATE TABLE written (n int)")
    acknowledged = 0

    async def write() -> None:
        nonlocal acknowledged
        engine = create_async_engine(url, poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                while True:
                    await connection.execute(
                        text("INSERT INTO written VALUES (:n)"), {"n": acknowledged + 1}
                    )
                    await connection.commit()
                    acknowledged += 1
        except (SQLAlchemyError, OSError):
            return
        finally:
            await engine.dispose()

    async def enough() -> bool:
        return acknowledged >= 100

    writer = asyncio.create_task(write())
    await eventually(enough, what="a hundred commits")
    assert own_postgres.pid is not None
    os.kill(own_postgres.pid, 9)
    await writer
    await own_postgres.stop()
    assert await own_postgres.start() == url
    rows = [n for (n,) in await read_sql(url, "SELECT n FROM written ORDER BY n")]
    assert rows == list(range(1, len(rows) + 1))
    assert len(rows) >= acknowledged


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the server's own account that is nobody's business."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **choose(None).run_as) as cat:
        yield cat
        cat.kill()


async def test_a_recycled_pid_is_not_taken_for_the_server(
    own_postgres: EmbeddedPostgres, innocent: subprocess.Popen[bytes]
) -> None:
    """A note left by a dead server whose pid another process has now neither stops the start
    nor costs that process its life."""
    folder = own_postgres.folder
    await own_postgres.start()
    note = (folder / "pgdata" / "postmaster.pid").read_text()
    await own_postgres.stop()
    lines = note.splitlines()
    recycled = "\n".join([str(innocent.pid), *lines[1:]]) + "\n"
    (folder / "pgdata" / "postmaster.pid").write_text(recycled)
    (folder / "socket" / ".s.PGSQL.5432.lock").write_text(recycled)
    url = await own_postgres.start()
    assert await read_sql(url, "SELECT 1") == [(1,)]
    await own_postgres.stop()
    assert innocent.poll() is None


async def test_an_interrupted_first_start_is_begun_anew(own_postgres: EmbeddedPostgres) -> None:
    """A kill while the cluster was made leaves nothing that looks whole, and no litter."""
    folder = own_postgres.folder
    unfinished = folder / "pgdata.unfinished.1"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    url = await own_postgres.start()
    assert await read_sql(url, "SELECT 1") == [(1,)]
    assert not unfinished.exists()


async def test_a_start_waits_for_the_children_of_a_killed_server(
    own_postgres: EmbeddedPostgres,
) -> None:
    """A backend in the middle of a computation outlives its killed server for a moment; starting
    beside it would ruin the data, refusing to start would need a person."""
    url = await own_postgres.start()

    async def compute() -> None:
        # Some tenths of a second of pure computation, in which nothing else is noticed.
        with suppress(SQLAlchemyError, OSError):
            await read_sql(url, "SELECT count(*) FROM generate_series(1, 3000000)")

    async def computes() -> bool:
        active = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count%'"
        return bool(await read_sql(url, active))

    computing = asyncio.create_task(compute())
    await eventually(computes, what="the computation")
    assert own_postgres.pid is not None
    os.kill(own_postgres.pid, 9)
    await own_postgres.stop()
    assert await own_postgres.start() == url
    await computing
    assert await read_sql(url, "SELECT 1") == [(1,)]
