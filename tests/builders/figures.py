"""Figures over a segmenter's real tables: answers told, questions asked, alerts watched."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.quality import make_quality_router
from services.segmenter.figures.figures_api import make_figures_router
from services.segmenter.figures.meters import FigureMetrics
from services.segmenter.figures.watch import FigureWatch
from services.segmenter.policy.whole import Policy
from shared.bus.port import Publisher
from shared.database import connect
from shared.events.envelope import Event
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.settings import Secrets
from tests.builders.facts import Shelf, day, handler, received, rulebook, shipped_policy
from tests.builders.sweeping import sweep

#: Handled at a time, as the service does.
_BATCH = 100


def policy_with(**sections: Any) -> Policy:
    """The shipped policy with other sections, given as the file has them."""
    shipped = shipped_policy().value.model_dump(by_alias=True)
    return Policy.model_validate({**shipped, **sections})


class Figures:
    """A segmenter's figures as of `now`; `shelf` has what it published."""

    def __init__(self, engine: AsyncEngine, policy: Policy, now: datetime) -> None:
        self.engine = engine
        self.shelf = Shelf()
        self.now = now
        self.registry = CollectorRegistry()
        self._policy = policy
        tokens = AccessConfig(
            tokens=(
                Token(name="reader", scopes=frozenset({"read"}), token="env:NPS_TOKEN_READER"),
                Token(name="writer", scopes=frozenset({"events"}), token="env:NPS_TOKEN_WRITER"),
            )
        )
        secrets = Secrets({"NPS_TOKEN_READER": "reader", "NPS_TOKEN_WRITER": "writer"})
        access = Access(tokens, secrets)
        routers = [
            make_figures_router(engine, rulebook(policy), access, lambda: self.now),
            make_quality_router(engine, rulebook(policy), access, lambda: self.now),
        ]
        self.app: FastAPI = make_app([Part(name="segmenter", routers=routers)], self.registry)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://nps.test"
        )
        self._watched = False

    async def tell(self, *events: Event) -> None:
        """Let the segmenter handle events, in batches."""
        handle = handler(self.engine, self.shelf, now=lambda: self.now, policy=self._policy)
        for first in range(0, len(events), _BATCH):
            assert not await handle(received(*events[first : first + _BATCH]))
        await self.sweep()

    async def sweep(self) -> None:
        """Read whoever changed."""
        await sweep(self.engine, lambda: self.now, self._policy).catch_up()

    async def get(
        self, path: str = "/v1/nps", token: str = "reader", **query: Any
    ) -> httpx.Response:
        """Ask; `since` and `until` stand for `from` and `to`."""
        names = {"since": "from", "until": "to"}
        asked = {names.get(name, name): value for name, value in query.items()}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self._client.get(path, params=asked, headers=headers)

    async def ask(self, **query: Any) -> Any:
        """Ask for figures that are there."""
        answer = await self.get(**query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def alerts(self, **query: Any) -> Any:
        """Ask how the alerts stand."""
        answer = await self.get("/v1/nps/alerts", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()["alerts"]

    def watch(
        self, clock: Callable[[], datetime] | None = None, publisher: Publisher | None = None
    ) -> FigureWatch:
        """One replica's watch; the first one's metrics are on `registry`."""
        registry = CollectorRegistry() if self._watched else self.registry
        self._watched = True
        return FigureWatch(
            self.engine,
            publisher or self.shelf,
            rulebook(self._policy),
            clock=clock or (lambda: self.now),
            metrics=FigureMetrics(registry),
        )

    async def close(self) -> None:
        """Free what was opened."""
        await self._client.aclose()
        await self.engine.dispose()


@asynccontextmanager
async def figures_on(
    database: str, policy: Policy | None = None, *, now: datetime | None = None
) -> AsyncIterator[Figures]:
    """Figures on a fresh database, as of a day after `NOON`."""
    engine = connect(database, "segmenter")
    found = Figures(engine, policy or shipped_policy().value, now or day(1))
    await found.sweep()
    try:
        yield found
    finally:
        await found.close()
