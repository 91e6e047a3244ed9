"""Reading many responses of one survey, page by page, and telling each as it comes.

In: a survey and since when. Out: `Reading`: whether everything was seen, and which responses were.
What waited to be fetched and is found here is done with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from services.ingest.decode.decoders import Undecodable
from services.ingest.fetch import fetched
from services.ingest.fetch.call import Answer, Platform, following
from services.ingest.fetch.fetched import Document
from services.ingest.fetch.fetches import Fetches, Row
from services.ingest.fetch.recipe import Many
from services.ingest.fetch.telling import Telling
from shared.stopping import pause

#: The calls of this minute may be used up; those of the day come back tomorrow, and nobody waits.
_WAITS: Final = 2
_MINUTE_S: Final = 60.0


@dataclass(slots=True)
class Reading:
    """How far a reading came; `reason` says why not all the way.

    `held_up`: the account is to call nobody for now, so no other survey can be read either.
    """

    complete: bool = False
    reason: str = ""
    held_up: bool = False
    found: set[str] = field(default_factory=set)


class SurveyReader:
    """Reads one source's surveys. `rest` waits so many seconds, or until the process stops."""

    def __init__(
        self,
        platform: Platform,
        many: Many,
        fetches: Fetches,
        telling: Telling,
        *,
        clock: Callable[[], datetime],
        rest: Callable[[asyncio.Event, float], Awaitable[None]] = pause,
    ) -> None:
        self._platform = platform
        self._many = many
        self._fetches = fetches
        self._telling = telling
        self._clock = clock
        self._rest = rest

    async def read(
        self, survey: str, since: datetime, arms: Mapping[str, int], stopping: asyncio.Event
    ) -> Reading:
        """Read all that changed since; `arms` are the responses that wait, each with its arm."""
        reading = Reading()
        try:
            url = self._many.url.fill(_values(survey, since, 1))
        except ValueError as error:
            reading.reason = str(error)
            return reading
        for page in range(1, self._many.settings.pages + 1):
            answer = await self._page(url, stopping)
            if answer.verdict != "read":
                reading.reason = answer.reason
                reading.held_up = answer.verdict == "slow_down"
                return reading
            try:
                documents, told = fetched.read_page(self._many, answer.body, survey)
            except Undecodable as error:
                reading.reason = f"the answer is {error}"
                await self._platform.heed([Answer("failed", reading.reason)])
                return reading
            await self._tell(survey, documents, arms, reading)
            after = self._after(url, documents, told, _values(survey, since, page + 1))
            if after is None:
                reading.complete = told is None
                reading.reason = "" if reading.complete else "the next page is elsewhere"
                return reading
            url = after
        reading.reason = f"more than {self._many.settings.pages} pages"
        return reading

    async def _page(self, url: str, stopping: asyncio.Event) -> Answer:
        for waited in range(_WAITS + 1):
            if await self._platform.spend(1):
                answer = await self._platform.get(url)
                await self._platform.heed([answer])
                return answer
            if waited == _WAITS or stopping.is_set():
                break
            await self._rest(stopping, _MINUTE_S - self._clock().timestamp() % _MINUTE_S)
        return Answer("slow_down", "no calls are left for now")

    async def _tell(
        self,
        survey: str,
        documents: list[Document],
        arms: Mapping[str, int],
        reading: Reading,
    ) -> None:
        now = self._clock()
        recipe, mapping = self._platform.recipe, self._many.mapping
        fates = await self._telling.tell(recipe, mapping, documents, now)
        done: list[Row] = []
        for document, fate in zip(documents, fates, strict=True):
            found = fetched.response_id(mapping, document)
            if found is not None:
                reading.found.add(found)
                if found in arms:
                    done.append(Row(survey, found, arms[found], fate))
        await self._fetches.close(recipe.source, done, now)

    def _after(
        self, url: str, documents: list[Document], told: str | None, values: Mapping[str, str]
    ) -> str | None:
        if self._many.next is not None:
            return None if told is None else following(self._platform, url, told)
        if "page" in self._many.url.names and documents:
            return self._many.url.fill(values)
        return None


def _values(survey: str, since: datetime, page: int) -> dict[str, str]:
    moment = since.astimezone(UTC).replace(microsecond=0)
    seconds = int(moment.timestamp())
    return {
        "survey": survey,
        "since": moment.isoformat(),
        "since_unix": str(seconds),
        "since_ms": str(seconds * 1000),
        "page": str(page),
    }
