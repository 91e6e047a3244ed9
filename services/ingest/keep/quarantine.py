"""What was authentic and could not be understood: kept for a person, for a limited time.

In: the raw body with the path and rule that failed. Out: rows without the body for lists, and the
whole row only for whoever looks at one or maps it again. Secrets are struck out before anything is
kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep import tombstones
from services.ingest.keep.people import Whom, hashes, is_erased, message_mark
from services.ingest.keep.pruning import prune
from services.ingest.keep.redaction import redacted, redacted_headers, redacted_text
from shared.database import away_as_dependency
from shared.events.ids import name_id
from shared.times import iso

#: The same message sent again is the same row; a corrected mapping may fail at another path.
_PUT: Final = text("""
    INSERT INTO quarantine (id, source, received_at, path, rule, mapping, content_type, headers,
                            query, places, people, body)
    VALUES (:id, :source, :received_at, :path, :rule, :mapping, :content_type,
            CAST(:headers AS jsonb), :query, :places, :people, :body)
    ON CONFLICT (id) DO UPDATE
    SET path = excluded.path, rule = excluded.rule, mapping = excluded.mapping,
        places = excluded.places, people = excluded.people
""")
#: The newest first; the time bounds the search in the index, the pair makes the place exact.
_ROWS: Final = text("""
    SELECT id, source, received_at, path, rule, mapping, places FROM quarantine
    WHERE (CAST(:source AS text) IS NULL OR source = :source)
      AND (CAST(:rule AS text) IS NULL OR rule = :rule)
      AND (CAST(:since AS timestamptz) IS NULL OR received_at >= :since)
      AND (CAST(:at AS timestamptz) IS NULL
           OR received_at <= :at AND (received_at, id) < (:at, CAST(:below AS uuid)))
    ORDER BY received_at DESC, id DESC LIMIT :most
""")
_WHOLE: Final = """
    SELECT id, source, received_at, path, rule, mapping, places, content_type,
           CAST(headers AS text) AS headers, query, people, body
    FROM quarantine
"""
#: By an index alone; what was mapped in the end is deleted, so a row is one that waits.
_WAITING: Final = text("""
    SELECT source, count(*) AS messages, min(received_at) AS since FROM quarantine GROUP BY source
""")
_SHOW: Final = text(f"{_WHOLE} WHERE id = :id")
_DELETE: Final = text("DELETE FROM quarantine WHERE id = :id")
#: When a message was said is not known where nobody understood it; when it came is.
_HERS: Final = """
    people && CAST(:marks AS text[])
    AND (people && CAST(:said AS text[]) OR CAST(:before AS timestamptz) IS NULL
         OR received_at <= :before)
"""
_THEIRS: Final = text(f"""
    SELECT id FROM quarantine WHERE {_HERS} ORDER BY id FOR UPDATE
""")  # noqa: S608 - a constant
_OF: Final = text(f"""
    {_WHOLE} WHERE {_HERS} AND id > :after ORDER BY id LIMIT :most
""")
_ERASE: Final = text("DELETE FROM quarantine WHERE id = ANY(CAST(:ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row as a list shows it: why it is there, and nothing of what it holds.

    `places` are the messages of the body that were not understood; most bodies hold one, place 0.
    """

    id: UUID
    source: str
    received_at: datetime
    path: str
    rule: str
    mapping: str
    places: tuple[int, ...]

    @property
    def cursor(self) -> str:
        """Where the next page begins, after this row."""
        return f"{iso(self.received_at)}_{self.id}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A whole row, to look at or to map again."""

    row: Quarantined
    content_type: str
    headers: Mapping[str, str]
    query: str
    people: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Waits:
    """How many messages of a source nobody has mapped yet, and since when the oldest waits."""

    source: str
    messages: int
    since: datetime


