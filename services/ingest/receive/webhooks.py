"""/v1/webhooks/{source}: what survey tools, helpdesks and platforms post to us.

Promise: 202 means durable (on the bus, in the spool, to be fetched, or in quarantine) or a message
that is not counted. An unknown source and any fault of a signature are the same 401, and leave
nothing behind; nobody below this path ever gets 404 or 410, because some senders then switch the
hook off.
"""

import time
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response

from services.ingest.catalogue import Catalogue
from services.ingest.keep.intake import Intake
from services.ingest.receive.asgi import Receive, Scope, Send, answer, inbound_of, read_body, refuse
from services.ingest.receive.inbound import SentHeaders
from services.ingest.receive.receiver import Receiver
from services.ingest.sight import Sight
from services.ingest.told import Receipt
from shared.http.problems import Problem

_log = structlog.get_logger(__name__)

PREFIX: Final = "/v1/webhooks"
_ALLOWED: Final = {"Allow": "POST, GET, HEAD, OPTIONS"}


class Webhooks:
    """The ASGI application of everything below `PREFIX`."""

    def __init__(
        self, catalogue: Catalogue, intake: Intake, receiver: Receiver, sight: Sight
    ) -> None:
        self._catalogue = catalogue
        self._intake = intake
        self._receiver = receiver
        self._sight = sight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method = scope["method"]
        if method == "POST":
            await self._take(scope, receive, send)
        elif method in ("GET", "HEAD"):
            # A platform asks whether somebody lives here, before it saves the address.
            await answer(send, 200)
        elif method == "OPTIONS":
            await answer(send, 200, headers=_permission(SentHeaders(scope["headers"])))
        else:
            problem = Problem(405, "method-not-allowed", "post messages here", headers=_ALLOWED)
            await refuse(send, problem)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        path: str = scope["path"]
        name, _, rest = path[len(PREFIX) + 1 :].partition("/")
        source = self._catalogue.sources.get(name)
        headers = SentHeaders(scope["headers"])
        outcome, status, receipt = "failed", 500, Receipt()
        try:
            body = await read_body(headers, receive, self._catalogue.body_bytes)
            inbound = inbound_of(scope, headers, body, rest)
            receipt = await self._receiver.take(source, inbound, self._intake.clock(), started)
            outcome, status = receipt.outcome, 202
            await answer(send, 202, _told(receipt))
        except Problem as problem:
            outcome, status = problem.code, problem.status
            await refuse(send, problem)
        except Exception as error:
            _log.error("http.bug", error=type(error).__name__, exc_info=error)
            await refuse(send, Problem(500, "internal", "an error of ours; it is logged"))
        finally:
            self._sight.received(
                source=source.name if source else "unknown",
                outcome=outcome,
                status=status,
                seconds=time.perf_counter() - started,
                receipt=receipt,
            )


def _permission(headers: SentHeaders) -> dict[str, str]:
    """Agree to be sent web-hooks, as the CloudEvents web-hook profile 1.0 asks (section 4.2).

    `WebHook-Request-Callback` is never called: anybody could make us call an address so.
    """
    origin = headers.get("webhook-request-origin")
    if origin is None:
        return dict(_ALLOWED)
    agreed = {**_ALLOWED, "WebHook-Allowed-Origin": "*"}
    if headers.get("webhook-request-rate") is not None:
        agreed["WebHook-Allowed-Rate"] = "*"
    return agreed


def _told(receipt: Receipt) -> dict[str, Any]:
    said: dict[str, Any] = {"status": receipt.outcome}
    ids = receipt.event_ids
    if len(ids) + receipt.fetching + receipt.ignored + receipt.quarantined > 1:
        said["event_ids"] = ids
        said["fetching"] = receipt.fetching
        said["ignored"] = receipt.ignored
        said["quarantined"] = receipt.quarantined
    else:
        said["event_id"] = ids[0] if ids else None
    if receipt.quarantine_id is not None:
        said["quarantine_id"] = receipt.quarantine_id
    return said


def webhook_router() -> APIRouter:
    """Describe the routes for OpenAPI; the host serves the prefix by `Webhooks` itself."""
    router = APIRouter(tags=["ingest"])

    async def described(_request: Request) -> Response:
        raise Problem(500, "internal", "this path is served below the framework")

    router.add_api_route(
        f"{PREFIX}/{{source}}",
        described,
        methods=["POST"],
        status_code=202,
        summary="Take the messages of a tool",
        description=_DESCRIPTION,
        responses=_RESPONSES,
        openapi_extra=_BODY,
    )
    return router


_DESCRIPTION: Final = (
    "The raw body is verified as `sources.yaml` says, decoded and mapped. 202 is answered only "
    "once every message in it is durable (`accepted`), waits to be fetched (`fetching`), is in "
    "quarantine (`quarantined`: authentic, but a path failed its rule) or is not counted "
    "(`ignored`: a test message, another survey). GET and HEAD answer an empty 200, OPTIONS the "
    "CloudEvents web-hook hand-shake."
)
_ANY: Final[dict[str, Any]] = {"schema": {}}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": _ANY,
            "application/cloudevents+json": _ANY,
            "application/x-www-form-urlencoded": _ANY,
            "multipart/form-data": _ANY,
        },
    }
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Taken: durable, to be fetched, in quarantine, or not counted"},
    400: {"description": "Authentic, but not decodable"},
    401: {"description": "Unknown source, or not signed as it must be"},
    408: {"description": "The body did not come in time"},
    413: {"description": "Larger than `body_bytes`"},
    429: {"description": "More than this source's rate; come again after `Retry-After`"},
    431: {"description": "More than 32 KiB of headers"},
    503: {"description": "Nothing was stored; come again after `Retry-After`"},
}
