"""A span for each HTTP request to a platform, below the call that it is part of.

Method, host and status are told; never the path, which may hold an address, nor any header or body.
No `traceparent` goes out: who is outside is told nothing of our traces.
"""

import httpx

from shared.traces.current import CALL
from shared.traces.traces import Span, Traces


class TracedTransport(httpx.AsyncBaseTransport):
    """A transport whose requests are told."""

    def __init__(self, transport: httpx.AsyncBaseTransport, traces: Traces) -> None:
        self._transport = transport
        self._traces = traces

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Make one call, as the transport does."""
        parent = CALL.get()
        if parent is None:
            return await self._transport.handle_async_request(request)
        began, status = self._traces.now(), None
        failed: str | None = "cut off"
        try:
            response = await self._transport.handle_async_request(request)
            status = response.status_code
            failed = str(status) if status >= 400 else None
        except httpx.TransportError as error:
            failed = type(error).__name__
            raise
        finally:
            self._traces.tell(
                Span(
                    request.method,
                    self._traces.under(parent),
                    began,
                    self._traces.now(),
                    parent=parent,
                    kind="client",
                    attributes={
                        "http.request.method": request.method,
                        "server.address": request.url.host,
                        "server.port": request.url.port,
                        "http.response.status_code": status,
                        "error.type": failed,
                    },
                    failed=failed,
                )
            )
        return response

    async def aclose(self) -> None:
        """Close the transport's connections."""
        await self._transport.aclose()
