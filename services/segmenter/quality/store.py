"""Data quality in the database: how many of what, whom, and which pairs, as the sweep left it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.quality.quality import FLAGS, Kind, ReasonCode, Twins

FIRST: Final = UUID(int=0)
_FLAGGED: Final = ", ".join(f"count(*) FILTER (WHERE {flag}) AS {flag}" for flag in FLAGS)
_COUNT: Final = text(f"""
    SELECT count(*) FILTER (WHERE known) AS customers, {_FLAGGED},
           count(*) FILTER (WHERE oldest_yes < :stale_before) AS stale_consent,
           (SELECT count(*) FROM suspects) AS suspected_duplicates
    FROM people
""")  # noqa: S608 - names of columns
_KEEP: Final = text("UPDATE sweeps SET summary = CAST(:summary AS jsonb)")
_SUMMARY: Final = text("""
    SELECT summary_as_of, as_of, customers, CAST(summary AS text) AS summary FROM sweeps
""")
_IS: Final[dict[Kind, str]] = {
    **{flag: flag for flag in FLAGS},
    "stale_consent": "oldest_yes < :stale_before",
}
_LIST: Final = {
    kind: text(f"""
        SELECT customer_id FROM people WHERE customer_id > :after AND {condition}
        ORDER BY customer_id LIMIT :most
    """)  # noqa: S608
    for kind, condition in _IS.items()
}
_PAIRS: Final = text("""
    SELECT customer_id, other_id, reasons, confidence FROM suspects
    WHERE (customer_id, other_id) > (CAST(:one AS uuid), CAST(:other AS uuid))
      AND confidence >= :least
    ORDER BY customer_id, other_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Summary:
    """How many customers have what; `stale_before` says which consents counted as old."""

    as_of: datetime
    customers: int
    counts: dict[Kind, int]
    suspected_duplicates: int
    stale_before: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """Not everybody was read yet: so many were."""

    customers: int


async def summarise(connection: AsyncConnection, stale_before: datetime) -> None:
    """Count everybody as she was read, and keep the counts."""
    row = (await connection.execute(_COUNT, {"stale_before": stale_before})).one()
    kept = {**row._asdict(), "stale_before": stale_before}
    await connection.execute(_KEEP, {"summary": orjson.dumps(kept).decode()})


async def summary(connection: AsyncConnection) -> Summary | Unread:
    """Read the counts that the sweep left."""
    row = (await connection.execute(_SUMMARY)).one_or_none()
    if row is None or row.summary_as_of is None:
        return Unread(0 if row is None else row.customers)
    kept = orjson.loads(row.summary)
    return Summary(
        row.summary_as_of,
        kept["customers"],
        {kind: kept[kind] for kind in _IS},
        kept["suspected_duplicates"],
        datetime.fromisoformat(kept["stale_before"]),
    )


async def listed(
    connection: AsyncConnection, kind: Kind, after: UUID, most: int, stale_before: datetime
) -> Sequence[UUID]:
    """List at most so many customers of one kind, in the order of their ids, after this one."""
    asked: dict[str, object] = {"after": after, "most": most}
    if kind == "stale_consent":
        asked["stale_before"] = stale_before
    return list(await connection.scalars(_LIST[kind], asked))


async def pairs(
    connection: AsyncConnection, after: tuple[UUID, UUID], most: int, least: float = 0.0
) -> Sequence[Twins]:
    """List at most so many pairs, in the order of their ids, after this one."""
    asked = {"one": after[0], "other": after[1], "most": most, "least": least}
    return [
        Twins(row.customer_id, row.other_id, _reasons(row.reasons), row.confidence)
        for row in await connection.execute(_PAIRS, asked)
    ]


def _reasons(stored: Sequence[ReasonCode]) -> tuple[ReasonCode, ...]:
    return tuple(stored)
