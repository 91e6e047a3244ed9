"""A campaign platform in the test's own process: honours idempotency keys, keeps everything.

It speaks the sandbox's calls on a real socket. `effects` counts what really happened per delivery;
`calls` every request, effects and repeats alike; `profiles` the last attributes per customer.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.builders.ports import free_port
from tests.builders.waiting import eventually


class Sink:
    """What arrived. `answer[account]` = a status makes that account refuse everything.

    `answer["<account> action"]`: only actions. `erasures` are the bodies of deletions.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer: dict[str, int] = {}
        self.effects: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.actions: list[dict[str, Any]] = []
        self.profiles: dict[str, dict[str, Any]] = {}
        self.erasures: list[dict[str, Any]] = []
        self.pushes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def actions_for(self, email: str) -> list[dict[str, Any]]:
        """Give the actions that took effect for one address, in order."""
        return [action for action in self.actions if action.get("email") == email]

    def profile_of(self, email: str) -> dict[str, Any]:
        """Give the last attributes pushed for one address."""
        return self.profiles.get(email, {})

    async def profile(self, request: Request) -> Response:
        """Take a profile push."""
        account, body = request.path_params["account"], await request.json()
        if status := self.answer.get(account):
            name = body.get("email") or body["customer"]
            self.refused[f"{account} profile {name}"] += 1
            return Response(status_code=status)
        self._keep(account, body)
        return JSONResponse({})

    async def profiles_of(self, request: Request) -> Response:
        """Take a batch of profile pushes."""
        account, body = request.path_params["account"], await request.json()
        if status := self.answer.get(account):
            for profile in body["profiles"]:
                name = profile.get("email") or profile["customer"]
                self.refused[f"{account} profile {name}"] += 1
            return Response(status_code=status)
        for profile in body["profiles"]:
            self._keep(account, profile)
        return JSONResponse({"errors": []})

    def _keep(self, account: str, profile: dict[str, Any]) -> None:
        # Of some only a telephone number is known.
        name = profile.get("email") or profile["customer"]
        self.profiles[name] = profile["attributes"]
        self.pushes[f"{account} {name}"].append(profile["attributes"])

    async def action(self, request: Request) -> Response:
        """Take an action; a known key changes nothing."""
        account, body = request.path_params["account"], await request.json()
        delivery = body["delivery_id"]
        self.calls[delivery] += 1
        if status := self.answer.get(account) or self.answer.get(f"{account} action"):
            self.refused[f"{account} action {delivery}"] += 1
            return Response(status_code=status)
        if request.headers.get("idempotency-key") == delivery and self.effects[delivery]:
            return JSONResponse({"repeat": True})
        self.effects[delivery] += 1
        self.actions.append({**body, "account": account})
        return JSONResponse({"repeat": False}, status_code=202)

    async def erasure(self, request: Request) -> Response:
        """Forget a profile, by its address."""
        account, body = request.path_params["account"], await request.json()
        if status := self.answer.get(account):
            self.refused[f"{account} erasure {body['customer']}"] += 1
            return Response(status_code=status)
        self.erasures.append(body)
        self.profiles.pop(body.get("email"), None)
        return JSONResponse({})

    @contextmanager
    def refusing(self, account: str, status: int) -> Iterator[None]:
        """Make one account answer `status` to everything meanwhile."""
        self.answer[account] = status
        try:
            yield
        finally:
            del self.answer[account]


@asynccontextmanager
async def open_sink() -> AsyncIterator[Sink]:
    """Serve a sink in this event loop."""
    sink = Sink()
    app = Starlette(
        routes=[
            Route("/api/{account}/profiles", sink.profile, methods=["PUT"]),
            Route("/api/{account}/profiles/batch", sink.profiles_of, methods=["POST"]),
            Route("/api/{account}/actions", sink.action, methods=["POST"]),
            Route("/api/{account}/erasures", sink.erasure, methods=["POST"]),
        ]
    )
    config = uvicorn.Config(
        app, host="127.0.0.1", port=sink.port, log_config=None, lifespan="off", access_log=False
    )

    class Quiet(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Quiet(config)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started, what="the sink")
    try:
        yield sink
    finally:
        server.should_exit = True
        await serving
