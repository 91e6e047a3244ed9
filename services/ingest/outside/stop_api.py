"""/u/{token}: where the link to unsubscribe of our own messages leads (RFC 8058).

Promise: to look changes nothing, since mail scanners open every link; to POST is to be unsubscribed
once 200 is answered, without a login, whatever the body says. It becomes `message.unsubscribed` of
that delivery: when, by which message, and told by nobody but who holds its link.
"""

import time
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.ingest.keep.intake import Intake
from services.ingest.outside.stop_page import Scene, language_of, page
from services.ingest.receive.asgi import read_body
from services.ingest.receive.inbound import SentHeaders
from services.ingest.receive.rates import Bucket
from services.ingest.settings import Rate
from services.ingest.sight import Sight
from services.ingest.told import Told
from shared.events.envelope import Event
from shared.events.ids import name_id
from shared.events.outcomes import MessageUnsubscribed
from shared.http.problems import Problem
from shared.stop_links import Stop, StopLinks
from shared.times import iso

#: Who tells it, in the event and in the metrics; no source may be called so.
SOURCE: Final = "unsubscribe"
#: To one process, as of a source that says nothing else.
RATE: Final = Rate()
#: A mail program posts 26 bytes, our form as many.
_MOST_BYTES: Final = 4096
#: Refusals after which the page's button is pressed again.
_COME_AGAIN: Final = frozenset({429, 503})
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def stop_router(intake: Intake, sight: Sight, links: StopLinks) -> APIRouter:
    """Make the routes; `links` reads what the letters' writer made under the same key."""
    router = APIRouter(tags=["ingest"])
    bucket = Bucket(RATE.per_second, RATE.burst)

    @router.get("/u/{token}", response_class=HTMLResponse, responses=_LOOKED)
    async def look(token: str, request: Request) -> HTMLResponse:
        """Show a button. Changes nothing."""
        known = links.read(token) is not None
        return _page(request, "ask" if known else "unknown", 200 if known else 404)

    @router.head("/u/{token}", include_in_schema=False)
    async def glance(token: str, request: Request) -> HTMLResponse:
        """Answer as GET does; the server leaves the page out."""
        return await look(token, request)

    @router.post("/u/{token}", response_class=HTMLResponse, responses=_STOPPED)
    async def stop(token: str, request: Request) -> HTMLResponse:
        """Unsubscribe whom the message went to from advertising and surveys.

        Posting again changes nothing. The body is not looked at.
        """
        started = time.perf_counter()
        outcome, status, event_id = "failed", 500, None
        try:
            await read_body(SentHeaders(request.scope["headers"]), request.receive, _MOST_BYTES)
            said = links.read(token)
            if said is None:
                outcome, status = "unknown", 404
                return _page(request, "unknown", 404)
            event_id = await _stop(intake, bucket, said, started)
            outcome, status = "accepted", 200
            return _page(request, "done", 200)
        except Problem as problem:
            outcome, status = problem.code, problem.status
            if status not in _COME_AGAIN:
                raise
            return _page(request, "later", status, problem.headers)
        finally:
            sight.told(
                SOURCE,
                SOURCE,
                outcome=outcome,
                status=status,
                seconds=time.perf_counter() - started,
                more={} if event_id is None else {"event_id": str(event_id)},
            )

    return router


async def _stop(intake: Intake, bucket: Bucket, stop: Stop, monotonic: float) -> UUID:
    """Make it durable that she unsubscribed, now; returns the event's id. Raises 429 and 503."""
    if wait := bucket.take(monotonic):
        headers = {"Retry-After": str(int(wait) + 1)}
        raise Problem(429, "too-many", "come again after Retry-After", headers=headers)
    # Clicks within a second are one: of the same event every copy must say the same moment.
    at = intake.clock().replace(microsecond=0)
    said = MessageUnsubscribed(
        delivery_id=stop.delivery_id,
        channel="email",
        contact_class=stop.contact_class,
        occurred_at=at,
    )
    event = Event(name_id(SOURCE, stop.delivery_id, iso(at)), SOURCE, at, said)
    await intake.publish([Told(event, ())])
    return event.id


def _page(
    request: Request, scene: Scene, status: int, more: dict[str, str] | None = None
) -> HTMLResponse:
    language = language_of(request.headers.get("accept-language", ""))
    headers = {**_HEADERS, "Content-Language": language, "Vary": "Accept-Language", **(more or {})}
    return HTMLResponse(page(scene, language), status, headers)


_HTML: Final[dict[str, Any]] = {"text/html": {}}
_LOOKED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page with a button"},
    404: {"description": "A page: this link is none of ours", "content": _HTML},
}
_STOPPED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "She is unsubscribed: it is durable"},
    400: {"description": "The sender went away"},
    404: {"description": "A page: this link is none of ours", "content": _HTML},
    408: {"description": "The body did not come in time"},
    413: {"description": "Larger than 4 KiB"},
    429: {"description": "Too many at once; come again after `Retry-After`", "content": _HTML},
    503: {"description": "Nothing was stored; come again after `Retry-After`", "content": _HTML},
}
