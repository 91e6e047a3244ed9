"""The rows of the spool and their exact size, changed together in one transaction.

Locks are always taken in this order, so nobody waits in a circle: rows of `spool`, then the row of
`spool_size`, then new or deleted rows. Every call raises `DependencyAway` when the database is
away.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.keep.people import Whom
from services.ingest.keep.pruning import prune
from shared.bus.port import Message
from shared.database import away_as_dependency
from shared.errors import Unprocessable
from shared.events import envelope

#: The oldest row is one step in the index: no look at the others.
_SIZE: Final = """
    SELECT rows, bytes, (SELECT spooled_at FROM spool ORDER BY place LIMIT 1) FROM spool_size
"""
_READ_SIZE: Final = text(_SIZE)
_LOCK_SIZE: Final = text(_SIZE + " FOR UPDATE OF spool_size")
#: Of two copies of one event the first stays: its receipt is the one that counts.
_ADD: Final = text("""
    WITH added AS (
        INSERT INTO spool (event_id, topic, key, value, bytes, people, spooled_at)
        SELECT entry.event_id, entry.topic, entry.key, entry.value, entry.bytes,
               string_to_array(entry.people, ','), entry.spooled_at
        FROM unnest(CAST(:event_ids AS uuid[]), CAST(:topics AS text[]), CAST(:keys AS text[]),
                    CAST(:values AS bytea[]), CAST(:bytes AS integer[]), CAST(:people AS text[]),
                    CAST(:spooled_at AS timestamptz[])) WITH ORDINALITY
             AS entry (event_id, topic, key, value, bytes, people, spooled_at, place)
        ORDER BY entry.place
        ON CONFLICT (event_id) DO NOTHING
        RETURNING bytes
    )
    UPDATE spool_size SET rows = rows + (SELECT count(*) FROM added),
                          bytes = bytes + (SELECT coalesce(sum(added.bytes), 0) FROM added)
""")
#: Another replica's rows are skipped, so any number may drain at once.
_OLDEST: Final = text("""
    SELECT event_id, bytes FROM spool ORDER BY place LIMIT :most FOR UPDATE SKIP LOCKED
""")
_TAKE: Final = text("""
    SELECT event_id, people, spooled_at, topic, key, value
    FROM spool WHERE event_id = ANY(:event_ids) ORDER BY place
""")
_SHRINK: Final = text("UPDATE spool_size SET rows = rows - :rows, bytes = bytes - :bytes")
_DELETE: Final = text("DELETE FROM spool WHERE event_id = ANY(:event_ids)")
_BURY: Final = text("""
    INSERT INTO spool_dead (event_id, topic, key, value, people, spooled_at, died_at, reason)
    SELECT event_id, topic, key, value, people, spooled_at, :died_at, :reason
    FROM spool WHERE event_id = ANY(:event_ids)
    ON CONFLICT (event_id) DO NOTHING
""")
_THEIRS: Final = text("""
    SELECT event_id, people, spooled_at, topic, key, value
    FROM spool WHERE people && CAST(:marks AS text[]) ORDER BY place FOR UPDATE
""")
_THEIR_DEAD: Final = text("""
    SELECT event_id, people, spooled_at, topic, key, value
    FROM spool_dead WHERE people && CAST(:marks AS text[]) ORDER BY event_id FOR UPDATE
""")
_OF: Final = """
    SELECT event_id, people, spooled_at, topic, key, value FROM {table}
    WHERE people && CAST(:marks AS text[]) AND event_id > :after ORDER BY event_id LIMIT :most
"""
_WAITING_OF: Final = text(_OF.format(table="spool"))
_DEAD_OF: Final = text(_OF.format(table="spool_dead"))
_DELETE_DEAD: Final = text("DELETE FROM spool_dead WHERE event_id = ANY(:event_ids)")
_RECOUNT: Final = text("""
    UPDATE spool_size SET (rows, bytes) = (SELECT count(*), coalesce(sum(bytes), 0) FROM spool)
""")


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted event on its way to the bus; `people` marks whom it concerns."""

    event_id: UUID
    people: tuple[str, ...]
    spooled_at: datetime
    message: Message

    @property
    def size(self) -> int:
        """Its bytes, as the limit counts them."""
        return len(self.message.value) + len(self.message.key)

    @property
    def told_at(self) -> datetime:
        """When it was said, or came: the earlier, for a platform's clock may be ahead of ours."""
        try:
            return min(envelope.decode(self.message.value).time, self.spooled_at)
        except Unprocessable:
            return self.spooled_at


