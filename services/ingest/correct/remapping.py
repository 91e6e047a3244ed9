"""Bodies that were understood, read again by the mapping of today; what differs is told anew.

In: one source's kept bodies, a page at a time. Out: what would change, or what was told. A body's
row names the new mapping only after its revision is durable, so doing it twice changes nothing.
Where today's mapping finds somebody in it who is erased, nothing is told and the body goes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.ingest.correct.again import Way, outcomes
from services.ingest.correct.remap import Change, change
from services.ingest.correct.ways import Ways
from services.ingest.keep.bodies_table import BodiesTable, KeptBody
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from services.ingest.keep.publishing import TOO_LARGE, publish_all
from services.ingest.keep.tombstones import Tombstones
from services.ingest.told import Told
from shared.http.problems import Problem

#: Read at once: bodies of up to a mebibyte each are held meanwhile.
_CHUNK: Final = 20
_UNKNOWN: Final = "the mapping that read it then is not known any more"
_ERASED: Final = "its person is erased: nothing is told, and the body goes"
_OTHERWISE_CUT: Final = "the body is cut into another number of messages: nothing can be compared"


@dataclass(frozen=True, slots=True)
class Mapped:
    """One body that reads otherwise now. All of it is told anew, or, if `refused`, nothing."""

    body: KeptBody
    changes: tuple[Change, ...]
    refused: str | None

    @property
    def told(self) -> tuple[Told, ...]:
        """The events to tell."""
        if self.refused is not None:
            return ()
        return tuple(one.told for one in self.changes if one.told is not None)


@dataclass(frozen=True, slots=True)
class Page:
    """Some bodies: how many were looked at, those that differ, and where to go on."""

    read: int
    mapped: tuple[Mapped, ...]
    next: int | None


class Remapping:
    """Maps one source's bodies again. `route_key` names people as an erasure does."""

    def __init__(
        self,
        ways: Ways,
        intake: Intake,
        bodies: BodiesTable,
        tombstones: Tombstones,
        *,
        route_key: bytes,
    ) -> None:
        self._ways = ways
        self._intake = intake
        self._bodies = bodies
        self._tombstones = tombstones
        self._route_key = route_key

    async def page(
        self,
        way: Way,
        source: str,
        *,
        since: datetime,
        until: datetime | None,
        after: int,
        limit: int,
        dry_run: bool,
    ) -> Page:
        """Read the bodies that another mapping than `way` has read, and tell unless `dry_run`.

        The page ends early, or raises the 503 problem, while bus or database is away.
        """
        read = 0
        found: list[Mapped] = []
        while read < limit:
            most = min(_CHUNK, limit - read)
            reading = self._bodies.read(
                source,
                since=since,
                until=until,
                limit=most,
                after=after,
                not_read_by=way.version,
            )
            try:
                bodies = await self._intake.in_time(reading)
                found += await self._chunk(way, bodies, dry_run=dry_run)
            except Problem:
                if not read:
                    raise
                return Page(read, tuple(found), after)  # what is done must be told
            read += len(bodies)
            after = bodies[-1].id if bodies else after
            if len(bodies) < most:
                return Page(read, tuple(found), None)
        return Page(read, tuple(found), after)

    async def _chunk(self, way: Way, bodies: Sequence[KeptBody], *, dry_run: bool) -> list[Mapped]:
        mapped: list[Mapped] = []
        for body in bodies:
            mapped.append(await self._mapped(way, body))
            await asyncio.sleep(0)  # five hundred messages take a while; others want to be served
        mapped = await self._without_erased(mapped)
        if not dry_run:
            gone = [each.body.id for each in mapped if each.refused == _ERASED]
            if gone:
                await self._intake.in_time(self._bodies.drop(gone))
                self._tombstones.stopped("remap", len(gone))
            told = [one for each in mapped for one in each.told]
            too_large = await publish_all(self._intake, told)
            mapped = [_refused(each, too_large, TOO_LARGE.rule) for each in mapped]
            for each in mapped:
                await self._note(way, each)
        return [each for each in mapped if each.changes or each.refused]

    async def _without_erased(self, mapped: Sequence[Mapped]) -> list[Mapped]:
        told = [one for each in mapped for one in each.told]
        erased = await self._intake.in_time(self._tombstones.erased(told))
        refused = [_refused(each, erased, _ERASED) for each in mapped]
        # What it said is not shown either.
        return [replace(one, changes=()) if one.refused == _ERASED else one for one in refused]

    async def _mapped(self, way: Way, body: KeptBody) -> Mapped:
        then = await self._intake.in_time(self._ways.then(body.mapping))
        if then is None:
            return Mapped(body, (), _UNKNOWN)
        old = outcomes(then, body, body.received_at)
        new = outcomes(way, body, body.received_at)
        if len(old) != len(new):
            return Mapped(body, (), _OTHERWISE_CUT)
        compared = [
            change(place, was, now, body.revised + 1)
            for place, (was, now) in enumerate(zip(old, new, strict=True))
        ]
        changes = tuple(one for one in compared if one is not None)
        refused = next((one.refused for one in changes if one.refused is not None), None)
        return Mapped(body, changes, refused)

    async def _note(self, way: Way, mapped: Mapped) -> None:
        """Name the new mapping in the row, unless nothing could be told of what differs."""
        if mapped.refused is not None:
            return
        named = {p for one in mapped.told for p in people(self._route_key, one.identifiers)}
        await self._intake.in_time(
            self._bodies.now_read_by(
                mapped.body,
                way.version,
                event_ids=[one.event.id for one in mapped.told],
                people=sorted(named),
            )
        )


def _refused(mapped: Mapped, events: frozenset[UUID], why: str) -> Mapped:
    """Refuse a body if one of these events is to be told of it."""
    if events.isdisjoint(one.event.id for one in mapped.told):
        return mapped
    return replace(mapped, refused=why)
