"""The loop that fetches what thin messages told of: one source's responses, through its limits.

Promise: a row is done with only after what was fetched is durable, or is in quarantine with the
reason; whatever fails in between is tried again later, by any replica.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from services.ingest.decode.decoders import Undecodable
from services.ingest.fetch import fetched
from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.call import Answer, Platform, at_once
from services.ingest.fetch.fetched import Document
from services.ingest.fetch.fetches import ERASED, Claimed, Fetches, Row
from services.ingest.fetch.plan import One, Together, next_call, try_again
from services.ingest.fetch.sight import FetchSight
from services.ingest.fetch.survey import SurveyReader
from services.ingest.fetch.telling import Telling
from services.ingest.told import Thin
from shared.errors import DependencyAway
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: Calls at the same time of one source: enough for the 500 a minute that platforms allow at most.
_AT_ONCE: Final = 4
#: Twice the longest call and publication; a replica that died holds nothing up for longer.
_LEASE_S: Final = 90.0
_LEASE_TOGETHER_S: Final = 600.0
_MOST_TOGETHER: Final = 5000
_LOOK_EVERY_S: Final = 2.0
#: First and longest wait while bus or database are away: what is fetched meanwhile is lost, and
#: costs calls of the day.
_AWAY_S: Final = (2.0, 300.0)
#: What a reading together did not bring is asked for by itself, soon.
_ALONE_AFTER: Final = timedelta(seconds=5)


class Fetching:
    """Fetches one source's responses."""

    def __init__(
        self,
        platform: Platform,
        *,
        reader: SurveyReader | None,
        fetches: Fetches,
        accounts: Accounts,
        telling: Telling,
        sight: FetchSight,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self._platform = platform
        self._recipe = platform.recipe
        self._reader = reader
        self._fetches = fetches
        self._accounts = accounts
        self._telling = telling
        self._sight = sight
        self._clock = clock
        self._chance = chance

    async def run(self, stopping: asyncio.Event) -> None:
        """Fetch until told to stop."""
        arrived = self._fetches.arrived[self._recipe.source]
        failures = 0
        while not stopping.is_set():
            arrived.clear()
            try:
                went_on = await self.step(stopping)
                await self._show()
            except DependencyAway as error:
                if not failures:
                    source = self._recipe.source
                    _log.warning("ingest.fetch_waits", source=source, reason=str(error))
                await pause(stopping, min(_AWAY_S[0] * 2.0 ** min(failures, 20), _AWAY_S[1]))
                failures += 1
                continue
            failures = 0
            if not went_on:
                await _either(arrived, stopping)

    async def step(self, stopping: asyncio.Event) -> bool:
        """Do the next thing; tells whether there was one. Raises `DependencyAway`."""
        now = self._clock()
        waiting = await self._fetches.waiting(self._recipe.source, now)
        if not waiting or await self._platform.pauses():
            return False
        remaining = await self._platform.left(_AT_ONCE)
        call = next_call(waiting, self._recipe.settings, remaining, now)
        if isinstance(call, Together):
            return await self._read_together(call, stopping)
        return call is not None and await self._fetch_each(call)

    async def _fetch_each(self, call: One) -> bool:
        source = self._recipe.source
        lease, claimed = await self._fetches.claim(
            source,
            self._clock(),
            most=call.most,
            lease_s=_LEASE_S,
            only_alone=call.only_alone,
        )
        if not claimed:
            return False
        try:
            callable_, urls = await self._addresses(await self._not_erased(claimed))
            granted = await self._platform.spend(len(urls)) if urls else 0
            answers = await at_once(self._platform, urls[:granted])
            await self._take(lease, callable_[:granted], answers)
            return granted > 0 or len(callable_) < len(claimed)
        finally:
            with suppress(DependencyAway):
                await self._fetches.release(lease)

    async def _not_erased(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Be done with those whose person is erased: no platform is asked about her again."""
        source = self._recipe.source
        erased = await self._telling.erased(source, [one.thin for one in claimed])
        done = [_row(one, ERASED) for one, gone in zip(claimed, erased, strict=True) if gone]
        await self._fetches.close(source, done, self._clock())
        return [one for one, gone in zip(claimed, erased, strict=True) if not gone]

    async def _addresses(self, claimed: Sequence[Claimed]) -> tuple[list[Claimed], list[str]]:
        """Write the address of each; one that cannot be written is given up."""
        callable_: list[Claimed] = []
        urls: list[str] = []
        for one in claimed:
            try:
                urls.append(self._address(one.thin))
                callable_.append(one)
            except ValueError as error:
                await self._give_up(one, "fetch.url", str(error))
        return callable_, urls

    def _address(self, thin: Thin) -> str:
        if self._recipe.one is None:
            raise ValueError("the source no longer says how one response is read")
        values = {**thin.variables, "survey": thin.survey, "response_id": thin.response_id}
        return self._recipe.one.fill(values)

    async def _take(
        self, lease: UUID, claimed: Sequence[Claimed], answers: Sequence[Answer]
    ) -> None:
        read: list[tuple[Claimed, Document]] = []
        failed: list[tuple[Claimed, Answer]] = []
        for one, answer in zip(claimed, answers, strict=True):
            found = self._read(one, answer)
            if isinstance(found, Document):
                read.append((one, found))
            else:
                failed.append((one, found))
        now = self._clock()
        documents = [document for _, document in read]
        fates = await self._telling.tell(self._recipe, self._recipe.mapping, documents, now)
        done = [_row(one, fate) for (one, _), fate in zip(read, fates, strict=True)]
        await self._fetches.close(self._recipe.source, done, now)
        for one, answer in failed:
            await self._again(lease, one, answer)
        await self._platform.heed([*(Answer("read") for _ in read), *(a for _, a in failed)])

    def _read(self, one: Claimed, answer: Answer) -> Document | Answer:
        if answer.verdict != "read":
            return answer
        try:
            return fetched.read_one(self._recipe, answer.body, fetched.asked_of(one.thin))
        except Undecodable as error:
            return Answer("failed", f"the answer is {error}")

    async def _again(self, lease: UUID, one: Claimed, answer: Answer) -> None:
        due_at = try_again(
            answer.verdict,
            self._recipe.settings,
            attempts=one.attempts,
            received_at=one.received_at,
            now=self._clock(),
            wait=answer.wait,
            chance=self._chance(),
        )
        if due_at is None:
            await self._give_up(one, "fetch", answer.reason)
        else:
            row = _row(one, answer.reason, due_at)
            await self._fetches.postpone(self._recipe.source, lease, [row])

    async def _give_up(self, one: Claimed, path: str, rule: str) -> None:
        now = self._clock()
        await self._telling.give_up(self._recipe, one.thin, path, rule, now)
        await self._fetches.close(self._recipe.source, [_row(one, rule)], now)
        _log.error("ingest.fetch_gave_up", source=self._recipe.source, reason=rule)

    async def _read_together(self, call: Together, stopping: asyncio.Event) -> bool:
        source, many = self._recipe.source, self._recipe.many
        if self._reader is None or many is None:
            return False
        every_s = many.settings.at_most_every_s
        if not await self._accounts.begin_reading(source, call.survey, self._clock(), every_s):
            return False
        lease, claimed = await self._fetches.claim(
            source,
            self._clock(),
            most=_MOST_TOGETHER,
            lease_s=_LEASE_TOGETHER_S,
            survey=call.survey,
        )
        try:
            claimed = await self._not_erased(claimed)
            arms = {one.thin.response_id: one.arm for one in claimed}
            reading = await self._reader.read(call.survey, call.since, arms, stopping)
            if reading.complete:
                due_at = self._clock() + _ALONE_AFTER
                missed = [
                    _row(one, "not among those read together", due_at)
                    for one in claimed
                    if one.thin.response_id not in reading.found
                ]
                await self._fetches.postpone(source, lease, missed, alone=True)
            else:
                _log.warning("ingest.fetch_incomplete", source=source, reason=reading.reason)
        finally:
            with suppress(DependencyAway):
                await self._fetches.release(lease)
        return True

    async def _show(self) -> None:
        rows, since = await self._fetches.size(self._recipe.source)
        self._sight.waits(self._recipe.source, rows, since, self._clock())


def _row(one: Claimed, reason: str, due_at: datetime | None = None) -> Row:
    return Row(one.thin.survey, one.thin.response_id, one.arm, reason, due_at)


async def _either(arrived: asyncio.Event, stopping: asyncio.Event) -> None:
    """Wait for something new, the end, or the time to look for others' rows."""
    tasks = {asyncio.ensure_future(arrived.wait()), asyncio.ensure_future(stopping.wait())}
    try:
        await asyncio.wait(tasks, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
