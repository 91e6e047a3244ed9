"""Hosting parts of the product in one process: one HTTP server, long-running tasks, a clean end.

In: parts (routes, tasks, readiness) built by a `__main__`. Promise: a task that ends or fails ends
the process (an orchestrator restarts it; nothing limps on), and SIGTERM or Ctrl-C stops in order:
not ready → no new requests → tasks finish what they hold → resources closed in reverse order
(`shared.shutdown` has the order and its deadlines).
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import ConfigError
from shared.http import openapi, problems
from shared.http.limits import Limits
from shared.http.protocol import limited
from shared.http.room import room_for
from shared.meters import HostMeters
from shared.shutdown import House, Stop, end
from shared.traces.requests import TracedRequests
from shared.traces.traces import Traces

_log = structlog.get_logger(__name__)

#: New connections taken in one turn of the loop. asyncio would take as many as may wait: two
#: thousand that came together made every request wait 0.3 s, one at a time not much longer than
#: usual.
_ACCEPTED_AT_ONCE = 1
#: How many may wait for it, as in uvicorn; beyond it a client tries again a second later.
_WAITING = 2048

#: A loop of the part; returns soon after `stopping` is set, and never before.
Task = Callable[[asyncio.Event], Awaitable[None]]


_NOT_NOW: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "Not now; the answer says why", "content": {"application/json": {}}}
}


async def _nothing() -> None:
    """Close nothing."""


async def _ready() -> Sequence[str]:
    """Lack nothing."""
    return ()


@dataclass(frozen=True)
class Part:
    """One service (or the sandbox) as the host sees it.

    `fronts` are ASGI applications that serve everything below a path prefix, ahead of the
    framework: for the one route whose traffic makes the framework's own share felt.
    `ready` returns what is missing, in words without personal data (empty: ready). `alive` returns
    which loops have not moved for too long (empty: alive). `close` frees what `build` opened.
    """

    name: str
    routers: Sequence[APIRouter] = ()
    fronts: Mapping[str, ASGIApp] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    ready: Callable[[], Awaitable[Sequence[str]]] = _ready
    alive: Callable[[], Sequence[str]] = tuple
    close: Callable[[], Awaitable[None]] = _nothing


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, so that the host stops things in its order."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the host."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell that requests are answered."""
        await super().startup(sockets)
        for bound in sockets or ():
            bound.listen(_WAITING)
        self._on_started()


def listen(address: str, port: int) -> socket.socket:
    """Take the port before anything else starts; a port in use is the operator's to solve.

    Raises `ConfigError`.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Only where the protocol is named does asyncio send small pieces at once (TCP_NODELAY); else
    # the body of an answer waits 40 ms for the acknowledgement of its head.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen on {address}:{port}: {error.strerror}: "
            "stop what uses it, or choose another (NPS_PORT, or make PORT=… run)"
        ) from None
    return bound


def make_app(
    parts: Sequence[Part], registry: CollectorRegistry, *, exemplars: bool = False
) -> FastAPI:
    """Put the parts' routes and the three open routes of every process into one app.

    With `exemplars` the metrics are told as OpenMetrics to whoever asks for that: only there is
    room for them.
    """
    app = FastAPI(title="NPS connector", openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    problems.install(app)
    for part in parts:
        for router in part.routers:
            app.include_router(router)

    described = app.openapi
    app.openapi = lambda: openapi.with_problems(described())  # type: ignore[method-assign]

    @app.get("/healthz", tags=["sight"], responses=_NOT_NOW)
    async def healthz() -> JSONResponse:
        """Alive: the loop answers and every worker loop moves. Says nothing of dependencies."""
        stuck = [f"{part.name}: {reason}" for part in parts for reason in part.alive()]
        return JSONResponse({"alive": not stuck, "stuck": stuck}, 503 if stuck else 200)

    @app.get("/readyz", tags=["sight"], responses=_NOT_NOW)
    async def readyz() -> JSONResponse:
        """Ready: bus and database answer, consumers are not waiting for a dependency."""
        missing = [f"{part.name}: {reason}" for part in parts for reason in await part.ready()]
        if app.state.stopping:
            missing.append("stopping")
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @app.get("/metrics", tags=["sight"])
    async def metrics(request: Request) -> Response:
        """Prometheus text; labels are bounded and hold nothing personal."""
        encode, media_type = choose_encoder(request.headers.get("accept", "") if exemplars else "")
        return Response(encode(registry), media_type=media_type)

    app.state.stopping = False
    return app


def with_fronts(app: ASGIApp, parts: Sequence[Part]) -> ASGIApp:
    """Serve each part's fronts below their prefix, and everything else by the app."""
    fronts = [(prefix, front) for part in parts for prefix, front in part.fronts.items()]
    if not fronts:
        return app

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            for prefix, front in fronts:
                if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                    await front(scope, receive, send)
                    return
        await app(scope, receive, send)

    return serve


