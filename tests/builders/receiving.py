"""The way of a webhook from its bytes to its answer, with lists in place of what is durable.

For tests of very many requests: everything is the product's own but the bus, the database's three
tables and the server.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.ingest.catalogue import Catalogue, load_catalogue
from services.ingest.keep.bodies import Bodies
from services.ingest.keep.bodies_table import BodiesTable
from services.ingest.keep.intake import Intake
from services.ingest.keep.quarantine import Quarantine
from services.ingest.receive.receiver import Receiver
from services.ingest.receive.webhooks import Webhooks
from services.ingest.sight import Sight
from services.ingest.told import Thin
from shared.bus.port import Message
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from shared.times import utc_now


@dataclass
class Kept:
    """Everything that became durable."""

    messages: list[Message] = field(default_factory=list)
    aside: list[dict[str, Any]] = field(default_factory=list)
    thins: list[Thin] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How much of anything is there."""
        return len(self.messages) + len(self.aside) + len(self.thins)


class _Bus:
    def __init__(self, kept: Kept, takes_s: float) -> None:
        self._kept = kept
        self._takes_s = takes_s

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(self._takes_s)
        self._kept.messages += messages


class _Aside:
    def __init__(self, kept: Kept, takes_s: float) -> None:
        self._kept = kept
        self._takes_s = takes_s

    async def put(self, **row: Any) -> UUID:
        await asyncio.sleep(self._takes_s)
        self._kept.aside.append(row)
        return UUID(int=len(self._kept.aside))


class _ToFetch:
    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def put(self, _source: str, thins: Sequence[Thin], _now: datetime) -> None:
        self._kept.thins += thins


async def _ping() -> None:
    return


@dataclass(frozen=True)
class Answered:
    """One answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True)
class Reception:
    """The application, what it knows and what it kept."""

    app: Webhooks
    catalogue: Catalogue
    kept: Kept
    bodies: Bodies

    async def ask(
        self,
        path: str,
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        query: bytes = b"",
        method: str = "POST",
    ) -> Answered:
        """Send one request as the server hands it over."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query,
            "headers": list(headers),
            "client": ("192.0.2.1", 4711),
            "scheme": "https",
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head, tail = sent
        return Answered(head["status"], dict(head["headers"]), tail["body"])


def reception(
    path: Path,
    text: str,
    secrets: dict[str, str],
    *,
    takes_s: float = 0.0,
    store_deadline_s: float = 4.5,
) -> Reception:
    """Set up a reception for the sources of this YAML, which is written below `path`.

    Bus and database each take `takes_s` for anything.
    """
    file = path / "sources.yaml"
    file.write_text(text, encoding="utf-8")
    catalogue = load_catalogue(file, Secrets(secrets), AS_SAID)
    kept, registry = Kept(), CollectorRegistry()
    bodies = Bodies(cast("BodiesTable", None), registry=registry, on=False)
    intake = Intake(
        _Bus(kept, takes_s),
        _ping,
        route_key=b"k",
        body_bytes=catalogue.body_bytes,
        clock=utc_now,
        store_deadline_s=store_deadline_s,
    )
    sight = Sight(registry)
    aside = cast("Quarantine", _Aside(kept, takes_s))
    receiver = Receiver(intake, aside, bodies, _ToFetch(kept), sight, route_key=b"k")
    return Reception(Webhooks(catalogue, intake, receiver, sight), catalogue, kept, bodies)
