"""What was authentic and could not be understood: kept for a person, for a limited time.

In: the raw body with the path and rule that failed. Out: rows without the body for the API, and
the body itself only for whoever maps it again. Secrets are struck out before anything is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import away_as_dependency
from shared.events.ids import name_id

#: The same body sent again is the same row; a corrected mapping may fail at another path.
_PUT = text("""
    INSERT INTO quarantine (id, source, received_at, path, rule, mapping, content_type, body)
    VALUES (:id, :source, :received_at, :path, :rule, :mapping, :content_type, :body)
    ON CONFLICT (id) DO UPDATE
    SET path = excluded.path, rule = excluded.rule, mapping = excluded.mapping
""")
_NEWEST = text("""
    SELECT id, source, received_at, path, rule FROM quarantine
    WHERE (CAST(:source AS text) IS NULL OR source = :source)
    ORDER BY received_at DESC, id LIMIT :most
""")
_PRUNE = text("DELETE FROM quarantine WHERE received_at < :before")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row as the API shows it: why it is there, and nothing of what it holds."""

    id: UUID
    source: str
    received_at: datetime
    path: str
    rule: str


class Quarantine:
    """The table `quarantine`. Every call raises `DependencyAway` when the database is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
    ) -> UUID:
        """Keep one message; returns the row's id, the same for the same message."""
        kept = redacted(body, secrets)
        row_id = name_id("quarantine", source, sha256(kept).hexdigest())
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(
                    _PUT,
                    {
                        "id": row_id,
                        "source": source,
                        "received_at": received_at,
                        "path": path,
                        "rule": rule,
                        "mapping": mapping,
                        "content_type": content_type,
                        "body": kept,
                    },
                )
        return row_id

    async def newest(self, *, source: str | None, limit: int) -> Sequence[Quarantined]:
        """List the newest rows, of one source or of all."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                rows = await connection.execute(_NEWEST, {"source": source, "most": limit})
                return [Quarantined(*row) for row in rows]

    async def prune(self, before: datetime) -> int:
        """Delete what was received before; returns how many."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                return (await connection.execute(_PRUNE, {"before": before})).rowcount

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))


def redacted(body: bytes, secrets: Sequence[bytes]) -> bytes:
    """Strike the source's secrets out of a body."""
    for secret in secrets:
        body = body.replace(secret, b"***")
    return body
