"""One source whose mapping an operator corrects: ingest starts again with another file."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import yaml

from shared.process import Context
from tests.builders.ingest import Ingest, running_ingest
from tests.builders.responses import SECRETS

SOURCE = "stall"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
_ENTRY: Mapping[str, Any] = {
    "preset": "generic",
    "secrets": ["env:NPS_SECRET_SHOP"],
    "identifiers": {"phone": None},
}


def answer(number: int = 1, **said: Any) -> dict[str, Any]:
    """One message of the tool; `said` is laid over it."""
    return {
        "survey": "relational",
        "response_id": f"R-{number}",
        "answered_at": "2026-11-21T10:00:00Z",
        "email": f"c{number}@example.com",
        "score": 9,
        **said,
    }


def write_sources(folder: Path, entry: Mapping[str, Any] | None = None, **file: Any) -> None:
    """Write `sources.yaml` with the one source; `entry` is laid over its keys."""
    content = {"sources": {SOURCE: {**_ENTRY, **(entry or {})}}, **file}
    (folder / "sources.yaml").write_text(yaml.safe_dump(content))


@asynccontextmanager
async def mapped_by(
    database: str,
    folder: Path,
    entry: Mapping[str, Any] | None = None,
    *,
    wrap: Callable[[Context], Awaitable[Context]] | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
    **file: Any,
) -> AsyncIterator[Ingest]:
    """Run ingest with the one source, mapped as `entry` says; `file` is laid over the file."""
    write_sources(folder, entry, **file)
    async with running_ingest(database, config=folder, clock=clock, wrap=wrap) as running:
        yield running


async def send(ingest: Ingest, content: object, **headers: str) -> httpx.Response:
    """Post one signed body."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    sign = hmac.digest(SECRETS["NPS_SECRET_SHOP"].encode(), body, "sha256").hex()
    return await ingest.client.post(
        f"/v1/webhooks/{SOURCE}",
        content=body,
        headers={"X-Signature": f"sha256={sign}", **headers},
    )
