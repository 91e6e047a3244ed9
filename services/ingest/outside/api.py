"""POST /v1/events: what a CRM, a shop or a platform tells with a token."""

import time
from typing import Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response

from services.ingest.decode.decoders import Undecodable, decode_json
from services.ingest.keep.intake import Intake
from services.ingest.outside.events import read_all
from services.ingest.outside.types import Refused
from services.ingest.sight import Sight
from services.ingest.told import Told
from shared.errors import RecordTooLarge
from shared.http.auth import Access
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.identifiers import Rules


def events_router(access: Access, intake: Intake, sight: Sight, rules: Rules) -> APIRouter:
    """Make the route; `rules` normalise identifiers as the sources' mappings do."""
    router = APIRouter(tags=["ingest"])
    may_tell = Depends(access.require("events"))

    @router.post(
        "/v1/events",
        status_code=202,
        dependencies=[may_tell],
        openapi_extra=_EVENT_BODY,
        responses=_RESPONSES,
    )
    async def tell(request: Request) -> Response:
        """Take one CloudEvent, or an array of them (all or none), from a CRM, shop or platform.

        The caller's `source` and `id` make the event's id: telling it again changes nothing.
        """
        started = time.perf_counter()
        outcome, status = "failed", 500
        told: list[Told] = []
        try:
            told = await _tell(intake, request, rules)
            outcome, status = "accepted", 202
        except Problem as problem:
            outcome, status = problem.code, problem.status
            raise
        finally:
            event_ids = [str(item.event.id) for item in told]
            sight.told(
                "events",
                "events",
                outcome=outcome,
                status=status,
                seconds=time.perf_counter() - started,
                more={
                    "event_id": event_ids[0] if len(event_ids) == 1 else None,
                    "event_ids": event_ids if len(event_ids) > 1 else None,
                    "types": sorted({item.event.type for item in told}),
                },
            )
        return _accepted(event_ids)

    return router


async def _tell(intake: Intake, request: Request, rules: Rules) -> list[Told]:
    body = await intake.body(request)
    try:
        told = list(read_all(decode_json(body), intake.clock(), rules))
    except Undecodable as error:
        raise Problem(400, "undecodable", f"the body is {error}") from None
    except Refused as refused:
        raise Problem(400, "invalid-event", str(refused)) from None
    try:
        await intake.publish(told)
    except RecordTooLarge:
        raise Problem(413, "too-large", "one event exceeds what the bus takes") from None
    return told


def _accepted(event_ids: list[str]) -> Response:
    content: dict[str, Any] = {"status": "accepted"}
    if len(event_ids) == 1:
        content["event_id"] = event_ids[0]
    else:
        content["event_ids"] = event_ids
    return Response(orjson.dumps(content), status_code=202, media_type="application/json")


_EVENT: Final = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "maxLength": 256},
        "source": {"type": "string", "maxLength": 256},
        "type": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}
_EVENT_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT},
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT}},
            "application/json": {"schema": _EVENT},
        },
    }
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **GUARDED,
    202: {"description": "Durable"},
    400: {"description": "Not JSON, not a CloudEvent, or not one that may be told from outside"},
    408: {"description": "The body did not come in time"},
    413: {"description": "Larger than `body_bytes`"},
    503: {"description": "Nothing was stored; come again after `Retry-After`"},
}
