"""An ingest whose sources are YAML of the test alone, shared by the tests of one file.

Each test posts to a source of its own, so that what it finds is its own.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson

from shared.events.envelope import Event
from shared.events.feedback import ResponseReceived
from tests.builders.ingest import Ingest, running_ingest
from tests.builders.postgres import bare_database

#: Two secrets as an address can hold them, and one of HTTP Basic; invented.
NEWEST = "newest-secret.of_a~source"
OLD = "old-secret.of_a~source"
BASIC = f"survey-tool:{OLD}"


@dataclass(frozen=True)
class Sources:
    """One running ingest, looked at source by source."""

    ingest: Ingest

    async def post(
        self,
        source: str,
        content: bytes | object,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Post bytes as they are, anything else as JSON; `source` may go on with path and query."""
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        return await self.ingest.client.post(
            f"/v1/webhooks/{source}", content=body, headers=headers
        )

    async def accepted(self, source: str, content: bytes | object, **headers: str) -> Event:
        """Post what must become one event, and return it from the log."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.post(source, content, sent)
        told = answer.json()
        assert (answer.status_code, told["status"]) == (202, "accepted"), told
        return await self.event(UUID(told["event_id"]))

    async def answered(self, source: str, content: bytes | object, **headers: str) -> Any:
        """Post what must become an answer to a survey, and return what its event says."""
        data = (await self.accepted(source, content, **headers)).data
        assert isinstance(data, ResponseReceived)
        return data

    async def event(self, event_id: UUID) -> Event:
        """Read an event from the log; one told again lies there again."""
        found = [one for one in await self.ingest.published() if one.id == event_id]
        assert found, event_id
        return found[0]

    async def events(self, source: str) -> list[Event]:
        """Read all events of one source from the log."""
        return [one for one in await self.ingest.published() if one.source == source]

    async def aside(self, source: str, columns: str) -> Sequence[tuple[object, ...]]:
        """Read the quarantine's rows of one source."""
        return await self.ingest.rows(
            f"SELECT {columns} FROM ingest.quarantine WHERE source = '{source}'"
            " ORDER BY received_at"
        )


@asynccontextmanager
async def running_sources(
    server: str, template: str, folder: Path, text: str
) -> AsyncIterator[Sources]:
    """Run ingest on a database of its own; `SECRETS/` in the YAML stands for where they lie."""
    for name, secret in {"newest": NEWEST, "old": OLD, "basic": BASIC}.items():
        (folder / name).write_text(secret, encoding="utf-8")
    said = text.replace("SECRETS/", f"file:{folder}/")
    (folder / "sources.yaml").write_text(said, encoding="utf-8")
    async with (
        bare_database(server, template) as url,
        running_ingest(url, config=folder) as ingest,
    ):
        yield Sources(ingest)