@dataclass(frozen=True, slots=True)
class Size:
    """How much waits, and since when (None: nothing does)."""

    rows: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a batch: `gone` entries are acknowledged, `dead` ones will never be taken.

    `erased` ones are not sent at all: their person is.
    """

    gone: tuple[Entry, ...]
    dead: tuple[Entry, ...] = ()
    reason: str = ""
    erased: tuple[Entry, ...] = ()


class SpoolTable:
    """The tables `spool`, `spool_size` and `spool_dead`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def size(self) -> Size:
        """Read how much waits, in all replicas together."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                return Size(*(await connection.execute(_READ_SIZE)).one())

    async def add(self, entries: Sequence[Entry], fitting: Callable[[Size], int]) -> None:
        """Store the first entries, as many as `fitting` says once it knows the size."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                size = Size(*(await connection.execute(_LOCK_SIZE)).one())
                if taken := entries[: fitting(size)]:
                    await connection.execute(_ADD, _columns(taken))

    async def drain(
        self,
        send: Callable[[Sequence[Entry]], Awaitable[Sent]],
        *,
        most: int,
        most_bytes: int,
        now: datetime,
    ) -> Sent | None:
        """Send the oldest entries and delete what is gone; None if there is none to be had.

        The rows stay locked until they are acknowledged and deleted; what `send` raises leaves
        them where they are.
        """
        with away_as_dependency():
            async with self._engine.begin() as connection:
                rows = list(await connection.execute(_OLDEST, {"most": most}))
                sizes = accumulate(row.bytes for row in rows)
                fit = max(1, sum(total <= most_bytes for total in sizes))
                batch = await _entries(connection, [row.event_id for row in rows[:fit]])
                if not batch:
                    return None
                sent = await send(batch)
                if sent.dead:
                    asked = {"event_ids": _ids(sent.dead), "died_at": now, "reason": sent.reason}
                    await connection.execute(_BURY, asked)
                left = {entry.event_id for entry in (*sent.gone, *sent.dead, *sent.erased)}
                sized = {row.event_id: row.bytes for row in rows}
                await _remove(connection, {key: sized[key] for key in left})
        return sent

    async def erase(self, whom: Whom) -> int:
        """Delete what concerns a person; returns how many rows."""
        asked = {"marks": whom.marks}
        with away_as_dependency():
            async with self._engine.begin() as connection:
                hers = _hers(whom, await connection.execute(_THEIRS, asked))
                await _remove(connection, {entry.event_id: entry.size for entry in hers})
                dead = _hers(whom, await connection.execute(_THEIR_DEAD, asked))
                if dead:
                    await connection.execute(_DELETE_DEAD, {"event_ids": _ids(dead)})
                return len(hers) + len(dead)

    async def of(self, whom: Whom, *, dead: bool, after: UUID, limit: int) -> Sequence[Entry]:
        """Read what waits of a person, or what the bus will never take, by id behind `after`."""
        asked = {"marks": whom.marks, "after": after, "most": limit}
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_DEAD_OF if dead else _WAITING_OF, asked)
                return [_entry(row) for row in rows]

    async def recount(self) -> None:
        """Set the size right after somebody changed the rows by hand."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_LOCK_SIZE)
                await connection.execute(_RECOUNT)

    async def prune(self, before: datetime) -> int:
        """Delete the dead that died before (what waits is never pruned); returns how many."""
        return await prune(self._engine, "spool_dead", "died_at", before)


async def _entries(connection: AsyncConnection, event_ids: Sequence[UUID]) -> list[Entry]:
    rows = await connection.execute(_TAKE, {"event_ids": list(event_ids)})
    return [_entry(row) for row in rows]


def _hers(whom: Whom, rows: Iterable[Row[Any]]) -> list[Entry]:
    entries = [_entry(row) for row in rows]
    return [entry for entry in entries if whom.owns(entry.people, entry.told_at)]


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        event_id=row.event_id,
        people=tuple(row.people),
        spooled_at=row.spooled_at,
        message=Message(row.topic, row.key, row.value),
    )


async def _remove(connection: AsyncConnection, sized: dict[UUID, int]) -> None:
    if not sized:
        return
    await connection.execute(_SHRINK, {"rows": len(sized), "bytes": sum(sized.values())})
    await connection.execute(_DELETE, {"event_ids": list(sized)})


def _ids(entries: Sequence[Entry]) -> list[UUID]:
    return [entry.event_id for entry in entries]


def _columns(entries: Sequence[Entry]) -> dict[str, object]:
    return {
        "event_ids": _ids(entries),
        "topics": [entry.message.topic for entry in entries],
        "keys": [entry.message.key for entry in entries],
        "values": [entry.message.value for entry in entries],
        "bytes": [entry.size for entry in entries],
        "people": [",".join(entry.people) for entry in entries],
        "spooled_at": [entry.spooled_at for entry in entries],
    }
