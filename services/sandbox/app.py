"""The sandbox's HTTP routes, all open and all below `/sandbox`: calls in, page and JSON out.

It has no token on purpose: it plays an outside platform and holds what was sent to it, so it must
only be reachable from where its page may be read (`make run` listens on 127.0.0.1).
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from services.sandbox.connection import cut_connection, keep_waiting
from services.sandbox.entries import (
    ActionCall,
    BatchCall,
    Entry,
    ErasureCall,
    ProfileCall,
    Which,
    read_batch,
    reference,
)
from services.sandbox.record import LONGEST, Record
from services.sandbox.stream import as_json, events
from services.sandbox.switches import Account, Switch
from shared.http.problems import Problem

#: The page is one file: nothing may be loaded from elsewhere, and nothing may frame it.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]


class TurnSwitch(Switch):
    """The body of a switch being turned."""

    account: Which = "all"


#: What the switches bring about, beside a connection that is cut.
_MISBEHAVING: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Accepted"},
    429: {"description": "The switch says so; come again after `Retry-After`"},
    503: {"description": "The switch says so"},
}


def make_router(record: Record, page: str) -> APIRouter:
    """Build the routes over one record; `page` is the HTML text."""
    router = APIRouter(prefix="/sandbox", tags=["sandbox"])

    @router.put("/api/{account}/profiles", responses=_MISBEHAVING)
    async def put_profile(
        account: Account, call: ProfileCall, request: Request, key: Key = None
    ) -> Response:
        """Write a profile, as a campaign platform would."""
        entry, switch = record.receive(account, call, key)
        return await _answer(entry, switch, request)

    @router.post("/api/{account}/profiles/batch", responses=_MISBEHAVING)
    async def post_profiles(account: Account, call: BatchCall, request: Request) -> Response:
        """Write several profiles; those that are not as they should be are told by index."""
        calls, errors = read_batch(call)
        if not calls:
            return JSONResponse({"errors": errors})
        entries, switch = record.receive_batch(account, calls)
        answer = await _answer(entries[0], switch, request)
        return JSONResponse({"errors": errors}) if answer.status_code == 200 else answer

    @router.post("/api/{account}/actions", responses=_MISBEHAVING)
    async def post_action(
        account: Account, call: ActionCall, request: Request, key: Key = None
    ) -> Response:
        """Perform an action; account `main` performs each idempotency key once."""
        entry, switch = record.receive(account, call, key)
        return await _answer(entry, switch, request)

    @router.post("/api/{account}/erasures", responses=_MISBEHAVING)
    async def post_erasure(account: Account, call: ErasureCall, request: Request) -> Response:
        """Forget a customer: what the account got about her loses its content."""
        entry, switch = record.receive(account, call, None)
        return await _answer(entry, switch, request)

    @router.get("/api/received")
    async def received(
        account: Which = "all", limit: Annotated[int, Query(ge=0, le=LONGEST)] = LONGEST
    ) -> JSONResponse:
        """Return the last calls, newest first, with switches and counters."""
        return JSONResponse(as_json(record.view(account=account, limit=limit)))

    @router.delete("/api/received", status_code=204)
    async def clear() -> Response:
        """Forget calls, counters and idempotency keys."""
        record.clear()
        return Response(status_code=204)

    @router.get("/api/switches")
    async def switches() -> dict[str, Any]:
        """Return each account's switch."""
        shown: dict[str, Any] = as_json(record.view(limit=0))["switches"]
        return shown

    @router.put("/api/switches")
    async def turn_switch(turned: TurnSwitch) -> dict[str, Any]:
        """Turn the switch of one account, or of all."""
        record.turn(turned.account, Switch(**turned.model_dump(exclude={"account"})))
        return await switches()

    @router.get("/events", response_class=StreamingResponse)
    async def watch(request: Request) -> StreamingResponse:
        """Stream what is received (Server-Sent Events)."""
        return StreamingResponse(
            events(record, _stopping(request)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get("", response_class=HTMLResponse)
    async def show() -> HTMLResponse:
        """Show the page."""
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(page, headers=headers)

    return router


def _stopping(request: Request) -> Callable[[], bool]:
    """Ask the host whether the process has been told to stop."""
    return lambda: bool(getattr(request.app.state, "stopping", False))


async def _answer(entry: Entry, switch: Switch, request: Request) -> Response:
    """Answer as the switch wants it."""
    mode = entry.mode
    if mode == "503":
        raise Problem(503, "sandbox-unavailable", "the sandbox's switch says 503")
    if mode == "429":
        raise Problem(
            429,
            "sandbox-throttled",
            "the sandbox's switch says 429",
            headers={"Retry-After": str(switch.retry_after_s)},
        )
    stopping = _stopping(request)
    if mode == "slow":
        await keep_waiting(request, stopping, at_most_s=switch.delay_ms / 1000)
    if mode == "hang":
        await keep_waiting(request, stopping)
    if entry.status is None:
        await cut_connection(request)
        # Nobody is there any more to read it.
        return Response(status_code=503)
    body: dict[str, Any] = (
        {"repeat": True} if entry.repeat and not entry.effect else {"accepted": True}
    )
    made = reference(entry)
    return JSONResponse(body if made is None else {**body, "reference": made}, entry.status)
