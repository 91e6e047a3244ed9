"""The bare limits: what remains when a service does nothing, under the same server and client.

`python -m tests.bench.bare answer` reads the body and answers 202. `… kafka TOPIC` also waits until
the body is acknowledged by all replicas, through the same producer with the same settings as the
product's. Stock uvicorn with httptools on uvloop, an ASGI function, no framework.

`… prototype TOPIC` is the least that could be called an ingest: a Starlette route inside a
FastAPI app, one HMAC, one pydantic model, the same producer. It maps nothing, limits nothing, keeps
no body, counts and logs nothing, and does without a spool. The project's bars were set by it, on
another machine: there it answered 4 400 a second at 32 connections.
"""

import hmac
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Deed = Callable[[bytes], Awaitable[None]]
_ANSWER = b'{"status":"accepted","event_id":"00000000-0000-0000-0000-000000000000"}'
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_ANSWER)).encode()),
]


def application(deed: Deed) -> Callable[..., Awaitable[None]]:
    """Make an ASGI app that does one deed with each body and answers 202 (200 to a GET)."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status = 200
        if scope["method"] == "POST":
            await deed(body)
            status = 202
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _ANSWER})

    return app


class Taken(BaseModel):
    """The twelve fields of the load's flat shape."""

    model_config = ConfigDict(frozen=True)

    survey: str
    response_id: str
    score: int
    comment: str
    email: str
    external_id: str
    language: str
    answered_at: datetime
    updated_at: datetime
    first_name: str
    last_name: str
    plan: str


def prototype(deed: Deed, secret: bytes) -> FastAPI:
    """Make the app that verifies, reads and hands on, and does nothing else."""

    async def take(request: Request) -> Response:
        body = await request.body()
        signature = "sha256=" + hmac.digest(secret, body, "sha256").hex()
        if not hmac.compare_digest(signature, request.headers.get("x-signature", "")):
            return JSONResponse({"status": "unsigned"}, 401)
        taken = Taken.model_validate(orjson.loads(body))
        await deed(taken.model_dump_json().encode())
        return JSONResponse({"status": "accepted", "event_id": taken.response_id}, 202)

    app = FastAPI()

    async def ready(_request: Request) -> Response:
        return Response()

    app.router.routes.append(Route("/v1/webhooks/{source}", take, methods=["POST"]))
    app.router.routes.append(Route("/readyz", ready))
    return app


async def nothing(_body: bytes) -> None:
    """Do nothing."""


async def serve(arguments: list[str]) -> None:
    """Serve on `NPS_PORT` until told to stop."""
    what = arguments[0]
    producer: AIOKafkaProducer | None = None
    deed: Deed = nothing
    if what in ("kafka", "prototype"):
        # The settings of shared/bus/kafka_publisher.py.
        producer = AIOKafkaProducer(
            bootstrap_servers=os.environ["NPS_KAFKA_BOOTSTRAP_SERVERS"],
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=128 << 10,
            request_timeout_ms=10_000,
        )
        await producer.start()

        async def deed(body: bytes) -> None:
            await (await producer.send(arguments[1], value=body, key=sha256(body).digest()))

    app = application(deed)
    if what == "prototype":
        app = prototype(deed, os.environ["NPS_BENCH_SECRET"].encode())
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(os.environ["NPS_PORT"]),
        http="httptools",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=30,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        if producer is not None:
            await producer.stop()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
