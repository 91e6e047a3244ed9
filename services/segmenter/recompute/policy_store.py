"""Customers page by page, with the policy of their last decision; and policies of the past.

Nothing is locked. Customers are read in the order of their ids, which are random: the first ones
are a fair sample of all.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Profile, load
from services.segmenter.themes.themes import finder
from shared.database import away_as_dependency
from shared.errors import ConfigError
from shared.settings import read_yaml, version_of

#: How many are read and judged before others of this process have their turn: 1 or 2 ms each.
AT_ONCE: Final = 10
#: Rulebooks kept: that of a running diff, and those of the last changes.
_KEPT: Final = 4

_PAGE = text("""
    SELECT customer_id, version, CAST(state AS text) AS state, policy FROM profiles
    WHERE customer_id > :after ORDER BY customer_id LIMIT :most
""")
_POLICY = text("SELECT text FROM policies WHERE version = :version")


@dataclass(frozen=True, slots=True)
class Known:
    """A customer as stored; `policy` is the version that her last published decision names."""

    customer_id: UUID
    version: int
    profile: Profile
    policy: str | None


async def customers(
    engine: AsyncEngine, after: UUID, most: int
) -> AsyncIterator[tuple[UUID, list[Known]]]:
    """Read at most so many rows behind `after`, some at a time, with the last id of each part.

    Left out is who has no personal identifier, or was merged away. Raises `DependencyAway`.
    """
    left = most
    while left > 0:
        size = min(AT_ONCE, left)
        with away_as_dependency():
            async with engine.connect() as connection:
                rows = (await connection.execute(_PAGE, {"after": after, "most": size})).all()
        if not rows:
            return
        after, left = rows[-1].customer_id, left - size
        found = [Known(row.customer_id, row.version, load(row.state), row.policy) for row in rows]
        yield after, [one for one in found if one.profile.known]
        if len(rows) < size:
            return


class Rulebooks:
    """Policies made ready, from a text or by their version; the last few are kept."""

    def __init__(self, engine: AsyncEngine, own: Rulebook) -> None:
        self._engine = engine
        self._own = own
        self._known: dict[str, Rulebook | None] = {}

    async def of_text(self, policy_text: str) -> Rulebook:
        """Read a policy. Raises `ConfigError` with the lines of its mistakes."""
        version = version_of(policy_text)
        if version == self._own.version:
            return self._own
        known = self._known.get(version)
        if known is not None:
            return known
        found = await asyncio.to_thread(_read, policy_text)
        self._keep(version, found)
        return found

    async def of_version(self, version: str) -> Rulebook | None:
        """Find a policy of the past; None: it is not known, or this release cannot read it."""
        if version == self._own.version:
            return self._own
        if version in self._known:
            return self._known[version]
        with away_as_dependency():
            async with self._engine.connect() as connection:
                told = await connection.scalar(_POLICY, {"version": version})
        try:
            found = await asyncio.to_thread(_read, told) if told is not None else None
        except ConfigError:
            found = None
        self._keep(version, found)
        return found

    def _keep(self, version: str, found: Rulebook | None) -> None:
        self._known[version] = found
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]


def _read(policy_text: str) -> Rulebook:
    loaded = read_yaml(policy_text, Path("policy.yaml"), Policy)
    return Rulebook(loaded.value, loaded.version, finder(loaded.value))
