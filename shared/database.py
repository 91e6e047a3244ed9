"""PostgreSQL as the services see it: one engine per service, a schema and a role each.

In: a URL (`postgresql+asyncpg://user:password@host/name`, or `…@/name?host=/socket/folder`) and the
name of the service's schema. Out: an engine whose sessions act as that schema's role and see that
schema first, migrations run under a lock, and connection troubles told as `DependencyAway`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from alembic import command, context
from alembic.config import Config
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.errors import ConfigError, DependencyAway

#: Schema → where its migrations live, beside the code that owns the tables.
SCHEMAS: Final[dict[str, str]] = {
    "ingest": "services/ingest/migrations",
    "segmenter": "services/segmenter/migrations",
    "dispatcher": "services/dispatcher/migrations",
    "bus": "shared/bus/migrations",
}
_ROOT = Path(__file__).resolve().parent.parent

#: SQLSTATE classes that say "not now": connection, shutdown or start-up, resources, rolled back by
#: a deadlock or a serialization failure. The same transaction succeeds when repeated.
_PASSING: Final = ("08", "57P", "53", "40P01", "40001", "55P03")


def role_of(schema: str) -> str:
    """Name the role that owns a schema."""
    return f"nps_{schema}"


def parsed(url: str) -> URL:
    """Read `NPS_DATABASE_URL`; `postgresql://` means our driver. Raises `ConfigError`."""
    form = "write it as postgresql+asyncpg://user:password@host:5432/name"
    if not url:
        raise ConfigError(f"NPS_DATABASE_URL is not set: {form}")
    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"NPS_DATABASE_URL is no database URL: {form}") from None
    if read.drivername in ("postgresql", "postgres"):
        read = read.set(drivername="postgresql+asyncpg")
    if read.drivername != "postgresql+asyncpg":
        raise ConfigError(f"NPS_DATABASE_URL names a database that is not PostgreSQL: {form}")
    return read


def connect(url: str, schema: str, *, connections: int = 10) -> AsyncEngine:
    """Build the engine of one service (nothing connects yet).

    Raises `ConfigError` for a URL that is none. Errors never show the values of a statement, which
    may be personal. The login role must be the schema's role or a member of it. A statement that
    runs over 30 s or a transaction idle for 60 s is ended by the server, so a stuck peer cannot
    hold rows for ever.
    """
    return create_async_engine(
        parsed(url),
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "role": role_of(schema),
                "search_path": schema,
                "application_name": f"nps-{schema}",
                "statement_timeout": "30s",
                "idle_in_transaction_session_timeout": "60s",
            },
        },
    )


@contextmanager
def away_as_dependency() -> Iterator[None]:
    """Turn passing database troubles into `DependencyAway`; everything else passes through."""
    try:
        yield
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        lost = isinstance(error, InterfaceError | OperationalError) and not state
        if error.connection_invalidated or lost or state.startswith(_PASSING):
            raise DependencyAway(f"database: {type(error.orig).__name__}") from error
        raise
    except (OSError, TimeoutError, PoolTimeoutError) as error:
        raise DependencyAway(f"database: {type(error).__name__}") from error


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    with away_as_dependency():
        async with engine.begin() as connection:
            yield connection


#: SQLSTATE (or its class) → what a person does about it.
_REFUSALS: Final = {
    "28": "correct user and password in NPS_DATABASE_URL",
    "3D000": "create the database, or correct its name in NPS_DATABASE_URL",
    "22023": "run `python -m services provision` as someone who may create roles",
    "42501": "let this login be the schema's role: run `python -m services provision`",
    "3F000": "run `python -m services provision`, then `python -m services migrate`",
    "42P01": "run the migrations: `python -m services migrate`",
}


def refused_by_database(error: Exception) -> str | None:
    """Say what to do about a database that does not know us or our tables; None for a bug."""
    if not isinstance(error, DBAPIError):
        return None
    state = str(getattr(error.orig, "sqlstate", None) or "")
    fix = _REFUSALS.get(state) or _REFUSALS.get(state[:2])
    return fix and f"the database refuses (SQLSTATE {state}): {fix}"


async def provision(admin_url: str, passwords: Mapping[str, str] | None = None) -> None:
    """Create each schema with its role; safe to repeat.

    `admin_url` logs in as someone who may create roles; `passwords` (schema → password) makes the
    roles able to log in by themselves, as separate processes need.
    """
    engine = create_async_engine(parsed(admin_url), hide_parameters=True, poolclass=NullPool)
    try:
        async with _transaction(engine) as connection:
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext('nps provision'))")
            )
            for schema in SCHEMAS:
                role = role_of(schema)
                known = await connection.scalar(
                    text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}
                )
                if not known:
                    await connection.execute(text(f'CREATE ROLE "{role}" NOLOGIN'))
                if password := (passwords or {}).get(schema):
                    # ALTER ROLE takes no parameters; format() with %L quotes the secret.
                    statement = await connection.scalar(
                        text(
                            "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', :r ::text, :p ::text)"
                        ),
                        {"r": role, "p": password},
                    )
                    await connection.exec_driver_sql(str(statement))
                await connection.execute(text(f'GRANT "{role}" TO CURRENT_USER'))
                await connection.execute(
                    text(f'CREATE SCHEMA IF NOT EXISTS "{schema}" AUTHORIZATION "{role}"')
                )
    finally:
        await engine.dispose()


async def migrate(url: str, schema: str) -> None:
    """Bring one schema to its newest migration; replicas that start together take turns.

    So do the schemas: Alembic keeps the migration under way in a global of the process, and all
    services may be in one. A migration may take its time, and so may waiting for another's.
    """
    engine = connect(url, schema, connections=1)
    config = Config()
    config.set_main_option("script_location", str(_ROOT / SCHEMAS[schema]))

    def upgrade(connection: Connection) -> None:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('nps migrate'))"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = schema
        command.upgrade(config, "head")

    try:
        async with _transaction(engine) as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


def run_migrations() -> None:
    """Serve as the body of every `migrations/env.py`: use the connection that `migrate` opened."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"], version_table_schema=attributes["schema"]
    )
    context.run_migrations()
