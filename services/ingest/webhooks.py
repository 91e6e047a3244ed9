"""POST /v1/webhooks/{source}: raw bytes → verified → decoded → translated → durable → 202.

Promise: an unknown source and any fault of a signature are the same 401, and leave nothing behind;
nobody below this path ever gets 404 or 410, because some senders then switch the hook off.
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.ingest.catalogue import Catalogue, Source
from services.ingest.decoders import Undecodable
from services.ingest.inbound import Inbound, SentHeaders
from services.ingest.intake import Intake
from services.ingest.paths import Payload
from services.ingest.quarantine import Quarantine
from services.ingest.sight import Sight
from services.ingest.told import Ignored, Translated, Unmappable
from services.ingest.translate import translate
from services.ingest.values import clean
from shared.errors import RecordTooLarge
from shared.http.problems import Problem


class RawRoute(APIRoute):
    """A described route whose handler gets the request untouched: FastAPI's solving of parameters
    costs three times what all of our own work does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Use the endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of one message."""

    outcome: str
    event_id: UUID | None = None
    quarantine_id: UUID | None = None
    reason: str | None = None
    unread: tuple[str, ...] = ()


class Webhooks:
    """The handler of survey tools' webhooks."""

    def __init__(
        self, catalogue: Catalogue, intake: Intake, quarantine: Quarantine, sight: Sight
    ) -> None:
        self._catalogue = catalogue
        self._intake = intake
        self._quarantine = quarantine
        self._sight = sight

    async def receive(self, request: Request) -> Response:
        """Take one message of a survey tool; see the route's description."""
        started = time.perf_counter()
        source = self._catalogue.sources.get(request.path_params.get("source", ""))
        label = source.name if source else "unknown"
        answer = _Answer("failed")
        status = 500
        try:
            answer = await self._take(source, request)
            status = 202
        except Problem as problem:
            answer, status = _Answer(problem.code), problem.status
            return problem.response()
        finally:
            self._sight.told(
                route="webhooks",
                source=label,
                outcome=answer.outcome,
                status=status,
                seconds=time.perf_counter() - started,
                event_id=_text(answer.event_id),
                quarantine_id=_text(answer.quarantine_id),
                reason=answer.reason,
                unread=answer.unread,
            )
        return _accepted(answer)

    async def greet(self, _request: Request) -> Response:
        """Answer a platform that asks whether somebody lives here; does nothing."""
        return Response()

    async def _take(self, source: Source | None, request: Request) -> _Answer:
        body = await self._intake.body(request)
        now = self._intake.clock()
        inbound = Inbound(body, SentHeaders(request.headers.raw))
        if source is None or source.verifier.vouch(inbound, None, now) is None:
            raise _unauthorized()
        try:
            payload = source.decode(body)
        except Undecodable as error:
            raise Problem(400, "undecodable", f"the body is {error}") from None
        result = translate(source.mapping, Payload(payload, _plain(request)), now)
        if isinstance(result, Ignored):
            return _Answer("ignored", reason=result.reason)
        if isinstance(result, Translated):
            try:
                await self._intake.publish([result.told])
            except RecordTooLarge:
                result = Unmappable("*", "too large for the bus once mapped")
            else:
                return _Answer("accepted", event_id=result.told.event.id, unread=result.unread)
        assert isinstance(result, Unmappable)  # noqa: S101 - until thin messages are fetched
        return await self._keep(source, body, request, now, result)

    async def _keep(
        self, source: Source, body: bytes, request: Request, now: datetime, why: Unmappable
    ) -> _Answer:
        row = await self._intake.in_time(
            self._quarantine.put(
                source=source.name,
                body=body,
                secrets=source.secrets,
                content_type=clean(request.headers.get("content-type", ""), 200),
                received_at=now,
                path=why.path,
                rule=why.rule,
                mapping=self._catalogue.version,
            )
        )
        return _Answer("quarantined", quarantine_id=row, reason=f"{why.path}: {why.rule}")


def webhook_router(webhooks: Webhooks) -> APIRouter:
    """Make the routes; every path below the prefix is taken, so that none is ever a 404."""
    router = APIRouter(route_class=RawRoute, tags=["ingest"])
    for path, shown in (("/v1/webhooks/{source:path}", True), ("/v1/webhooks", False)):
        router.add_api_route(
            path,
            webhooks.receive,
            methods=["POST"],
            status_code=202,
            include_in_schema=shown,
            summary="Take one message of a survey tool",
            description=_DESCRIPTION,
            responses=_RESPONSES,
        )
        router.add_api_route(
            path,
            webhooks.greet,
            methods=["GET", "HEAD"],
            include_in_schema=False,
        )
    return router


def _unauthorized() -> Problem:
    return Problem(401, "unauthorized", "no source of this name accepts this message")


def _plain(request: Request) -> dict[str, str]:
    return dict(request.headers.items())


def _accepted(answer: _Answer) -> Response:
    content = {"status": answer.outcome, "event_id": _text(answer.event_id)}
    if answer.quarantine_id is not None:
        content["quarantine_id"] = _text(answer.quarantine_id)
    return Response(orjson.dumps(content), status_code=202, media_type="application/json")


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


_DESCRIPTION = (
    "The body is verified over its raw bytes as `sources.yaml` says, decoded and mapped. "
    "202 is answered only once the event is durable (`accepted`), the message is in quarantine "
    "(`quarantined`: authentic, but a path failed its rule) or it is a test message (`ignored`)."
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "Taken: durable, in quarantine, or ignored"},
    400: {"description": "Authentic, but not decodable"},
    401: {"description": "Unknown source, or not signed as it must be"},
    413: {"description": "Larger than `body_bytes`"},
    503: {"description": "Nothing was stored; come again after `Retry-After`"},
}
