"""What ingest keeps of a person, to be handed to her: raw messages, wherever they lie.

In: whom. Out: pages of rows as they lie, the bytes of a page bounded. Every call raises
`DependencyAway` when the database is away.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from services.ingest.fetch.theirs import START, Fetch, TheirFetches
from services.ingest.keep.bodies_table import BodiesTable, KeptBody
from services.ingest.keep.people import Whom
from services.ingest.keep.quarantine import Quarantine, Shown
from services.ingest.keep.spool_table import Entry, SpoolTable

Store = Literal["bodies", "quarantine", "spool", "spool_dead", "fetches"]
STORES: Final[tuple[Store, ...]] = ("bodies", "quarantine", "spool", "spool_dead", "fetches")
Row = KeptBody | Shown | Entry | Fetch

#: A body may be a mebibyte: a few are read at a time, and a page ends once it holds this much.
_CHUNK: Final = 10
_MOST_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """One row, where it lies, and the place to read on from."""

    store: Store
    place: tuple[str, ...]
    row: Row


class Exporting:
    """Reads the stores one after the other."""

    def __init__(
        self, bodies: BodiesTable, quarantine: Quarantine, spool: SpoolTable, fetches: TheirFetches
    ) -> None:
        self._bodies = bodies
        self._quarantine = quarantine
        self._spool = spool
        self._fetches = fetches

    async def page(
        self, whom: Whom, *, limit: int, store: Store = STORES[0], place: Sequence[str] = ()
    ) -> tuple[list[Held], bool]:
        """Read rows behind a place of a store (one of `Held`); tells whether there may be more."""
        found: list[Held] = []
        size = 0
        for each in STORES[STORES.index(store) :]:
            async for one in self._of(each, whom, place if each == store else ()):
                found.append(one)
                size += _size(one.row)
                if len(found) == limit or size >= _MOST_BYTES:
                    return found, True
        return found, False

    async def _of(self, store: Store, whom: Whom, place: Sequence[str]) -> AsyncIterator[Held]:
        if store == "fetches":
            start = START if not place else _three(place)
            async for fetch in self._fetches.of(whom, start):
                yield Held(store, fetch.place, fetch)
            return
        chunk = await self._chunk(store, whom, place)
        while chunk:
            for held in chunk:
                yield held
            chunk = await self._chunk(store, whom, chunk[-1].place) if len(chunk) == _CHUNK else []

    async def _chunk(self, store: Store, whom: Whom, place: Sequence[str]) -> list[Held]:
        if store == "bodies":
            after = int(place[0]) if place else 0
            bodies = await self._bodies.of(whom, after=after, limit=_CHUNK)
            return [Held(store, (str(one.id),), one) for one in bodies]
        behind = UUID(place[0]) if place else UUID(int=0)
        if store == "quarantine":
            shown = await self._quarantine.of(whom, after=behind, limit=_CHUNK)
            return [Held(store, (str(one.row.id),), one) for one in shown]
        dead = store == "spool_dead"
        entries = await self._spool.of(whom, dead=dead, after=behind, limit=_CHUNK)
        return [Held(store, (str(one.event_id),), one) for one in entries]


def _three(place: Sequence[str]) -> tuple[str, str, str]:
    source, survey, response_id = place
    return source, survey, response_id


def _size(row: Row) -> int:
    match row:
        case KeptBody() | Shown():
            return len(row.body)
        case Entry():
            return row.size
        case Fetch():
            return sum(map(len, row.variables.values()))
