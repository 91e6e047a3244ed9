"""What deleting by age promises: however much there is, no statement is long."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.fetches import Fetches
from services.ingest.keep.bodies_table import BodiesTable
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.spool_table import SpoolTable
from shared.database import connect
from tests.builders.ingest_store import ROUTE_KEY

BEFORE = datetime(2026, 11, 22, tzinfo=UTC)
#: All are old but the last one.
MANY = """
    FROM generate_series(1, 12001) AS n,
         LATERAL (SELECT CASE n WHEN 12001 THEN timestamptz '2026-11-22 00:00Z'
                                ELSE timestamptz '2026-11-01 00:00Z' END AS moment) AS made
"""


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """Ingest's own schema."""
    made = connect(database, "ingest", connections=2)
    yield made
    await made.dispose()


@pytest.mark.parametrize(
    ("table", "filled", "prune"),
    [
        pytest.param(
            "quarantine",
            "INSERT INTO quarantine (id, source, received_at, path, rule, mapping, content_type,"
            " body) SELECT gen_random_uuid(), 's', moment, '', '', '', '', ''",
            lambda engine: Quarantine(engine, route_key=ROUTE_KEY).prune(BEFORE),
            id="quarantine",
        ),
        pytest.param(
            "bodies",
            "INSERT INTO bodies (source, received_at, mapping, content_type, headers, query,"
            " event_ids, people, body) SELECT 's', moment, '', '', '{}', '', '{}', '{}', ''",
            lambda engine: BodiesTable(engine).prune(BEFORE),
            id="bodies",
        ),
        pytest.param(
            "spool_dead",
            "INSERT INTO spool_dead (event_id, topic, key, value, people, spooled_at, died_at,"
            " reason) SELECT gen_random_uuid(), '', '', '', '{}', moment, moment, ''",
            lambda engine: SpoolTable(engine).prune(BEFORE),
            id="what no bus takes",
        ),
        pytest.param(
            "fetches",
            "INSERT INTO fetches (source, survey, response_id, variables, occurred_at,"
            " received_at, closed_at) SELECT 's', 's', n, '{}', moment, moment, moment",
            lambda engine: Fetches(engine).prune(BEFORE),
            id="fetches",
        ),
        pytest.param(
            "fetch_told",
            "INSERT INTO fetch_told (event_id, told_at) SELECT gen_random_uuid(), moment",
            lambda engine: Accounts(engine).forget(BEFORE),
            id="told events",
        ),
    ],
)
async def test_what_is_old_goes_in_short_steps(
    engine: AsyncEngine,
    table: str,
    filled: str,
    prune: Callable[[AsyncEngine], Awaitable[int]],
) -> None:
    """Millions of rows in one statement would end in its time limit, again every hour."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql(filled + MANY)
    deletions: list[int] = []

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def note(_connection: Any, cursor: Any, statement: str, *_more: Any) -> None:
        if statement.strip().startswith(f"DELETE FROM {table}"):
            deletions.append(cursor.rowcount)

    assert await prune(engine) == 12000
    assert deletions == [5000, 5000, 2000]
    async with engine.connect() as connection:
        left = await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")
        assert left.scalar() == 1
