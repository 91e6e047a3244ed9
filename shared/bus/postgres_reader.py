"""Reading a topic of the PostgreSQL log outside of any group, up to its end as it is now."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.port import Partition, Record
from shared.bus.postgres_publisher import unpack_headers
from shared.database import away_as_dependency

#: The largest records have 2 MiB: this bounds what is in memory.
_AT_A_TIME: Final = 20

_END: Final = text("SELECT next_offset FROM topics WHERE topic = :topic")
_READ: Final = text("""
    SELECT "offset", key, value, headers, at FROM records
    WHERE topic = :topic AND "offset" >= :position AND "offset" < :end
    ORDER BY "offset" LIMIT :most
""")


async def read(engine: AsyncEngine, topic: str) -> AsyncGenerator[Record, None]:
    """Give each record, oldest first. Raises `DependencyAway`."""
    with away_as_dependency():
        async with engine.connect() as connection:
            end = await connection.scalar(_END, {"topic": topic})
    position, partition = 0, Partition(topic, 0)
    while rows := await _some(engine, topic, position, end or 0):
        for row in rows:
            yield Record(
                partition, row.offset, row.key, row.value, row.at, unpack_headers(row.headers)
            )
        position = rows[-1].offset + 1


async def _some(engine: AsyncEngine, topic: str, position: int, end: int) -> list[Row[Any]]:
    known = {"topic": topic, "position": position, "end": end, "most": _AT_A_TIME}
    with away_as_dependency():
        async with engine.connect() as connection:
            return list(await connection.execute(_READ, known))
