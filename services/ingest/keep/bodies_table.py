"""The rows of `bodies`: authentic raw bodies, so that a wrong mapping can be undone.

Every call raises `DependencyAway` when the database is away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.keep import tombstones
from services.ingest.keep.people import Whom, is_erased
from services.ingest.keep.pruning import prune
from services.ingest.keep.redaction import redacted, redacted_headers, redacted_text
from services.ingest.mapper.values import clean
from shared.database import away_as_dependency

#: A crash of the server may lose the last half second; a lost body loses no response.
_RELAXED: Final = text("SET LOCAL synchronous_commit = off")
#: What nearly all bodies of a batch have in common is sent once, and a batch is three values: of an
#: array the driver looks at every element, which took it longer than mapping a question takes us.
_PUT: Final = text("""
    INSERT INTO bodies (source, survey, response_id, received_at, mapping, content_type, headers,
                        query, event_ids, people, said_at, body)
    SELECT frame.source, frame.survey, entry.response_id, entry.received_at, frame.mapping,
           frame.content_type, CAST(frame.headers AS jsonb), frame.query,
           entry.event_ids, entry.people, entry.said_at,
           substring(CAST(:bodies AS bytea) FROM entry.start FOR entry.size)
    FROM json_to_recordset(CAST(:entries AS json))
         AS entry (place integer, frame integer, response_id text, received_at timestamptz,
                   event_ids uuid[], people text[], said_at timestamptz,
                   start integer, size integer)
    JOIN json_to_recordset(CAST(:frames AS json))
         AS frame (place integer, source text, survey text, mapping text, content_type text,
                   headers text, query text)
         ON frame.place = entry.frame
    ORDER BY entry.place
""")
_SHOWN: Final = """
    SELECT id, source, survey, response_id, received_at, mapping, content_type,
           CAST(headers AS text) AS headers, query, event_ids, people, said_at, body, revised
    FROM bodies
"""
_READ: Final = text(f"""
    {_SHOWN}
    WHERE source = :source AND id > :after AND received_at >= :since
      AND (CAST(:until AS timestamptz) IS NULL OR received_at < :until)
      AND (CAST(:read_by AS text) IS NULL OR mapping <> :read_by)
    ORDER BY id LIMIT :most
""")
#: Only as it was read: of two who map it again one changes it.
_READ_BY: Final = text("""
    UPDATE bodies
    SET mapping = :mapping, revised = revised + CAST(:turns AS integer),
        event_ids = event_ids || CAST(string_to_array(:event_ids, ',') AS uuid[]),
        people = CAST(string_to_array(:people, ',') AS text[])
    WHERE id = :id AND revised = :revised AND mapping = :old
""")
#: A row that names nobody is hers by its response. Where it is not known when a body was said, it
#: was before any erasure.
_HERS: Final = """
    people && CAST(:marks AS text[])
    AND (people && CAST(:said AS text[]) OR CAST(:before AS timestamptz) IS NULL
         OR least(coalesce(said_at, '-infinity'), received_at) <= :before)
"""
_RESPONSES: Final = text(f"""
    SELECT DISTINCT source, survey, response_id FROM bodies
    WHERE {_HERS} AND response_id IS NOT NULL
""")  # noqa: S608 - a constant
_OF: Final = text(f"""
    {_SHOWN} WHERE {_HERS} AND id > :after ORDER BY id LIMIT :most
""")
_ERASE: Final = text(f"DELETE FROM bodies WHERE {_HERS}")  # noqa: S608 - a constant
_DROP: Final = text("DELETE FROM bodies WHERE id = ANY(CAST(:ids AS bigint[]))")


@dataclass(frozen=True, slots=True, order=True)
class ResponseName:
    """Which response: source, survey and the survey tool's own id."""

    source: str
    survey: str
    response_id: str


@dataclass(frozen=True, slots=True)
class Body:
    """One authentic body: what maps it again, and what it became.

    `headers` and `query` hold only what the mapping or decoder reads, `secrets` what is struck out
    before anything is written. `survey` and `response_id` are None where the body held several
    messages; `people` marks all whom it concerns, and `said_at` is when the earliest was said.
    """

    source: str
    received_at: datetime
    mapping: str
    body: bytes
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    survey: str | None = None
    response_id: str | None = None
    event_ids: tuple[UUID, ...] = ()
    people: tuple[str, ...] = ()
    said_at: datetime | None = None
    secrets: tuple[bytes, ...] = ()

    @property
    def told_at(self) -> datetime:
        """When it was said, or came: the earlier, for a platform's clock may be ahead of ours."""
        return min(self.said_at or self.received_at, self.received_at)


@dataclass(frozen=True, slots=True)
class KeptBody:
    """A body as it was read back; `id` is the place to read on from.

    `revised` counts how often it was mapped again and told anew.
    """

    id: int
    source: str
    survey: str | None
    response_id: str | None
    received_at: datetime
    mapping: str
    content_type: str
    headers: Mapping[str, str]
    query: str
    event_ids: tuple[UUID, ...]
    people: tuple[str, ...]
    said_at: datetime | None
    body: bytes
    revised: int = 0


