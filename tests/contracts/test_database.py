"""What `shared.database` promises the services, on a real PostgreSQL."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.database import SCHEMAS, away_as_dependency, connect, migrate, provision, role_of
from shared.embedded import EmbeddedPostgres
from shared.errors import DependencyAway
from tests.builders.postgres import bare_database, has_migrations, read_sql, run_sql


@asynccontextmanager
async def engine_of(url: str, schema: str) -> AsyncIterator[AsyncEngine]:
    """Build a service's engine and dispose of it."""
    engine = connect(url, schema, connections=3)
    try:
        yield engine
    finally:
        await engine.dispose()


async def execute(engine: AsyncEngine, statement: str) -> None:
    """Run one statement in a transaction of its own."""
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def test_a_service_sees_its_own_schema_first(database: str) -> None:
    """An engine built for a schema acts as that schema's role, inside it, under time limits."""
    async with engine_of(database, "segmenter") as engine, engine.connect() as connection:
        row = await connection.execute(
            text(
                "SELECT current_user, current_schema(), current_setting('statement_timeout'),"
                " current_setting('idle_in_transaction_session_timeout')"
            )
        )
        assert tuple(row.one()) == ("nps_segmenter", "segmenter", "30s", "1min")


async def test_provisioning_twice_is_harmless(database: str) -> None:
    """A second run, even at the same time as a third, keeps schemas, roles and what is in them."""
    await run_sql(database, "CREATE TABLE dispatcher.kept AS SELECT 7 AS n")
    await asyncio.gather(provision(database), provision(database))
    assert await read_sql(database, "SELECT n FROM dispatcher.kept") == [(7,)]
    owned = await read_sql(
        database, "SELECT nspname, nspowner::regrole::text FROM pg_namespace ORDER BY 1"
    )
    assert {(schema, role_of(schema)) for schema in SCHEMAS} <= set(owned)


@pytest.mark.parametrize("own", SCHEMAS)
async def test_a_role_can_use_its_schema_only(database: str, own: str) -> None:
    """A service's login reads and writes its own tables and nobody else's, nor becomes another."""
    for schema in SCHEMAS:
        async with engine_of(database, schema) as engine:
            await execute(engine, "CREATE TABLE private_rows (n int)")
    password = uuid.uuid4().hex
    await provision(database, {own: password})
    login = make_url(database).set(username=role_of(own), password=password)
    async with engine_of(login.render_as_string(hide_password=False), own) as engine:
        await execute(engine, "INSERT INTO private_rows VALUES (1)")
        for other in SCHEMAS.keys() - {own}:
            for refused in (
                f"SELECT * FROM {other}.private_rows",
                f"INSERT INTO {other}.private_rows VALUES (1)",
                f"CREATE TABLE {other}.mine (n int)",
                f"SET ROLE {role_of(other)}",
            ):
                with pytest.raises(DBAPIError, match="permission denied"):
                    await execute(engine, refused)
        with pytest.raises(DBAPIError, match="permission denied"):
            await execute(engine, "CREATE TABLE public.mine (n int)")


async def test_replicas_that_start_together_migrate_once(server: str) -> None:
    """All schemas migrated twice at the same time take turns; the later find nothing to do."""
    schemas = [schema for schema in SCHEMAS if has_migrations(schema)]
    assert schemas
    async with bare_database(server) as url:
        await provision(url)
        await asyncio.gather(*(migrate(url, schema) for schema in (*schemas, *schemas)))
        for schema in schemas:
            versions = await read_sql(url, f"SELECT version_num FROM {schema}.alembic_version")
            owners = await read_sql(
                url, f"SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = '{schema}'"
            )
            assert len(versions) == 1
            assert owners == [(role_of(schema),)]


async def refused_connection(database: str) -> None:
    """Connect to a port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with engine_of(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/nps", "bus") as engine:
            await execute(engine, "SELECT 1")


async def ended_session(database: str) -> None:
    """Use a connection whose session an administrator has ended."""
    async with engine_of(database, "bus") as engine, engine.connect() as connection:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        await run_sql(database, f"SELECT pg_terminate_backend({pid}, 5000)")
        await connection.execute(text("SELECT 1"))


async def deadlock(database: str) -> None:
    """Let two transactions wait for each other's row."""
    await run_sql(database, "CREATE TABLE rows AS SELECT generate_series(1, 2) AS n")
    engine = create_async_engine(database)
    take = text("SELECT n FROM rows WHERE n = :n FOR UPDATE")
    try:
        async with engine.connect() as one, engine.connect() as other:
            await one.execute(take, {"n": 1})
            await other.execute(take, {"n": 2})
            await asyncio.gather(one.execute(take, {"n": 2}), other.execute(take, {"n": 1}))
    finally:
        await engine.dispose()


