"""What lies in quarantine is read again with the mapping of today, and told if it can be.

In: rows. Out: what became, or would become, of each. A row goes only after its events are durable;
the identity of an event and its receipt time are those of the message as it came first, so doing it
twice changes nothing. What is erased is not told, and its row goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from services.ingest.correct.again import outcomes
from services.ingest.correct.ways import Ways
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.bodies_table import Body
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from services.ingest.keep.publishing import TOO_LARGE, publish_all
from services.ingest.keep.quarantine import Quarantine, Quarantined, Shown
from services.ingest.keep.tombstones import Tombstones
from services.ingest.told import Outcome, Thin, Told, Translated, Unmappable
from shared.events.feedback import ResponseReceived

#: `told`: its events are durable; `fetching`: its response waits to be fetched; `ignored`: today's
#: mapping does not count it; `erased`: its person is; `failed`: it stays; `gone`: there is no row
#: of this id.
State = Literal["told", "fetching", "ignored", "erased", "failed", "gone"]


class ToFetch(Protocol):
    """Where messages of ids only wait to be fetched."""

    async def put(
        self, source: str, thins: Sequence[Thin], now: datetime, *, again: bool = False
    ) -> None:
        """Return when they are durable; raises `DependencyAway`."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one row; `failure` is why some of it stays."""

    row_id: UUID
    row: Quarantined | None
    state: State
    told: tuple[Told, ...] = ()
    failure: Unmappable | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A row's messages as they are read today, by their places; `erased` ones are left out."""

    shown: Shown
    version: str
    found: dict[int, Outcome]
    erased: int = 0

    @property
    def failed(self) -> dict[int, Unmappable]:
        return {n: one for n, one in self.found.items() if isinstance(one, Unmappable)}

    @property
    def told(self) -> tuple[Told, ...]:
        return tuple(one.told for one in self.found.values() if isinstance(one, Translated))

    @property
    def thins(self) -> list[Thin]:
        return [one for one in self.found.values() if isinstance(one, Thin)]

    def without(self, too_large: frozenset[UUID]) -> "_Read":
        """Count as failed what no record can hold."""
        found = {
            n: TOO_LARGE if isinstance(one, Translated) and one.told.event.id in too_large else one
            for n, one in self.found.items()
        }
        return replace(self, found=found)

    def result(self) -> Replayed:
        """Say what becomes of the row; what is left of it weighs most."""
        failed = next(iter(self.failed.values()), None)
        state: State = "erased" if self.erased else "ignored"
        if failed:
            state = "failed"
        elif self.told:
            state = "told"
        elif self.thins:
            state = "fetching"
        return Replayed(self.shown.row.id, self.shown.row, state, self.told, failed)


class Replay:
    """Reads rows again. `route_key` names people as an erasure does."""

    def __init__(
        self,
        ways: Ways,
        intake: Intake,
        quarantine: Quarantine,
        bodies: Bodies,
        to_fetch: ToFetch,
        *,
        tombstones: Tombstones,
        route_key: bytes,
    ) -> None:
        self._ways = ways
        self._intake = intake
        self._quarantine = quarantine
        self._bodies = bodies
        self._to_fetch = to_fetch
        self._tombstones = tombstones
        self._route_key = route_key

    async def one(self, row_id: UUID, *, dry_run: bool) -> Replayed:
        """Read one row again, and tell it unless `dry_run`. Raises the 503 problem."""
        shown = await self._intake.in_time(self._quarantine.show(row_id))
        if shown is None:
            return Replayed(row_id, None, "gone")
        read = self._read(shown)
        if read is None:
            return _unknown_source(shown)
        read = await self._intake.in_time(self._without_erased(read))
        if dry_run:
            return read.result()
        self._tombstones.stopped("replay", read.erased)
        read = read.without(await publish_all(self._intake, read.told))
        if read.thins:
            put = self._to_fetch.put(shown.row.source, read.thins, self._intake.clock(), again=True)
            await self._intake.in_time(put)
        if read.told and self._bodies.on and not read.erased:
            self._bodies.keep(self._body(read))
        await self._intake.in_time(self._settle(read))
        return read.result()

    def _read(self, shown: Shown) -> _Read | None:
        way = self._ways.now(shown.row.source)
        if way is None:
            return None
        found = outcomes(way, shown, shown.row.received_at)
        places = shown.row.places
        if len(found) == 1 and isinstance(found[0], Unmappable):
            # Also a batch that cannot be decoded: every message of it stays.
            return _Read(shown, way.version, dict.fromkeys(places, found[0]))
        if max(places) >= len(found):
            # Cut into other messages than then: the places say nothing any more.
            places = tuple(range(len(found)))
        return _Read(shown, way.version, {place: found[place] for place in places})

    async def _without_erased(self, read: _Read) -> _Read:
        """Leave out what is erased; with it goes the body, and so what else failed in it."""
        erased = await self._tombstones.erased(read.told)
        thins = [n for n, one in read.found.items() if isinstance(one, Thin)]
        gone = await self._tombstones.erased_thins(read.shown.row.source, read.thins)
        places = {n for n, stopped in zip(thins, gone, strict=True) if stopped} | {
            n
            for n, one in read.found.items()
            if isinstance(one, Translated) and one.told.event.id in erased
        }
        if not places:
            return read
        found: dict[int, Outcome] = {
            n: one
            for n, one in read.found.items()
            if n not in places and not isinstance(one, Unmappable)
        }
        return replace(read, found=found, erased=len(places))

    async def _settle(self, read: _Read) -> None:
        """Delete the row, or keep in it what is still not understood."""
        shown, failed = read.shown, read.failed
        if not failed or read.erased:
            await self._quarantine.delete(shown.row.id)
            return
        first = next(iter(failed.values()))
        # No secrets: what is kept was struck out already, and names the row.
        await self._quarantine.put(
            source=shown.row.source,
            body=shown.body,
            secrets=(),
            content_type=shown.content_type,
            received_at=shown.row.received_at,
            path=first.path,
            rule=first.rule,
            mapping=read.version,
            headers=shown.headers,
            query=shown.query,
            places=sorted(failed),
            people=shown.people,
        )

    def _body(self, read: _Read) -> Body:
        told, shown = read.told, read.shown
        only = told[0].event.data if len(told) == 1 else None
        response = only if isinstance(only, ResponseReceived) else None
        named = {p for one in told for p in people(self._route_key, one.identifiers)}
        return Body(
            source=shown.row.source,
            received_at=shown.row.received_at,
            mapping=read.version,
            body=shown.body,
            content_type=shown.content_type,
            headers=shown.headers,
            query=shown.query,
            survey=response.survey if response else None,
            response_id=response.response_id if response else None,
            event_ids=tuple(one.event.id for one in told),
            people=tuple(named | set(shown.people)),
            said_at=min(one.event.time for one in told),
        )


def _unknown_source(shown: Shown) -> Replayed:
    failure = Unmappable("*", "no source of this name is configured")
    return Replayed(shown.row.id, shown.row, "failed", (), failure)
