"""One source's platform as this process calls it: within its limits, by the outward connector.

In: an address. Out: what the answer means and, if it can be read, its body. Nothing of an address,
a header or an answer is logged or told; a platform that refuses us, asks us to wait or is away is
left alone for a while by all replicas.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import structlog

from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.plan import Left, Verdict, judge, pause
from services.ingest.fetch.recipe import Recipe
from services.ingest.fetch.sight import FetchSight
from services.ingest.fetch.template import origin_of
from shared.http.outward import AddressRefused
from shared.http.retry_after import retry_after

_log = structlog.get_logger(__name__)

#: A page of a hundred detailed responses takes platforms seconds; longer and the lease of what is
#: fetched one by one would be in danger.
_LIMITS: Final = {"connect": 5.0, "total": 30.0}
_REASONS: Final = {
    "read": "",
    "not_found": "the platform does not know the response",
    "refused": "the platform refuses us: look at the token, its rights and the address",
    "slow_down": "the platform asks us to wait",
    "failed": "the platform failed",
    "unacceptable": "the platform does not accept the call: look at the address",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `reason` is ours, `wait` what the platform asked for."""

    verdict: Verdict
    reason: str = ""
    wait: timedelta | None = None
    body: bytes = field(default=b"", repr=False)


class Platform:
    """Makes one source's calls. `chance` gives numbers from 0 to 1."""

    def __init__(
        self,
        recipe: Recipe,
        transport: httpx.AsyncBaseTransport,
        accounts: Accounts,
        sight: FetchSight,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self.recipe = recipe
        self._transport = transport
        self._accounts = accounts
        self._sight = sight
        self._clock = clock
        self._chance = chance

    async def pauses(self) -> bool:
        """Tell whether nobody is to be called now."""
        until = (await self._accounts.standing(self.recipe.source)).paused_until
        paused = until is not None and until > self._clock()
        self._sight.pauses(self.recipe.source, paused)
        return paused

    async def left(self, most: int) -> Left:
        """Tell how many calls may be made, `most` at most."""
        recipe = self.recipe
        return await self._accounts.left(recipe.source, recipe.settings, self._clock(), most=most)

    async def spend(self, calls: int) -> int:
        """Take calls out of what is left; returns how many may be made."""
        recipe = self.recipe
        return await self._accounts.spend(recipe.source, recipe.settings, self._clock(), calls)

    async def get(self, url: str) -> Answer:
        """Make one call that was taken out of what is left."""
        answer = await self._get(url)
        self._sight.called(self.recipe.source, answer.verdict)
        return answer

    async def heed(self, answers: Sequence[Answer]) -> None:
        """Pause the source where its answers ask for it, or note that all is well.

        One response may be refused or fail by itself; only where none was answered is it the
        account or the platform.
        """
        well = any(answer.verdict in ("read", "not_found", "unacceptable") for answer in answers)
        worst = next((one for one in answers if one.verdict == "slow_down"), None)
        if worst is None and not well:
            by_weight = sorted(answers, key=lambda one: one.verdict != "refused")
            worst = by_weight[0] if by_weight else None
        if worst is None:
            if well:
                await self._accounts.went_well(self.recipe.source)
            return
        await self._pause(worst)

    async def _pause(self, answer: Answer) -> None:
        source = self.recipe.source
        standing = await self._accounts.standing(source)
        until = pause(
            answer.verdict,
            failures=standing.failures,
            now=self._clock(),
            wait=answer.wait,
            chance=self._chance(),
        )
        if until is not None:
            await self._accounts.pause(source, until, answer.reason)
            self._sight.pauses(source, True)
            tell = _log.error if answer.verdict == "refused" else _log.warning
            tell("ingest.fetch_pauses", source=source, reason=answer.reason, until=until)

    async def _get(self, url: str) -> Answer:
        recipe = self.recipe
        try:
            request = httpx.Request(
                "GET",
                url,
                headers={"Accept": "application/json", **recipe.headers},
                extensions={"timeout": _LIMITS},
            )
            answer = await self._transport.handle_async_request(request)
            await answer.aread()
        except AddressRefused as error:
            return Answer("refused", f"not called: {error}")
        except httpx.TimeoutException:
            return Answer("failed", "no answer in time")
        except httpx.TransportError:
            return Answer("failed", "no whole answer")
        wait = retry_after(answer, self._clock().astimezone(UTC))
        verdict = judge(answer.status_code, asked_to_wait=wait is not None)
        reason = f"{_REASONS[verdict]} (HTTP {answer.status_code})" if verdict != "read" else ""
        return Answer(verdict, reason, wait, answer.content)


def following(platform: Platform, current: str, told: str) -> str | None:
    """Make the address of the next page; None if it leads anywhere but to the same platform.

    The secret goes with every call, so an answer does not choose where to.
    """
    try:
        url = httpx.URL(current).join(told)
    except (httpx.InvalidURL, ValueError):
        return None
    if origin_of(url.scheme, url.host, url.port) != platform.recipe.origin:
        return None
    return str(url) if str(url) != current else None


async def at_once(platform: Platform, urls: Sequence[str]) -> list[Answer]:
    """Make several calls at the same time; the answers come in their order."""
    return list(await asyncio.gather(*(platform.get(url) for url in urls)))