class _Frame(NamedTuple):
    """What bodies of one source, survey and version have in common."""

    source: str
    survey: str | None
    mapping: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    query: str
    secrets: tuple[bytes, ...]


class BodiesTable:
    """The table `bodies`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, bodies: Sequence[Body]) -> int:
        """Write a batch, secrets struck out; returns how many were not kept: they are erased."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_RELAXED)
                marks = (mark for body in bodies for mark in body.people)
                stones = await tombstones.read(connection, marks)
                kept = [one for one in bodies if not is_erased(one.people, one.told_at, stones)]
                if kept:
                    await connection.execute(_PUT, _columns(kept))
                return len(bodies) - len(kept)

    async def read(
        self,
        source: str,
        *,
        since: datetime,
        limit: int,
        after: int = 0,
        until: datetime | None = None,
        not_read_by: str | None = None,
    ) -> Sequence[KeptBody]:
        """Read one source's bodies received since then, in the order they were written.

        `after` is the id of the last one read; fewer than `limit` means that there are no more.
        `until` leaves out what came then or later, `not_read_by` what that mapping has read.
        """
        asked = {
            "source": source,
            "since": since,
            "until": until,
            "read_by": not_read_by,
            "after": after,
            "most": limit,
        }
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_READ, asked)
                return [_kept(row) for row in rows]

    async def now_read_by(
        self,
        body: KeptBody,
        mapping: str,
        event_ids: Sequence[UUID] = (),
        people: Sequence[str] = (),
    ) -> bool:
        """Note that a body is read by another mapping, and what it told so (nothing: no turn).

        False if the row is not as it was read: somebody else did, or it was erased.
        """
        asked = {
            "id": body.id,
            "revised": body.revised,
            "old": body.mapping,
            "mapping": mapping,
            "turns": 1 if event_ids else 0,
            "event_ids": ",".join(map(str, event_ids)),
            "people": ",".join(sorted({*body.people, *people})),
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(_READ_BY, asked)).rowcount == 1

    async def of(self, whom: Whom, *, after: int, limit: int) -> Sequence[KeptBody]:
        """Read the bodies of a person, in the order they were written, behind the id `after`."""
        asked = {**_asked(whom), "after": after, "most": limit}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return [_kept(row) for row in await connection.execute(_OF, asked)]

    async def responses_of(self, whom: Whom) -> set[ResponseName]:
        """Name the responses of a person, as far as bodies tell."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_RESPONSES, _asked(whom))
                return {ResponseName(*row) for row in rows}

    async def erase(self, whom: Whom) -> int:
        """Delete the bodies of a person; returns how many."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(_ERASE, _asked(whom))).rowcount

    async def drop(self, ids: Sequence[int]) -> None:
        """Delete these bodies."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_DROP, {"ids": list(ids)})

    async def prune(self, before: datetime) -> int:
        """Delete what was received before, in steps that each stay short; returns how many."""
        return await prune(self._engine, "bodies", "received_at", before)


def _kept(row: Row[Any]) -> KeptBody:
    return KeptBody(
        id=row.id,
        source=row.source,
        survey=row.survey,
        response_id=row.response_id,
        received_at=row.received_at,
        mapping=row.mapping,
        content_type=row.content_type,
        headers=orjson.loads(row.headers),
        query=row.query,
        event_ids=tuple(row.event_ids),
        people=tuple(row.people),
        said_at=row.said_at,
        body=row.body,
        revised=row.revised,
    )


def _asked(whom: Whom) -> dict[str, object]:
    return {"marks": whom.marks, "said": whom.said, "before": whom.before}


def _columns(bodies: Sequence[Body]) -> dict[str, object]:
    frames: dict[_Frame, int] = {}
    entries: list[dict[str, object]] = []
    struck: list[bytes] = []
    start = 1
    for place, each in enumerate(bodies):
        content = redacted(each.body, each.secrets)
        entries.append(
            {
                "place": place,
                "frame": frames.setdefault(_frame(each), len(frames)),
                "response_id": each.response_id,
                "received_at": each.received_at,
                "event_ids": each.event_ids,
                "people": each.people,
                "said_at": each.said_at,
                "start": start,
                "size": len(content),
            }
        )
        struck.append(content)
        start += len(content)
    return {
        "entries": orjson.dumps(entries).decode(),
        "frames": orjson.dumps([_told(frame, place) for frame, place in frames.items()]).decode(),
        "bodies": b"".join(struck),
    }


def _told(frame: _Frame, place: int) -> dict[str, object]:
    return {
        "place": place,
        "source": frame.source,
        "survey": frame.survey,
        "mapping": frame.mapping,
        "content_type": clean(frame.content_type, 200),
        "headers": redacted_headers(dict(frame.headers), frame.secrets),
        "query": redacted_text(frame.query, frame.secrets),
    }


def _frame(body: Body) -> _Frame:
    return _Frame(
        body.source,
        body.survey,
        body.mapping,
        body.content_type,
        tuple(body.headers.items()),
        body.query,
        body.secrets,
    )
