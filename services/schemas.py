"""JSON Schemas of the configuration files, and the descriptions of topics and routes.

In: the name of a file. Out: its schema, made from the very values that the services read, so that
an editor completes and checks what a start would accept. With `services.cli` and `services.local`
a module that knows all services.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final, Literal

import orjson
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from services.dispatcher.api.deliveries import build_router
from services.dispatcher.api.subject import build_subject_router
from services.dispatcher.bell import Bell
from services.dispatcher.metrics import Metrics
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.targets.settings import TargetsConfig
from services.ingest.__main__ import build as build_ingest
from services.ingest.settings import SourcesFile
from services.segmenter.__main__ import build as build_segmenter
from services.segmenter.policy.whole import Policy
from shared.audit.api import build_audit_router
from shared.audit.trail import Trail
from shared.bus.meters import BusMeters
from shared.bus.postgres import PostgresBus
from shared.bus.postgres_consumer import PostgresConsumer
from shared.database import connect
from shared.events import asyncapi
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig
from shared.process import Context
from shared.settings import Secrets, Settings
from shared.times import utc_now

#: The files of a configuration folder, by their names without `.yaml`.
FILES: Final[Mapping[str, type[BaseModel]]] = {
    "sources": SourcesFile,
    "policy": Policy,
    "playbook": Playbook,
    "targets": TargetsConfig,
    "access": AccessConfig,
}


def schema(name: str) -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of one configuration file."""
    made = FILES[name].model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_in_order(made),
        "title": f"{name}.yaml of the NPS connector",
    }


def _in_order(made: Any) -> Any:
    """Sort the values of each `enum`.

    `typing` keeps one object for literals that are equal as sets, so their order would depend on
    what was imported first.
    """
    if isinstance(made, list):
        return [_in_order(item) for item in made]
    if not isinstance(made, dict):
        return made
    return {
        key: sorted(value, key=str) if key == "enum" else _in_order(value)
        for key, value in made.items()
    }


def topics() -> dict[str, Any]:
    """Make the AsyncAPI document of the topics."""
    return asyncapi.document(version("nps-connector"))


async def routes(settings: Settings) -> dict[str, Any]:
    """Make the OpenAPI document of all services' routes, as this configuration serves them.

    Nothing is connected: engines dial when a request needs them, and here none comes. Raises
    `ConfigError` for a wrong `sources.yaml` or `policy.yaml`.
    """
    context = nowhere(settings, CollectorRegistry())
    access = context.access
    engine = connect(_NOWHERE, "description", connections=1)
    parts = [await build_ingest(context), await build_segmenter(context)]
    trail = Trail("dispatcher", context.route_key())
    # The dispatcher looks at its database when it is built.
    routers = [
        build_router(engine, access, Bell(), Metrics(CollectorRegistry()), utc_now, trail=trail),
        build_subject_router(engine, access, utc_now, trail=trail),
        build_audit_router(engine, access, trail),
    ]
    try:
        app = make_app([*parts, Part(name="dispatcher", routers=routers)], context.registry)
        return app.openapi()
    finally:
        for part in parts:
            await part.close()
        await engine.dispose()


def nowhere(
    settings: Settings,
    registry: CollectorRegistry,
    *,
    bus: Literal["postgres", "kafka"] = "postgres",
) -> Context:
    """Make what services are built with to be described, as on this bus; nothing is connected."""
    told = settings.model_copy(update={"database_url": _NOWHERE, "bus": bus})
    secrets = _AnySecret({})
    access = Access(AccessConfig(), secrets)
    log = _Nowhere(connect(_NOWHERE, "bus", connections=1), member="description")
    meters = BusMeters(registry)
    return Context(told, secrets, access, registry, log, utc_now, "description", meters)


#: Never dialled: port 1 of this machine has no PostgreSQL.
_NOWHERE: Final = "postgresql+asyncpg://nobody@127.0.0.1:1/none"


class _Nowhere(PostgresBus):
    """Joins no group: nothing is ever read from it."""

    async def subscribe(self, group: str, topics: Sequence[str]) -> PostgresConsumer:
        """Give a consumer that was not told to the database."""
        engine = connect(_NOWHERE, "bus", connections=1)
        return PostgresConsumer(engine, group, tuple(topics), "description")


class _AnySecret(Secrets):
    """Has a text for every reference: the description of a route holds no secret."""

    def get(self, reference: str) -> str:
        """Return a text that fits every recipe of a key: 64 hex digits."""
        return sha256(reference.encode()).hexdigest()


def as_text(content: Mapping[str, Any]) -> str:
    """Write a schema as it is committed; equal schemas give equal texts."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(content, option=options).decode()
