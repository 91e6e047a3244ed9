"""Operators' commands, run against an ingest that answers on a real port of this machine."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import typer
import uvicorn
from starlette.types import ASGIApp
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result
from uvicorn.server import ServerState

from shared.hosting import listen
from shared.http.limits import Limits
from shared.http.protocol import limited
from tests.builders.ingest import ENVIRON


@asynccontextmanager
async def answering(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app in this loop; gives its address."""
    config = uvicorn.Config(
        app, ws="none", interface="asgi3", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    state = ServerState()
    protocol = limited(Limits(), lambda _code: None)
    listener = listen("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), sock=listener
    )
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()


async def run(
    app: typer.Typer,
    *arguments: object,
    url: str,
    environ: Mapping[str, str] | None = None,
    answers: str | None = None,
) -> Result:
    """Run one command with a token that may look and operate; `answers` is what a person types."""
    known = {"NPS_URL": url, "NPS_TOKEN": ENVIRON["DESK"], "COLUMNS": "100", **(environ or {})}
    # The server logs in this process: its lines are no part of what the command wrote.
    with capture_logs():
        return await asyncio.to_thread(
            CliRunner().invoke, app, [str(one) for one in arguments], env=known, input=answers
        )


def told(result: Result) -> Any:
    """Read the one JSON object that a command wrote."""
    return orjson.loads(result.stdout)
