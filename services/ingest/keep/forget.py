"""Forgetting people: all that ingest keeps of them for a time, wherever it is.

In: HMACs of normalised identifiers, as `people` makes them and as an erasure names them. Out: how
much was deleted. Promise: asked again after it broke off half-way, it deletes the rest. What is
being fetched or published in this moment is not called back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.ingest.fetch.fetches import Fetches
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.people import named_in
from services.ingest.keep.people import people as hashed
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.spool_table import SpoolTable
from shared.identifiers import Rules


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows are gone; `spool` counts what waited and what the bus never took."""

    bodies: int
    quarantine: int
    spool: int
    fetches: int


class Forgetting:
    """The stores of one process. `route_key` is the key of the HMACs; `rules` normalise."""

    def __init__(
        self,
        bodies: Bodies,
        quarantine: Quarantine,
        spool: SpoolTable,
        fetches: Fetches,
        *,
        route_key: bytes,
        rules: Rules,
    ) -> None:
        self._bodies = bodies
        self._quarantine = quarantine
        self._spool = spool
        self._fetches = fetches
        self._route_key = route_key
        self._rules = rules

    async def forget(self, people: Sequence[str]) -> Forgotten:
        """Delete what concerns these people. Raises `DependencyAway`."""
        asked = set(people)

        def is_hers(texts: Iterable[str]) -> bool:
            return not asked.isdisjoint(hashed(self._route_key, named_in(texts, self._rules)))

        # Bodies last: they alone tell which responses are hers, also when asked again.
        responses = await self._bodies.responses_of(people)
        fetches = await self._fetches.erase(is_hers, responses)
        spool = await self._spool.erase(people)
        quarantine = await self._quarantine.erase(people)
        bodies = await self._bodies.erase(people, responses)
        return Forgotten(bodies, quarantine, spool, fetches)
