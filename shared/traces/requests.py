"""A span for each request that comes in, around the whole application.

Its trace is that of the event it brought; a request that brought several, or none, has one of its
own and links to theirs. A `traceparent` of the caller becomes a link: who calls from outside
chooses neither our ids nor what is sampled. Paths and queries are never told: the route is.
"""

from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.traces.current import ARRIVAL, Arrival
from shared.traces.places import TRACEPARENT, Place, read
from shared.traces.traces import Span, Traces, sampled

#: Asked every few seconds by those who watch.
_UNTOLD: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class TracedRequests:
    """An application whose requests are told; `fronts` are prefixes served below the framework."""

    def __init__(self, app: ASGIApp, traces: Traces, fronts: Collection[str]) -> None:
        self._app = app
        self._traces = traces
        self._fronts = tuple(fronts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _UNTOLD:
            await self._app(scope, receive, send)
            return
        arrival = Arrival(self._traces.number())
        token = ARRIVAL.set(arrival)
        began, status = self._traces.now(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            ARRIVAL.reset(token)
            self._tell(scope, arrival, began, status)

    def _tell(self, scope: Scope, arrival: Arrival, began: int, status: int) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        route = self._route(scope)
        links = sampled(place for place in arrival.told if place.trace != self._trace(arrival))
        if (caller := _caller(scope)) is not None:
            links.append(caller)
        place = arrival.place or self._traces.over(arrival.told or [self._traces.alone()])
        self._traces.tell(
            Span(
                f"{method} {route}" if route else method,
                place,
                began,
                self._traces.now(),
                links=links,
                kind="server",
                attributes={
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status or None,
                    "nps.event_id": arrival.event_id,
                },
                failed="not answered" if not status else str(status) if status >= 500 else None,
            )
        )

    def _trace(self, arrival: Arrival) -> int:
        return arrival.place.trace if arrival.place is not None else 0

    def _route(self, scope: Scope) -> str | None:
        """Name the route without what stands in its place in this request."""
        for prefix in self._fronts:
            if scope["path"].startswith(f"{prefix}/"):
                return f"{prefix}/{{source}}"
        found: str | None = getattr(scope.get("route"), "path", None)
        return found


def _caller(scope: Scope) -> Place | None:
    for name, value in scope["headers"]:
        if name == TRACEPARENT.encode():
            return read(value.decode("latin-1"))
    return None
