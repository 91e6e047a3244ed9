"""Finding responses whose message never came: a scheduled reading of the platform's API.

Promise: everything changed since the last complete reading is told, once, by the same identity as
its message would have had; one replica at a time does it, and one that dies hands over by the
lapse of its turn.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.call import Platform
from services.ingest.fetch.fetches import Fetches
from services.ingest.fetch.settings import Reconcile
from services.ingest.fetch.survey import Reading, SurveyReader
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

_LOOK_EVERY_S: Final = 10.0
#: Longer than any reading should take; after it another replica goes on.
_TURN_S: Final = 1800.0
#: A reading that was cut short is tried again sooner than the next is due.
_SOON: Final = timedelta(minutes=5)


class Reconciling:
    """Reconciles one source."""

    def __init__(
        self,
        settings: Reconcile,
        platform: Platform,
        reader: SurveyReader,
        fetches: Fetches,
        accounts: Accounts,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._platform = platform
        self._recipe = platform.recipe
        self._reader = reader
        self._fetches = fetches
        self._accounts = accounts
        self._clock = clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Reconcile on schedule until told to stop."""
        while not stopping.is_set():
            try:
                await self.step(stopping)
            except DependencyAway as error:
                source = self._recipe.source
                _log.warning("ingest.reconcile_waits", source=source, reason=str(error))
            await pause(stopping, _LOOK_EVERY_S)

    async def step(self, stopping: asyncio.Event) -> bool:
        """Reconcile if it is time and our turn; tells whether it was. Raises `DependencyAway`."""
        source = self._recipe.source
        began = self._clock()
        if not await self._accounts.take_turn(source, began, _TURN_S):
            return False
        every = timedelta(seconds=self._settings.every_s)
        soon = began + min(every, _SOON)
        try:
            complete = await self._all(stopping)
        except DependencyAway:
            # With the database away the turn lapses by itself.
            with suppress(DependencyAway):
                await self._accounts.end_turn(source, soon)
            raise
        await self._accounts.end_turn(source, began + every if complete else soon)
        return True

    async def _all(self, stopping: asyncio.Event) -> bool:
        """Read every survey; tells whether everything was seen.

        One that its platform no longer has, or never reads to the end, stands in no other's way.
        """
        complete = True
        for survey in await self._surveys():
            if stopping.is_set() or await self._platform.pauses():
                return False
            reading = await self._survey(survey, stopping)
            if reading.held_up:
                return False
            complete = complete and reading.complete
        return complete

    async def _surveys(self) -> list[str]:
        named = self._settings.surveys or self._recipe.surveys
        return list(named) or await self._accounts.surveys(self._recipe.source)

    async def _survey(self, survey: str, stopping: asyncio.Event) -> Reading:
        """Read one survey from where it was read to."""
        source = self._recipe.source
        began = self._clock()
        read_to = await self._accounts.read_to(source, survey)
        if read_to is None:
            since = began - timedelta(seconds=self._settings.look_back_s)
        else:
            since = min(read_to, began) - timedelta(seconds=self._settings.overlap_s)
        arms = await self._fetches.arms(source, survey)
        reading = await self._reader.read(survey, since, arms, stopping)
        if not reading.complete:
            _log.warning("ingest.reconcile_incomplete", source=source, reason=reading.reason)
            return reading
        await self._accounts.have_read_to(source, survey, began)
        _log.info("ingest.reconciled", source=source, responses=len(reading.found))
        return reading
