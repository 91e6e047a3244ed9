"""How far the segmenter (by its reports) and we (on `nps.decisions`) are: fresh, or stale.

Kept in a table, so that every replica judges by all partitions and not by its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.ledger.rows import as_json
from shared.events.envelope import DECISIONS, FEEDBACK

_SAVE = text("""
    INSERT INTO progress AS p (topic, partition, partitions, upto)
    SELECT DISTINCT ON (topic, partition) topic, partition, partitions, upto
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(topic text, partition int, partitions int, upto timestamptz)
    ORDER BY topic, partition, upto DESC
    ON CONFLICT (topic, partition) DO UPDATE
        SET partitions = EXCLUDED.partitions, upto = EXCLUDED.upto
        WHERE EXCLUDED.upto > p.upto
""")
# How many partitions a topic has is what was said lately: a topic made anew with fewer (as on a
# move to another bus) would else wait for ever for those that are gone. The greatest of what was
# said: while some replicas do not know of a new partition yet, it is missing.
_READ = text("""
    WITH newest AS (
        SELECT topic, max(upto) AS upto FROM progress GROUP BY topic
    ), lately AS (
        SELECT p.topic, max(p.partitions) AS partitions
        FROM progress p JOIN newest n ON n.topic = p.topic AND p.upto > n.upto - interval '10 min'
        GROUP BY p.topic
    )
    SELECT p.topic, l.partitions, count(*) AS told, min(p.upto) AS upto
    FROM progress p JOIN lately l ON l.topic = p.topic AND p.partition < l.partitions
    GROUP BY p.topic, l.partitions ORDER BY p.topic
""")
#: Without a word about these, state cannot be called fresh.
_REQUIRED: Final = (DECISIONS, FEEDBACK)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one partition is handled."""

    topic: str
    partition: int
    partitions: int
    upto: datetime


@dataclass(frozen=True, slots=True)
class TopicReach:
    """How far a whole topic is: of how many partitions we heard, and the oldest word."""

    topic: str
    partitions: int
    told: int
    upto: datetime


def stale(reaches: Sequence[TopicReach], now: datetime, max_staleness: timedelta) -> str | None:
    """Say why customer state may be out of date; None: it is fresh. Pure."""
    told = {reach.topic: reach for reach in reaches}
    for topic in _REQUIRED:
        if topic not in told:
            return f"nothing is heard about {topic}"
    for reach in reaches:
        if reach.told < reach.partitions:
            return f"{reach.topic}: {reach.told} of {reach.partitions} partitions are heard of"
        if reach.upto < now - max_staleness:
            return f"{reach.topic} is more than {max_staleness.total_seconds():g} s behind"
    return None


async def save(connection: AsyncConnection, reaches: Iterable[Reach]) -> None:
    """Keep the newest word of each partition."""
    rows = as_json(list(reaches))
    if rows != "[]":
        await connection.execute(_SAVE, {"rows": rows})


async def read(connection: AsyncConnection) -> list[TopicReach]:
    """Return how far every topic is."""
    rows = await connection.execute(_READ)
    return [TopicReach(row.topic, row.partitions, row.told, row.upto) for row in rows]