async def host(
    parts: Sequence[Part],
    *,
    address: str,
    port: int,
    registry: CollectorRegistry,
    connections: int = Limits().connections,
    trusted_proxies: str = "",
    drain_s: float = 0.0,
    stop: Stop | None = None,
    on_started: Callable[[int], None] | None = None,
    traces: Traces | None = None,
) -> None:
    """Run the parts until SIGINT or SIGTERM. Raises what a failed task raised.

    Told to stop it is not ready at once, and takes new requests for another `drain_s`. `stop`: who
    hears the signals, and watches that the process ends.

    At most `connections` are open at a time; further ones hear 503. A client's address and scheme
    are those of the connection, or what one of the `trusted_proxies` (networks, comma separated)
    says in its headers.
    `on_started` is called once with the port really bound, when requests are answered. With
    `traces` each request is told.
    """
    try:
        listener = listen(address, port)
    except ConfigError:
        for part in reversed(parts):
            await part.close()
        raise
    bound_port: int = listener.getsockname()[1]
    app = make_app(parts, registry, exemplars=traces is not None)
    served = with_fronts(app, parts)
    if traces is not None:
        served = TracedRequests(served, traces, [prefix for p in parts for prefix in p.fronts])
    meters = HostMeters(registry)
    meters.hosts((part.name, part.alive) for part in parts)
    protocol = limited(Limits(connections=room_for(connections)), meters.refused)
    server = _Server(
        uvicorn.Config(
            served,
            host=address,
            port=port,
            http=protocol,
            # Else a library that happens to be installed would take connections past the limits.
            ws="none",
            # uvicorn's own default believes whoever connects from this machine: a tunnel does.
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            # A second less than `REQUESTS_S`: then it cuts off what is not answered.
            timeout_graceful_shutdown=5,
            backlog=_ACCEPTED_AT_ONCE,
        ),
        lambda: on_started(bound_port) if on_started else None,
    )
    meters.connected(lambda: len(server.server_state.connections))
    stopping = asyncio.Event()
    stop = stop or Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.hear, number)

    tasks = [
        asyncio.create_task(_forever(f"{part.name}.{name}", task, stopping), name=name)
        for part in parts
        for name, task in part.tasks.items()
    ]
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
    asked = asyncio.create_task(stop.asked.wait())

    def wind_down() -> None:
        app.state.stopping = True
        protocol.winding_down = True

    def close_door() -> None:
        server.should_exit = True

    failures: list[BaseException] = []
    try:
        done, _ = await asyncio.wait({serving, asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        failures = _failures(done)
    finally:
        stop.watch()
        asked.cancel()
        closes = [(part.name, part.close) for part in reversed(parts)]
        house = House(wind_down, close_door, serving, stopping, tasks, closes)
        unclosed = await end(house, drain_s)
    # What failed first is the reason; others may have failed while it stopped.
    failures += [*_failures([*tasks, serving]), *unclosed]
    if failures:
        raise failures[0]


def _failures(tasks: Iterable["asyncio.Task[Any]"]) -> list[BaseException]:
    """Return what ended tasks have raised; one that was cut off has not failed."""
    ended = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    return [error for error in ended if error is not None]


async def _forever(name: str, task: Task, stopping: asyncio.Event) -> None:
    """Run one loop; ending before it was told to is a failure like any other."""
    try:
        await task(stopping)
    except Exception as error:
        _log.error("task.failed", task=name, error=type(error).__name__, exc_info=error)
        raise
    if not stopping.is_set():
        raise RuntimeError(f"task {name} ended by itself")
