"""A fake platform on a real port of this machine, for processes that call it over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.builders.operating import answering
from tests.builders.platforms import Fake


@asynccontextmanager
async def served(fake: Fake) -> AsyncIterator[str]:
    """Serve a fake in this loop; gives its address."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        said = fake.handle(
            httpx.Request(
                request.method, str(request.url), headers=request.headers.raw, content=body
            )
        )
        kind = said.headers.get("Content-Type")
        return Response(said.content, said.status_code, media_type=kind)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    async with answering(Starlette(routes=[Route("/{path:path}", answer, methods=methods)])) as url:
        yield url
