"""What fetches, on a real PostgreSQL, against a survey platform on this machine."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import yaml
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.catalogue import laid_over_preset
from services.ingest.fetch.parts import FetchParts
from services.ingest.fetch.recipe import Recipe, compile_recipe
from services.ingest.keep.bodies_table import Body
from services.ingest.keep.people import people
from services.ingest.keep.quarantine import Quarantine
from services.ingest.keep.tombstones import Tombstones
from services.ingest.settings import SourceEntry
from services.ingest.told import Thin, Told
from shared.database import connect
from shared.errors import DependencyAway
from shared.events.feedback import ResponseReceived
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from tests.builders.ingest_store import ROUTE_KEY
from tests.builders.survey_platform import TOKEN, SurveyPlatform, survey_platform

NOW = datetime(2026, 11, 22, 1, 5, tzinfo=UTC)
SOURCE = "shop-survey"
#: A survey tool that tells ids only; the shipped preset, towards the platform of the test.
ENTRY = """
preset: surveymonkey
secrets: [env:SIGNS]
answers: {score: "question:144820001"}
fetch:
  base: BASE
  secret: env:TOKEN
  allow_http: true
  allow_private: true
"""


def recipe(base: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Compile the tool's `fetch`; `changes` replace keys of it, `reconcile` one of the source."""
    content = yaml.safe_load(ENTRY.replace("BASE", base))
    changed = dict(changes or {})
    if "reconcile" in changed:
        content["reconcile"] = changed.pop("reconcile")
    content["fetch"].update(changed)
    entry = laid_over_preset(SourceEntry.model_validate(content))
    compiled = compile_recipe(SOURCE, entry, Secrets({"TOKEN": TOKEN}), version="v1")
    assert compiled is not None
    return compiled


def thin(response_id: str = "R1", *, minutes: float = 0, survey: str = "S1", **said: str) -> Thin:
    """One message of ids, told so many minutes after (or before) the platform's usual time."""
    occurred_at = datetime(2026, 11, 22, 1, 0, tzinfo=UTC) + timedelta(minutes=minutes)
    return Thin(survey, response_id, occurred_at, said)


@dataclass
class Place:
    """One installation: a platform, a database, one or more replicas, and what they published."""

    platform: SurveyPlatform
    engine: AsyncEngine
    recipe: Recipe
    now: datetime = NOW
    told: list[Told] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    rests: list[float] = field(default_factory=list)
    away: bool = False
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    parts: FetchParts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = self.replica(self.registry)

    def replica(self, registry: CollectorRegistry) -> FetchParts:
        """Make what one process runs."""
        return FetchParts(
            [self.recipe],
            engine=self.engine,
            publish=self._publish,
            quarantine=Quarantine(self.engine, route_key=ROUTE_KEY),
            tombstones=Tombstones(
                self.engine, route_key=ROUTE_KEY, rules=AS_SAID, registry=registry
            ),
            whom=lambda known: people(ROUTE_KEY, known),
            keep=self.bodies.append,
            registry=registry,
            clock=lambda: self.now,
            chance=lambda: 0.5,
            rest=self._rest,
        )

    async def _publish(self, told: Sequence[Told]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise DependencyAway("bus")
        self.told.extend(told)

    async def _rest(self, _stopping: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)
        self.rests.append(seconds)
        self.later(seconds)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    async def put(self, *thins: Thin) -> None:
        """Take messages in."""
        await self.parts.fetches.put(SOURCE, thins, self.now)

    async def work(self, most: int = 50) -> int:
        """Do everything that is due now; returns how many steps that were."""
        for steps in range(most):
            if not await self.parts.fetching[SOURCE].step(self.stopping):
                return steps
        raise AssertionError("never done")

    async def reconcile(self) -> bool:
        """Reconcile if it is time."""
        return await self.parts.reconciling[SOURCE].step(self.stopping)

    def answers(self) -> list[tuple[str, object]]:
        """List what was published: response ids and scores."""
        found = [one.event.data for one in self.told]
        return [(d.response_id, d.answers.get("score")) for d in _responses(found)]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the database."""
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def open(self) -> list[tuple[str, str]]:
        """List the responses that still wait, with the reason."""
        found = await self.rows(
            "SELECT response_id, reason FROM fetches WHERE due_at IS NOT NULL ORDER BY response_id"
        )
        return [(row[0], row[1]) for row in found]

    async def quarantined(self) -> list[tuple[str, str, Any]]:
        """List the quarantine: path, rule and body."""
        rows = await self.rows("SELECT path, rule, body FROM quarantine ORDER BY received_at, id")
        return [(row[0], row[1], orjson.loads(row[2])) for row in rows]

    def metric(self, name: str, **labels: str) -> float:
        """Read one sample; 0 if it was never set."""
        found = self.registry.get_sample_value(name, {"source": SOURCE, **labels})
        return found or 0.0


def _responses(found: Sequence[object]) -> list[ResponseReceived]:
    assert all(isinstance(one, ResponseReceived) for one in found)
    return [one for one in found if isinstance(one, ResponseReceived)]


@asynccontextmanager
async def fetching(database: str, changes: Mapping[str, Any] | None = None) -> AsyncIterator[Place]:
    """Set everything up on a database with all schemas migrated."""
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(survey_platform())
        engine = connect(database, "ingest", connections=4)
        stack.push_async_callback(engine.dispose)
        place = Place(platform, engine, recipe(platform.base, changes))
        stack.push_async_callback(place.parts.close)
        yield place
