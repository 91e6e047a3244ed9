"""Everything that fetches, put together for one process: the queue, a loop per source, the end.

Build it inside the running loop; `__main__` hands the queue to whoever takes messages in and the
loops to the host.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.fetch.accounts import Accounts
from services.ingest.fetch.call import Platform
from services.ingest.fetch.fetches import Fetches
from services.ingest.fetch.loop import Fetching
from services.ingest.fetch.recipe import Recipe
from services.ingest.fetch.reconcile import Reconciling
from services.ingest.fetch.sight import FetchSight
from services.ingest.fetch.survey import SurveyReader
from services.ingest.fetch.telling import Telling
from services.ingest.keep.bodies_table import Body
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.tombstones import Tombstones
from services.ingest.told import Told
from shared.events.vocabulary import Identifier
from shared.hosting import Task
from shared.http.outward import Outward
from shared.stopping import pause

_log = structlog.get_logger(__name__)

#: A page of a hundred detailed responses is some hundreds of KiB.
_MOST_ANSWER: Final = 8 << 20
#: Calls at the same time: those of the fetching loop and one of reconciling.
_CONNECTIONS: Final = 6
#: How long it is remembered what was fetched: senders repeat for three days at most.
REMEMBERED_FOR: Final = timedelta(days=8)


def outward(recipe: Recipe) -> Outward:
    """Make the connector of one source's platform: it leads to no other host."""
    return Outward(
        connections=_CONNECTIONS,
        hosts=(recipe.host,),
        allow_private=recipe.settings.allow_private,
        allow_http=recipe.settings.allow_http,
        max_answer=_MOST_ANSWER,
    )


class FetchParts:
    """`fetches` takes thin messages; `tasks` are the loops by name; `close` ends connections."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        *,
        engine: AsyncEngine,
        publish: Callable[[Sequence[Told]], Awaitable[None]],
        quarantine: Quarantine,
        tombstones: Tombstones,
        whom: Callable[[Sequence[Identifier]], tuple[str, ...]],
        keep: Callable[[Body], None],
        registry: CollectorRegistry,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        connect: Callable[[Recipe], httpx.AsyncBaseTransport] = outward,
        rest: Callable[[asyncio.Event, float], Awaitable[None]] = pause,
    ) -> None:
        self.fetches = Fetches(engine)
        self.accounts = Accounts(engine)
        self.fetching: dict[str, Fetching] = {}
        self.reconciling: dict[str, Reconciling] = {}
        self._transports: list[httpx.AsyncBaseTransport] = []
        sight = FetchSight(registry)
        telling = Telling(
            publish=publish,
            quarantine=quarantine,
            accounts=self.accounts,
            tombstones=tombstones,
            whom=whom,
            keep=keep,
            sight=sight,
        )
        for recipe in recipes:
            transport = connect(recipe)
            self._transports.append(transport)
            platform = Platform(recipe, transport, self.accounts, sight, clock=clock, chance=chance)
            reader = None
            if recipe.many is not None:
                reader = SurveyReader(
                    platform, recipe.many, self.fetches, telling, clock=clock, rest=rest
                )
            self.fetching[recipe.source] = Fetching(
                platform,
                reader=reader,
                fetches=self.fetches,
                accounts=self.accounts,
                telling=telling,
                sight=sight,
                clock=clock,
                chance=chance,
            )
            if recipe.reconcile is not None and reader is not None:
                self.reconciling[recipe.source] = Reconciling(
                    recipe.reconcile, platform, reader, self.fetches, self.accounts, clock=clock
                )

    @property
    def tasks(self) -> dict[str, Task]:
        """The loops to run, by name."""
        fetching = {f"fetching-{name}": one.run for name, one in self.fetching.items()}
        return {
            **fetching,
            **{f"reconciling-{name}": one.run for name, one in self.reconciling.items()},
        }

    async def prune(self, before: datetime) -> int:
        """Delete what was done with before; returns how many rows.

        Looks as well for what nobody fetches any more, and says so: it waits until its source is
        configured again.
        """
        for source, rows in (await self.fetches.strays(list(self.fetching))).items():
            _log.error("ingest.fetch_abandoned", source=source, responses=rows)
        return await self.fetches.prune(before) + await self.accounts.forget(before)

    async def close(self) -> None:
        """End all connections."""
        for transport in self._transports:
            await transport.aclose()