class Quarantine:
    """The table `quarantine`. Every call raises `DependencyAway` when the database is away.

    `route_key` marks messages that were erased, so that they are not put in again.
    """

    def __init__(self, engine: AsyncEngine, *, route_key: bytes) -> None:
        self._engine = engine
        self._route_key = route_key

    async def put(
        self,
        *,
        source: str,
        body: bytes,
        secrets: Sequence[bytes],
        content_type: str,
        received_at: datetime,
        path: str,
        rule: str,
        mapping: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        places: Sequence[int] = (0,),
        people: Sequence[str] = (),
        said_at: datetime | None = None,
    ) -> UUID | None:
        """Keep one message; returns the row's id, the same for the same message.

        `headers` and `query` are those that the mapping reads (they are part of what was said),
        `people` marks of the identifiers that could be read, and `said_at` is when it was said, if
        that could be. None: it is erased, and nothing was kept.
        """
        kept = redacted(body, secrets)
        said = [redacted_headers(headers or {}, secrets), redacted_text(query, secrets)]
        row_id = _row_id(source, kept, said)
        row = {
            "id": row_id,
            "source": source,
            "received_at": received_at,
            "path": path,
            "rule": rule,
            "mapping": mapping,
            "content_type": content_type,
            "headers": said[0],
            "query": said[1],
            "places": list(places),
            "people": list(people),
            "body": kept,
        }
        marks = [*people, message_mark(self._route_key, row_id)]
        with away_as_dependency():
            async with self._engine.begin() as connection:
                stones = await tombstones.read(connection, marks)
                if is_erased(marks, min(said_at or received_at, received_at), stones):
                    return None
                await connection.execute(_PUT, row)
        return row_id

    async def waiting(self) -> Sequence[Waits]:
        """Count what waits, by source."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                found = await connection.execute(_WAITING)
                return [Waits(row.source, row.messages, row.since) for row in found]

    async def rows(
        self,
        *,
        limit: int,
        source: str | None = None,
        rule: str | None = None,
        since: datetime | None = None,
        cursor: str | None = None,
    ) -> Sequence[Quarantined]:
        """List rows, the newest first; `cursor` is that of the last row of the page before.

        Raises ValueError for a cursor that is none.
        """
        at, below = _place(cursor)
        asked = {
            "source": source,
            "rule": rule,
            "since": since,
            "at": at,
            "below": below,
            "most": limit,
        }
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_ROWS, asked)
                return [_listed(row) for row in rows]

    async def show(self, row_id: UUID) -> Shown | None:
        """Return one row with its body; None if there is none of this id."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_SHOW, {"id": row_id})).one_or_none()
        return None if row is None else _shown(row)

    async def of(self, whom: Whom, *, after: UUID, limit: int) -> Sequence[Shown]:
        """Read what concerns a person, by id behind `after`."""
        asked = {**_asked(whom), "after": after, "most": limit}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return [_shown(row) for row in await connection.execute(_OF, asked)]

    async def delete(self, row_id: UUID) -> bool:
        """Delete one row, such as one that was replayed; tells whether it was there."""
        return await self._change(_DELETE, {"id": row_id}) > 0

    async def erase(self, whom: Whom) -> int:
        """Delete what concerns a person; returns how many rows.

        In an erasure up to some moment the same messages are not put in again, ever.
        """
        with away_as_dependency():
            async with self._engine.begin() as connection:
                if whom.before is not None:
                    await tombstones.alone(connection)
                ids = list(await connection.scalars(_THEIRS, _asked(whom)))
                if whom.before is not None:
                    marks = [message_mark(self._route_key, row_id) for row_id in ids]
                    await tombstones.put(connection, hashes(marks), whom.before)
                return (await connection.execute(_ERASE, {"ids": ids})).rowcount

    async def prune(self, before: datetime) -> int:
        """Delete what was received before; returns how many."""
        return await prune(self._engine, "quarantine", "received_at", before)

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))

    async def _change(self, statement: TextClause, asked: Mapping[str, object]) -> int:
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(statement, dict(asked))).rowcount


def _listed(row: Row[Any]) -> Quarantined:
    return Quarantined(
        id=row.id,
        source=row.source,
        received_at=row.received_at,
        path=row.path,
        rule=row.rule,
        mapping=row.mapping,
        places=tuple(row.places),
    )


def _shown(row: Row[Any]) -> Shown:
    return Shown(
        row=_listed(row),
        content_type=row.content_type,
        headers=orjson.loads(row.headers),
        query=row.query,
        people=tuple(row.people),
        body=row.body,
    )


def _asked(whom: Whom) -> dict[str, object]:
    return {"marks": whom.marks, "said": whom.said, "before": whom.before}


def _row_id(source: str, kept: bytes, said: Sequence[str]) -> UUID:
    """Name a message by what it says; most say nothing in headers or query."""
    more = () if said == ["{}", ""] else said
    return name_id("quarantine", source, sha256(kept).hexdigest(), *more)


def _place(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    at, _, row_id = cursor.partition("_")
    read = datetime.fromisoformat(at)
    if read.tzinfo is None or not 1970 <= read.year < 2200:  # beyond, a zone may leave the years
        raise ValueError("a cursor of another kind")
    return read, UUID(row_id)
