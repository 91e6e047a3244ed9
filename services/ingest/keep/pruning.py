"""Deleting what is past its time, in steps that each stay short.

A day of mistakes may leave millions of rows; one statement over all of them would run into the
time limit of statements each time, and nothing would ever be deleted.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import away_as_dependency

STEP: Final = 5000


async def prune(engine: AsyncEngine, table: str, moment: str, before: datetime) -> int:
    """Delete the rows of a table whose column `moment` is before; returns how many.

    Table and column are names of ours. Raises `DependencyAway`; asked again it goes on.
    """
    # The second look at the time spares a row that was changed meanwhile.
    statement = text(f"""
        DELETE FROM {table} WHERE {moment} < :before AND ctid = ANY(ARRAY(
            SELECT ctid FROM {table} WHERE {moment} < :before ORDER BY {moment} LIMIT :most
        ))
    """)  # noqa: S608 - constants of the callers
    deleted, count = 0, STEP
    while count == STEP:
        with away_as_dependency():
            async with engine.begin() as connection:
                asked = {"before": before, "most": STEP}
                count = (await connection.execute(statement, asked)).rowcount
        deleted += count
    return deleted