async def lost_race(database: str) -> None:
    """Change a row that another transaction changed since this one's snapshot."""
    await run_sql(database, "CREATE TABLE rows AS SELECT 1 AS n")
    engine = create_async_engine(database, isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT n FROM rows"))
            await run_sql(database, "UPDATE rows SET n = n + 1")
            await connection.execute(text("UPDATE rows SET n = n + 1"))
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(refused_connection, id="connection refused"),
        pytest.param(ended_session, id="session ended"),
        pytest.param(deadlock, id="deadlock"),
        pytest.param(lost_race, id="serialization failure"),
    ],
)
async def test_what_passes_by_itself_is_a_dependency_away(
    database: str, trouble: Callable[[str], Awaitable[None]]
) -> None:
    """Troubles after which the same work succeeds when repeated are told as `DependencyAway`."""
    with pytest.raises(DependencyAway, match=r"^database: \w+$"), away_as_dependency():
        await trouble(database)


async def test_a_killed_server_is_a_dependency_away_until_it_is_back(
    own_postgres: EmbeddedPostgres,
) -> None:
    """On an open connection and on a new one alike; afterwards the same engine works again."""
    url = await own_postgres.start()
    await provision(url)
    async with engine_of(url, "bus") as engine:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            assert own_postgres.pid is not None
            os.kill(own_postgres.pid, 9)
            await own_postgres.stop()
            with pytest.raises(DependencyAway):
                await until_it_fails(connection)
        with pytest.raises(DependencyAway), away_as_dependency():
            await execute(engine, "SELECT 1")
        await own_postgres.start()
        await execute(engine, "SELECT 1")


def ask_for_the_password(rules: Path, role: str) -> None:
    """Have the server ask this role; the embedded one asks nobody."""
    rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")


async def test_a_new_password_is_set_at_once_and_open_connections_stay(
    own_postgres: EmbeddedPostgres,
) -> None:
    """As docs/operations.md says of changing it: only new connections need the new one."""
    url = await own_postgres.start()
    await provision(url, {"ingest": "old"})
    found = await read_sql(url, "SHOW hba_file")
    ask_for_the_password(Path(str(found[0][0])), role_of("ingest"))
    await run_sql(url, "SELECT pg_reload_conf()")

    def login(password: str) -> str:
        known = make_url(url).set(username=role_of("ingest"), password=password)
        return known.render_as_string(hide_password=False)

    async def open_with(password: str) -> None:
        async with engine_of(login(password), "ingest") as engine:
            await execute(engine, "SELECT 1")

    async with engine_of(login("old"), "ingest") as engine, engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await provision(url, {"ingest": "new"})
        await connection.execute(text("SELECT 1"))
        await open_with("new")
        with pytest.raises(DBAPIError, match="password authentication failed"):
            await open_with("old")


async def until_it_fails(connection: AsyncConnection) -> None:
    """Use a connection whose server was killed: its children notice within moments."""
    with away_as_dependency():
        while True:
            await connection.execute(text("SELECT 1"))


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        pytest.param("INSERT INTO bus.rows VALUES (1)", IntegrityError, id="broken constraint"),
        pytest.param("SELECT * FROM bus.nothing", ProgrammingError, id="our own bug"),
    ],
)
async def test_what_repeating_does_not_mend_passes_through(
    database: str, statement: str, error: type[Exception]
) -> None:
    """An integrity error or a bug is no dependency that is away: repeating it would never end."""
    await run_sql(
        database,
        "CREATE TABLE bus.rows (n int PRIMARY KEY)",
        "INSERT INTO bus.rows VALUES (1)",
        "ALTER TABLE bus.rows OWNER TO nps_bus",
    )
    async with engine_of(database, "bus") as engine:
        with pytest.raises(error), away_as_dependency():
            await execute(engine, statement)
