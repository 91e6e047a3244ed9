"""A real ingest over a real PostgreSQL log, called in process; and looks at what it left behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from starlette.types import ASGIApp

from services.ingest.__main__ import build
from services.ingest.examples import SignedRequest
from shared.bus.meters import BusMeters
from shared.bus.port import Bus
from shared.bus.postgres import PostgresBus
from shared.database import connect
from shared.events import envelope
from shared.events.envelope import Event
from shared.hosting import Part, make_app, with_fronts
from shared.http.auth import Access, AccessConfig, Token
from shared.process import Context
from shared.settings import Secrets, Settings
from shared.times import utc_now
from tests.builders.responses import SECRETS
from tests.builders.waiting import eventually

CONFIG = Path(__file__).resolve().parent.parent.parent / "deploy" / "config"
ENVIRON: Mapping[str, str] = {
    **SECRETS,
    "NPS_ROUTE_SECRET": "route key of the tests",
    "TELLER": "token that may tell",
    "LOOKER": "token that may look",
    "OPERATOR": "token that may operate",
    "ERASER": "token that may erase",
    "DESK": "token that may look and operate",
}


@dataclass(frozen=True)
class Ingest:
    """One running ingest and the ways to look at it."""

    client: httpx.AsyncClient
    part: Part
    registry: CollectorRegistry
    engine: AsyncEngine
    app: ASGIApp
    bus: Bus

    async def post(self, request: SignedRequest, **headers: str) -> httpx.Response:
        """Send one signed webhook; `headers` replace the request's own."""
        return await self.client.post(
            request.path,
            content=request.body,
            headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    async def tell(self, told: object, *, token: str = ENVIRON["TELLER"]) -> httpx.Response:
        """Send one or several outside events."""
        return await self.client.post(
            "/v1/events", json=told, headers={"Authorization": f"Bearer {token}"}
        )

    async def look(self, *, token: str = ENVIRON["LOOKER"], **query: str | int) -> httpx.Response:
        """Ask for the quarantine."""
        return await self.client.get(
            "/v1/quarantine", params=query, headers={"Authorization": f"Bearer {token}"}
        )

    async def operate(self, path: str, wanted: object = None) -> httpx.Response:
        """Call a route for operators: POST what is wanted, or GET."""
        headers = {"Authorization": f"Bearer {ENVIRON['OPERATOR']}"}
        if wanted is None:
            return await self.client.get(path, headers=headers)
        return await self.client.post(path, json=wanted, headers=headers)

    async def settled(self) -> None:
        """Wait until the mappings in use are stored, and write the bodies that wait."""
        stopping = asyncio.Event()
        remembering = asyncio.ensure_future(self.part.tasks["mappings"](stopping))

        async def stored() -> bool:
            (row,) = await self.rows("SELECT count(*) FROM ingest.mappings")
            return cast("int", row[0]) > 0

        await eventually(stored)
        stopping.set()
        await remembering
        await self.part.tasks["bodies"](stopping)

    async def recorded(self) -> None:
        """Wait until the start is in the audit record."""
        stopping = asyncio.Event()
        recording = asyncio.ensure_future(self.part.tasks["audit"](stopping))

        async def there() -> bool:
            return bool(await self.rows("SELECT 1 FROM ingest.audit WHERE actor = '@start'"))

        await eventually(there)
        stopping.set()
        await recording

    async def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        """Read the database as its superuser."""
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def change(self, statement: str) -> None:
        """Change the database as its superuser."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))

    async def published(self) -> list[Event]:
        """Read every event on the log, in order."""
        found = await self.rows('SELECT value FROM bus.records ORDER BY topic, "offset"')
        return [envelope.decode(bytes(row[0])) for row in found]  # type: ignore[call-overload]

    async def kept(self) -> int:
        """Count the rows in quarantine."""
        return len(await self.rows("SELECT 1 FROM ingest.quarantine"))

    def metric(self, name: str, **labels: str) -> float:
        """Read one sample; 0 if it was never set."""
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running_ingest(
    url: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    config: Path = CONFIG,
    wrap: Callable[[Context], Awaitable[Context]] | None = None,
) -> AsyncIterator[Ingest]:
    """Run ingest by its own `build` on a database with all schemas migrated."""
    secrets = Secrets(ENVIRON)
    bus_engine = connect(url, "bus")
    bus = PostgresBus(bus_engine, member="tests")
    await bus.start()
    access = Access(
        AccessConfig(
            tokens=(
                Token(name="teller", scopes=frozenset({"events"}), token="env:TELLER"),
                Token(name="looker", scopes=frozenset({"read"}), token="env:LOOKER"),
                Token(name="eraser", scopes=frozenset({"erase"}), token="env:ERASER"),
                Token(name="operator", scopes=frozenset({"operate"}), token="env:OPERATOR"),
                Token(name="desk", scopes=frozenset({"read", "operate"}), token="env:DESK"),
            )
        ),
        secrets,
    )
    registry = CollectorRegistry()
    settings = Settings(database_url=url, config=config)
    context = Context(settings, secrets, access, registry, bus, clock, "tests", BusMeters(registry))
    if wrap is not None:
        context = await wrap(context)
    part = await build(context)
    engine = create_async_engine(url, poolclass=NullPool)
    app = with_fronts(make_app([part], registry), [part])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            yield Ingest(client, part, registry, engine, app, bus)
    finally:
        await part.close()
        await bus.close()
        await bus_engine.dispose()
        await engine.dispose()
