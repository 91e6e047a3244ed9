"""What a batch costs does not grow with the base: each row is found by an index."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as on
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import connect
from tests.bench.backlog import people, seed
from tests.builders.facts import NOON, Shelf, answered, handler, received
from tests.builders.segmenting import engine, rows

__all__ = ["engine"]

CUSTOMERS = 20_000
MINUTE = timedelta(minutes=1)
#: As many of everything else: a decided answer of each with its timer, as many merged away and
#: forgotten. Of a table that fits a few pages the planner rightly reads all.
_FILL = (
    """INSERT INTO facts
       SELECT md5('event ' || n)::uuid, md5('bench ' || n)::uuid, 'survey.response.received', :at,
              n::text, 1, :at, '{}', 'shop' FROM generate_series(1, :n) AS n""",
    """INSERT INTO decisions
       SELECT md5('event ' || n)::uuid, md5('decision ' || n)::uuid, md5('bench ' || n)::uuid, 1,
              'survey.response.received', :at, '{}' FROM generate_series(1, :n) AS n""",
    """INSERT INTO timers
       SELECT 'settle', md5('bench ' || n)::uuid, 1, :at, 'closed', n::text
       FROM generate_series(1, :n) AS n""",
    """INSERT INTO answers
       SELECT 'shop', 'relational', n::text, md5('bench ' || n)::uuid, 'nps', 8, :at, true, false,
              '{}' FROM generate_series(1, :n) AS n""",
    """INSERT INTO aliases
       SELECT md5('gone ' || n)::uuid, md5('bench ' || n)::uuid, :at, md5('event ' || n)::uuid
       FROM generate_series(1, :n) AS n""",
    "INSERT INTO tombstones SELECT md5('person ' || n), :at FROM generate_series(1, :n) AS n",
)
Told = tuple[str, Sequence[Any]]


@contextmanager
def listening(engine: AsyncEngine) -> Iterator[list[Told]]:
    """Every statement that the engine runs meanwhile, with its parameters."""
    told: list[Told] = []

    def keep(
        _c: object, _cursor: object, statement: str, values: Sequence[Any], *_: object
    ) -> None:
        told.append((statement, values))

    on.listen(engine.sync_engine, "before_cursor_execute", keep)
    yield told
    on.remove(engine.sync_engine, "before_cursor_execute", keep)


@pytest.fixture
async def base(database: str) -> None:
    """A base of some size, and the planner knows it."""
    await seed(database, CUSTOMERS, NOON)
    owner = connect(database, "segmenter")
    async with owner.begin() as connection:
        for statement in _FILL:
            await connection.execute(text(statement), {"n": CUSTOMERS, "at": NOON})
        await connection.execute(text("ANALYZE"))
    await owner.dispose()


@pytest.mark.usefixtures("base")
async def test_no_statement_of_a_batch_reads_a_table_from_end_to_end(engine: AsyncEngine) -> None:
    """A batch about known and new customers finds every row that it reads or writes by an index."""
    known = [str(people(number)[-1].value) for number in range(1, 21)]
    told = [answered(f"r{email}", 3, email=email) for email in (*known, "new@example.com")]
    with listening(engine) as statements:
        await handler(engine, Shelf())(received(*told))
    async with engine.connect() as connection:
        plans = {
            statement: [
                row[0]
                for row in await connection.exec_driver_sql(f"EXPLAIN {statement}", tuple(values))
            ]
            for statement, values in statements
            if statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE"))
        }
    assert len(plans) > 12
    assert [line for plan in plans.values() for line in plan if "Seq Scan" in line] == []


async def test_a_batch_costs_as_many_statements_however_large_it_is(engine: AsyncEngine) -> None:
    """One for each kind of thing, in one transaction; of a customer one row, however often told."""
    handle = handler(engine, Shelf())
    await handle(received(*(answered(f"r{n}", 9, email=f"c{n}@example.com") for n in range(31))))
    commits: list[object] = []

    def ended(connection: object) -> None:
        commits.append(connection)

    on.listen(engine.sync_engine, "commit", ended)
    asked: list[list[Told]] = []
    for who, times in ((range(1), 1), (range(1, 31), 4)):
        known = (f"c{n}@example.com" for n in who)
        new = (f"new{n}@example.com" for n in who)
        told = [
            answered(f"{email} {time}", 3, email=email, received=NOON + time * MINUTE)
            for email in (*known, *new)
            for time in range(times)
        ]
        with listening(engine) as statements:
            await handle(received(*told))
        asked.append(statements)
    on.remove(engine.sync_engine, "commit", ended)
    few, many = ([statement for statement, _ in statements] for statements in asked)
    assert (few, len(commits)) == (many, 2)
    # Who was merged is asked twice: before the customers are locked, and with the locks.
    assert len(few) - len(set(few)) == 1
    written = {
        words[1 if words[0] == "UPDATE" else 2]: values[0]
        for words, values in ((statement.split(), values) for statement, values in asked[1])
        if any("_row[]" in word for word in words)
    }
    # Of what is named by several columns, the columns; in their order locks are asked for.
    keys = {
        table: [row[:3] if table in {"timers", "answers"} else row[0] for row in values]
        for table, values in written.items()
    }
    timers = keys.pop("timers")
    assert {table: len(rows) for table, rows in keys.items()} == {
        "facts": 240,
        "profiles": 60,
        "decisions": 240,
        "answers": 240,
    }
    for rows_of in (*keys.values(), timers):
        assert rows_of == sorted(set(rows_of))


async def test_large_values_are_compressed_by_lz4_where_the_server_has_it(
    engine: AsyncEngine,
) -> None:
    """A server built with lz4 compresses stored decisions and profiles by it; another as it can."""
    known = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    [(has,)] = await rows(engine, known)
    asked = """
        SELECT attcompression::text FROM pg_attribute
        WHERE (attrelid, attname) IN (('decisions'::regclass, 'payload'),
                                      ('profiles'::regclass, 'state'))
    """
    assert await rows(engine, asked) == [("l" if has else "",)] * 2
