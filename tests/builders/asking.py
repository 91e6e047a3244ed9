"""A segmenter that a person asks something of: its routes, and the handler that does it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.builders.facts import Shelf, day
from tests.builders.merging import tell


@dataclass
class Place:
    """A segmenter with two customers: its routes, what they publish, what it decided."""

    app: FastAPI
    token: str
    asked: Shelf
    engine: AsyncEngine
    shelf: Shelf
    anna: UUID
    ben: UUID

    async def post(self, path: str, token: str | None = None, **wish: Any) -> httpx.Response:
        """Ask for something about customers; by `token`, else by the one who may."""
        return await self._ask("POST", f"/v1/customers/{path}", token, json=wish)

    async def get(self, path: str, token: str | None = None) -> httpx.Response:
        """Look at something."""
        return await self._ask("GET", f"/v1/{path}", token)

    async def done(self, now: datetime = day(6)) -> None:  # noqa: B008 - a constant
        """Let the handler handle what was asked for."""
        await tell(self.engine, self.shelf, *self.asked.events(), now=now)
        self.asked.messages.clear()

    async def _ask(self, method: str, path: str, token: str | None, **body: Any) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://nps.test",
            headers={"Authorization": f"Bearer {token or self.token}"},
        ) as client:
            return await client.request(method, path, **body)
