"""Forgetting people: all that ingest keeps of them for a time, wherever it is.

In: HMACs of normalised identifiers, as `people` makes them and as an erasure names them. Out: how
much was deleted. Promise: asked again after it broke off half-way, it deletes the rest. What is
being fetched or published in this moment is not called back; after an erasure the segmenter drops
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.fetch.theirs import TheirFetches
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.people import Whom, hashes
from services.ingest.keep.people import people as marked
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.spool_table import SpoolTable
from services.ingest.keep.tombstones import Tombstones
from shared import identifiers


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows are gone; `spool` counts what waited and what the bus never took."""

    bodies: int
    quarantine: int
    spool: int
    fetches: int


class Forgetting:
    """The stores of one process. `route_key` is the key of the HMACs."""

    def __init__(
        self,
        bodies: Bodies,
        quarantine: Quarantine,
        spool: SpoolTable,
        fetches: TheirFetches,
        tombstones: Tombstones,
        *,
        route_key: bytes,
    ) -> None:
        self._bodies = bodies
        self._quarantine = quarantine
        self._spool = spool
        self._fetches = fetches
        self._tombstones = tombstones
        self._route_key = route_key

    async def forget(self, people: Sequence[str]) -> Forgotten:
        """Delete what concerns these people, now; later copies are kept again.

        Raises `DependencyAway`.
        """
        return await self._forget(await self.whole(Whom(tuple(people))))

    async def erase(self, people: Sequence[str], before: datetime) -> Forgotten:
        """Delete what was said of a person up to `before` (aware), and see that it stays away.

        `people` are her identifiers and responses. What she said later stays. Raises
        `DependencyAway`.
        """
        # Tombstones first: what comes while rows are deleted is stopped by them already.
        await self._tombstones.add(people, before)
        whom = await self.whole(Whom(tuple(people), before))
        await self._tombstones.add(whom.hashed, before)
        return await self._forget(whom)

    async def whole(self, whom: Whom) -> Whom:
        """Add the responses that are hers as far as bodies tell, for some messages name nobody.

        Raises `DependencyAway`.
        """
        names = await self._bodies.responses_of(whom)
        said = [identifiers.response(one.source, one.survey, one.response_id) for one in names]
        return whom.with_more(hashes(marked(self._route_key, said)))

    async def _forget(self, whom: Whom) -> Forgotten:
        # Bodies last: they alone tell which responses are hers, also when asked again.
        fetches = await self._fetches.erase(whom)
        spool = await self._spool.erase(whom)
        quarantine = await self._quarantine.erase(whom)
        bodies = await self._bodies.erase(whom)
        return Forgotten(bodies, quarantine, spool, fetches)
