"""The sweep: whoever changed is read anew, a bounded step at a time, one replica at a time.

In: the changes that every batch leaves behind (`changed_customers`). Out: the tables that figures
and data quality are read from. Each step is a transaction: it can be killed at any moment, and any
replica goes on. It takes a quarter of one core at most, a twentieth while events wait, for deciding
comes first.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.erase import tombstones
from services.segmenter.figures import history
from services.segmenter.figures.history import Said, Told
from services.segmenter.profile.state import Profile, load
from services.segmenter.quality import store as quality_store
from services.segmenter.quality.quality import Person, stale_before
from services.segmenter.sweep import gathering, progress, suspecting, writing
from services.segmenter.sweep.meters import SweepMetrics
from services.segmenter.sweep.pace import rest_s
from services.segmenter.sweep.portrait import Portrait, portrait, rules_of
from services.segmenter.sweep.reasons import reasons
from shared.database import away_as_dependency
from shared.errors import DependencyAway
from shared.identifiers import Rules
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Customers of one step: a transaction of some 200 ms.
_STEP: Final = 500
#: After so many customers read, a few milliseconds, everything else in the process has its turn.
_BREATH: Final = 16
#: How often a rest asks whether events still wait: with the last of them it grows short.
_LOOK_S: Final = 1.0
#: Everybody is counted (not read) for the summary of data quality: some seconds on ten million.
_SUMMARY_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: how many customers it read, and whether a round has ended."""

    read: int
    rested: bool


class Sweep:
    """Reads customers anew. `clock` tells aware times; `most` customers a step.

    `busy` tells whether what comes first, deciding, has more to do than it can.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        rulebook: Rulebook,
        rules: Rules,
        *,
        clock: Callable[[], datetime],
        metrics: SweepMetrics,
        most: int = _STEP,
        summary_every: timedelta = _SUMMARY_EVERY,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._policy = rulebook.policy
        self._themes = rulebook.themes
        self._rules = rules
        self._read_by = rules_of(rulebook.policy, rules)
        self._clock = clock
        self._metrics = metrics
        self._most = most
        self._summary_every = summary_every
        self._busy = busy

    async def step(self) -> Step | None:
        """Read some; None: another replica is at it. Raises `DependencyAway`."""
        with away_as_dependency():
            async with self._engine.begin() as connection:
                # What an erasure deletes beside this must not be written again.
                await tombstones.lock(connection, alone=False)
                known = await progress.take(connection, self._read_by)
                if known is None:
                    return None
                now = self._clock()
                ids, found = await progress.advance(connection, known, now, self._most)
                if ids:
                    await self._read(connection, ids)
                if found.resting and found.as_of is not None:
                    found = await self._summarised(connection, found, now)
                await progress.save(connection, found)
        age = None if found.as_of is None else (now - found.as_of).total_seconds()
        self._metrics.swept(len(ids), age)
        return Step(len(ids), found.resting)

    async def catch_up(self) -> None:
        """Read all that had changed when this was called."""
        # The round under way began before; the one after it has everything.
        for _ in range(2):
            step = await self.step()
            while step is None or not step.rested:
                step = await self.step()

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep until `stopping` is set; an absent database only costs a turn."""
        while not stopping.is_set():
            started, step = time.perf_counter(), None
            try:
                step = await self.step()
            except DependencyAway as error:
                _log.warning("segmenter.sweep_waits", reason=str(error))
            await lie_still(partial(self._rest_s, step, time.perf_counter() - started), stopping)

    def _rest_s(self, step: Step | None, took_s: float) -> float:
        return rest_s(took_s, idle=step is None or step.rested, busy=self._busy())

    async def _read(self, connection: AsyncConnection, ids: Collection[UUID]) -> None:
        found = await gathering.gather(connection, ids)
        profiles = await self._loaded(found.states)
        portraits = await self._portraits(profiles)
        said = await self._said(profiles)
        told = {
            one.customer_id: Told(
                profiles[one.customer_id],
                found.given.get(one.customer_id, ()),
                found.contacts.get(one.customer_id, ()),
                found.invitations.get(one.customer_id, ()),
                said.get(one.customer_id, {}),
            )
            for one in portraits
            if not one.test
        }
        await writing.forget(connection, [*profiles, *found.gone])
        await writing.people(connection, portraits)
        counted = [(one, told[one.customer_id]) for one in portraits if not one.test]
        await writing.answers(
            connection, [(one, row) for one, hers in counted for row in history.answers(hers)]
        )
        await writing.cases(
            connection, [(one, row) for one, hers in counted for row in history.cases(hers)]
        )
        await writing.invitations(
            connection, [(one, row) for one, hers in counted for row in history.invitations(hers)]
        )
        again = await self._suspect(connection, portraits, found.gone)
        if again:  # once more at most: they keep their keys
            await self._read(connection, again)

    async def _suspect(
        self, connection: AsyncConnection, portraits: Sequence[Portrait], gone: Collection[UUID]
    ) -> Collection[UUID]:
        """Judge whose twins they may be; returns who else is to be judged anew."""

        async def read(ids: Collection[UUID]) -> Mapping[UUID, Person]:
            states = await gathering.read_states(connection, ids)
            others = await self._portraits(await self._loaded(states))
            return {one.customer_id: one.person for one in others if one.known}

        keys = {one.customer_id: one.keys if one.known else frozenset() for one in portraits}
        sharing, again = await suspecting.rekey(connection, keys, gone)
        people = {one.customer_id: one.person for one in portraits if one.known}
        left = [*gone, *(one.customer_id for one in portraits if not one.known)]
        await suspecting.judge(connection, people, left, sharing, read)
        return again

    async def _loaded(self, states: Mapping[UUID, str]) -> dict[UUID, Profile]:
        found = {}
        for number, (customer_id, state) in enumerate(states.items()):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            found[customer_id] = load(state)
        return found

    async def _portraits(self, profiles: Mapping[UUID, Profile]) -> list[Portrait]:
        found = []
        for number, (customer_id, profile) in enumerate(profiles.items()):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            found.append(portrait(customer_id, profile, self._policy, self._rules))
        return found

    async def _said(self, profiles: Mapping[UUID, Profile]) -> dict[UUID, dict[str, Said]]:
        """Read the reasons of answers, where a digest counts them."""
        found: dict[UUID, dict[str, Said]] = {}
        for number, (customer_id, profile) in enumerate(profiles.items()):
            if not self._policy.digests:
                break
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            found[customer_id] = reasons(profile, self._policy, self._themes)
        return found

    async def _summarised(
        self, connection: AsyncConnection, found: progress.Progress, now: datetime
    ) -> progress.Progress:
        """Count data quality, if it was not done a short time ago."""
        last = found.summary_as_of
        if last is not None and now - last < self._summary_every:
            return found
        await quality_store.summarise(connection, stale_before(self._policy.quality, now))
        return replace(found, summary_as_of=found.as_of)


async def lie_still(
    due_s: Callable[[], float],
    stopping: asyncio.Event,
    wait: Callable[[asyncio.Event, float], Awaitable[None]] = pause,
) -> None:
    """Rest as long as `due_s` says, asked again each second: less long once no event waits."""
    rested = 0.0
    while not stopping.is_set() and (left := due_s() - rested) > 0:
        await wait(stopping, min(left, _LOOK_S))
        rested += _LOOK_S
