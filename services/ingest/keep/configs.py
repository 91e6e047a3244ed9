"""Every mapping that was ever used, under its version, so that old bodies can be mapped as then.

In: a source's entry laid over its preset (secrets are references only). Out: the same entry, as
long as the installation lives. Raises `DependencyAway` when the database is away.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.hosting import Task
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_AGAIN_S: Final = 2.0
_PUT: Final = text("""
    INSERT INTO mappings (version, source, entry, first_used_at)
    SELECT entry.version, entry.source, CAST(entry.content AS jsonb), :now
    FROM unnest(CAST(:versions AS text[]), CAST(:sources AS text[]), CAST(:entries AS text[]))
         AS entry (version, source, content)
    ON CONFLICT (version) DO NOTHING
""")
_GET: Final = text("""
    SELECT version, source, CAST(entry AS text), first_used_at FROM mappings
    WHERE version = :version
""")


@dataclass(frozen=True, slots=True)
class UsedMapping:
    """One source's entry (plain JSON) and the version that rows and bodies name."""

    version: str
    source: str
    entry: Mapping[str, Any]
    first_used_at: datetime | None = None


def used(source: str, entry: Mapping[str, Any]) -> UsedMapping:
    """Name an entry by its content, whatever the order of its keys. Pure."""
    content = orjson.dumps([source, entry], option=orjson.OPT_SORT_KEYS)
    return UsedMapping(sha256(content).hexdigest()[:16], source, entry)


class Configs:
    """The table `mappings`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def remember(self, mappings: Sequence[UsedMapping], now: datetime) -> None:
        """Store those not yet known; the first use of the others stays."""
        asked = {
            "versions": [mapping.version for mapping in mappings],
            "sources": [mapping.source for mapping in mappings],
            "entries": [orjson.dumps(mapping.entry).decode() for mapping in mappings],
            "now": now,
        }
        with away_as_dependency():
            async with self._engine.begin() as connection:
                await connection.execute(_PUT, asked)

    async def get(self, version: str) -> UsedMapping | None:
        """Find the entry of a version."""
        with away_as_dependency():
            async with self._engine.connect() as connection:
                row = (await connection.execute(_GET, {"version": version})).one_or_none()
        return None if row is None else UsedMapping(row[0], row[1], orjson.loads(row[2]), row[3])


def remembering(
    configs: Configs, mappings: Sequence[UsedMapping], clock: Callable[[], datetime]
) -> Task:
    """Make the task that stores the mappings in use, as soon as the database lets it."""

    async def run(stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await configs.remember(mappings, clock())
            except DependencyAway:
                _log.warning("ingest.mappings_not_yet_stored")
                await pause(stopping, _AGAIN_S)
            else:
                await stopping.wait()

    return run
