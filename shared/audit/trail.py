"""Writing the audit record of one service, and reading it.

In: who did what to what, in the transaction that does it. Out: rows of `audit`, one chain for all
replicas. Writers take turns from their row to the end of their transaction, so a row is the last
thing that a transaction writes: who waits for the turn holds what others may want, and whoever has
the turn wants nothing more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.audit.actions import Action, Service
from shared.audit.chain import (
    START,
    Broken,
    Head,
    Kept,
    Value,
    canonical,
    check,
    fingerprint,
    key_of,
    moment,
    plain,
    seal,
)
from shared.database import away_as_dependency

_TURN = text("SELECT pg_advisory_xact_lock(hashtext(CAST(:turn AS text)))")
_HEAD = text("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
_ADD = text("""
    INSERT INTO audit (seq, at, actor, action, subject, detail, prev_hash, hash)
    VALUES (:seq, :at, :actor, :action, :subject, CAST(:detail AS jsonb), :prev_hash, :hash)
""")
_COLUMNS: Final = """
    seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, actor, action,
    subject, CAST(detail AS text) AS detail, prev_hash, hash
"""
_READ = text(f"""
    SELECT {_COLUMNS} FROM audit
    WHERE (CAST(:after AS bigint) IS NULL OR seq > :after)
        AND (CAST(:action AS text) IS NULL OR action = :action)
        AND (CAST(:actor AS text) IS NULL OR actor = :actor)
    ORDER BY seq LIMIT :most
""")  # noqa: S608 - names of columns
_AT = text("SELECT seq, hash FROM audit WHERE seq = :seq")
_NEWEST = text("""
    SELECT DISTINCT ON (subject) subject, action, CAST(detail AS text) AS detail FROM audit
    WHERE action = ANY(CAST(:actions AS text[])) ORDER BY subject, seq DESC
""")


class Trail:
    """The record of one service, in the schema that its engine's sessions see first."""

    def __init__(self, service: Service, route_key: bytes) -> None:
        self.service: Final = service
        self._key = key_of(route_key)

    def pen(self, actor: str, at: datetime) -> "Pen":
        """Take a pen in somebody's name: that of the token that asked."""
        return Pen(self, actor, at)

    def fingerprint(self, name: str, secret: str) -> str:
        """Name a secret; see `chain.fingerprint`."""
        return fingerprint(self._key, name, secret)

    async def turn(self, connection: AsyncConnection) -> None:
        """Wait until nobody else writes here, till the transaction ends."""
        await connection.execute(_TURN, {"turn": f"nps audit {self.service}"})

    async def append(
        self,
        connection: AsyncConnection,
        pen: "Pen",
        action: Action,
        subject: str,
        detail: Mapping[str, Value],
    ) -> None:
        """Add a row in the transaction of what it tells of, as the last thing in it."""
        stored = plain(detail)
        await self.turn(connection)
        before = await self.head(connection)
        at = moment(pen.at)
        written = canonical(
            self.service,
            seq=before.seq + 1,
            at=at,
            actor=pen.actor,
            action=action,
            subject=subject,
            detail=orjson.loads(stored),
        )
        await connection.execute(
            _ADD,
            {
                "seq": before.seq + 1,
                "at": pen.at,
                "actor": pen.actor,
                "action": action,
                "subject": subject,
                "detail": stored,
                "prev_hash": before.hash,
                "hash": seal(self._key, before.hash, written),
            },
        )

    async def head(self, connection: AsyncConnection) -> Head:
        """Find the last row."""
        row = (await connection.execute(_HEAD)).one_or_none()
        return START if row is None else Head(row.seq, row.hash)

    async def read(
        self,
        connection: AsyncConnection,
        after: int | None,
        most: int,
        *,
        action: str | None = None,
        actor: str | None = None,
    ) -> list[Kept]:
        """Read rows behind `after` (None: from the first), in their order."""
        asked = {"after": after, "most": most, "action": action, "actor": actor}
        return [_kept(row) for row in await connection.execute(_READ, asked)]

    async def checked(
        self, connection: AsyncConnection, after: int, most: int
    ) -> tuple[int, Head, Broken | None] | None:
        """Check at most so many rows behind row `after`; None: there is no such row.

        Returns how many were read, the last that fits, and the first that does not.
        """
        before = START
        if after:
            row = (await connection.execute(_AT, {"seq": after})).one_or_none()
            if row is None:
                return None
            before = Head(row.seq, row.hash)
        # Whatever stands before the first row is no row of ours, so the first page begins there.
        rows = await self.read(connection, after or None, most)
        head, broken = check(self._key, self.service, before, rows)
        return len(rows), head, broken

    async def newest(
        self, connection: AsyncConnection, actions: Sequence[Action]
    ) -> dict[str, tuple[str, Any]]:
        """Read the newest of these actions on each subject, with its detail."""
        rows = await connection.execute(_NEWEST, {"actions": list(actions)})
        return {row.subject: (row.action, _loaded(row.detail)) for row in rows}


@dataclass(frozen=True, slots=True)
class Pen:
    """Who writes, and when."""

    trail: Trail
    actor: str
    at: datetime

    async def note(
        self, connection: AsyncConnection, action: Action, subject: str, **detail: Value
    ) -> None:
        """Write a row in the transaction of the change, as the last thing in it.

        No text that a person typed, and nothing that names her: ids, names of the configuration
        and counts.
        """
        await self.trail.append(connection, self, action, subject, detail)

    async def ahead(
        self, engine: AsyncEngine, action: Action, subject: str, **detail: Value
    ) -> None:
        """Write a row before an effect that no transaction of ours holds.

        Raises `DependencyAway`: then nothing may be done.
        """
        with away_as_dependency():
            async with engine.begin() as connection:
                await self.note(connection, action, subject, **detail)


def _kept(row: Row[Any]) -> Kept:
    return Kept(**{**row._mapping, "detail": _loaded(row.detail)})


def _loaded(detail: str) -> Any:
    try:
        return orjson.loads(detail)
    except orjson.JSONDecodeError:
        return detail  # nested deeper than we ever write: its seal does not fit
