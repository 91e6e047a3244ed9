"""Callers of a dispatcher's routes: one that may operate, one that may look."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
from fastapi import FastAPI

from services.dispatcher.api.bulk import build_bulk_router
from services.dispatcher.api.deliveries import build_router
from services.dispatcher.api.plays import build_play_router
from services.dispatcher.api.profiles import build_profiles_router
from services.dispatcher.api.shadow import build_shadow_router
from services.dispatcher.api.targets import build_target_router
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig
from shared.settings import Secrets
from tests.builders.auditing import trail
from tests.builders.dispatching import Dispatching, person

ACCESS = Access(
    AccessConfig.model_validate(
        {
            "tokens": [
                {"name": "ops", "scopes": ["read", "operate"], "token": "env:NPS_TOKEN_OPS"},
                {"name": "viewer", "scopes": ["read"], "token": "env:NPS_TOKEN_VIEWER"},
            ]
        }
    ),
    Secrets({"NPS_TOKEN_OPS": "ops-token", "NPS_TOKEN_VIEWER": "viewer-token"}),
)
#: The record of what callers did.
TRAIL = trail("dispatcher")
OPS = {"Authorization": "Bearer ops-token"}
VIEWER = {"Authorization": "Bearer viewer-token"}
#: For commands.
ENVIRON = {"NPS_TOKEN": "ops-token"}


def app_of(d: Dispatching) -> FastAPI:
    """The dispatcher's routes."""

    def at() -> datetime:
        return d.now

    routers = [
        build_router(d.engine, ACCESS, d.bell, d.metrics, lambda: d.now, trail=TRAIL),
        build_bulk_router(
            d.engine,
            ACCESS,
            rules=d.rulebook,
            bell=d.bell,
            metrics=d.metrics,
            clock=lambda: d.now,
            trail=TRAIL,
        ),
        build_shadow_router(d.engine, ACCESS, d.rulebook, person, lambda: d.now),
        build_target_router(d.engine, ACCESS, d.rulebook.targets, d.bell, at, trail=TRAIL),
        build_profiles_router(d.engine, ACCESS, d.rulebook.targets, d.bell, at, trail=TRAIL),
        build_play_router(d.engine, ACCESS, d.rulebook.playbook, lambda: d.now, trail=TRAIL),
    ]
    return make_app([Part("dispatcher", routers=routers)], d.registry)


@asynccontextmanager
async def client(d: Dispatching) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the dispatcher's routes."""
    transport = httpx.ASGITransport(app_of(d))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as caller:
        yield caller
