"""Looking for words in every column of every table: what an erasure must leave nothing of."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_COLUMNS = text("""
    SELECT c.table_schema, c.table_name, c.column_name, c.data_type
    FROM information_schema.columns c JOIN information_schema.tables t
        ON t.table_schema = c.table_schema AND t.table_name = c.table_name
    WHERE t.table_type = 'BASE TABLE' AND c.table_schema = ANY(CAST(:schemas AS text[]))
    ORDER BY 1, 2, c.ordinal_position
""")


async def found(url: str, schemas: Iterable[str], words: Sequence[str]) -> dict[str, set[str]]:
    """Map `schema.table.column` to the words that are in it, in whatever case; bytes as well.

    `url` is a superuser's. Fails when a schema has no column to look at.
    """
    engine = create_async_engine(url, poolclass=NullPool)
    hits: dict[str, set[str]] = {}
    try:
        async with engine.connect() as connection:
            wanted = sorted(schemas)
            columns = (await connection.execute(_COLUMNS, {"schemas": wanted})).all()
            assert {column.table_schema for column in columns} == set(wanted)
            for schema, table, column, kind in columns:
                shown = f'"{column}"::text'
                if kind == "bytea":
                    # Every byte that is no letter becomes \\nnn: the words themselves stay.
                    shown = f"encode(\"{column}\", 'escape')"
                statement = text(f"""
                    SELECT w FROM unnest(CAST(:words AS text[])) AS w WHERE EXISTS (
                        SELECT 1 FROM "{schema}"."{table}"
                        WHERE strpos(lower({shown}), lower(w)) > 0)
                """)
                seen = set(await connection.scalars(statement, {"words": list(words)}))
                if seen:
                    hits[f"{schema}.{table}.{column}"] = seen
    finally:
        await engine.dispose()
    return hits
