"""The bare limits: what remains when a service does nothing, under the same server and client.

`python -m tests.bench.bare answer` reads the body and answers 202. `… kafka TOPIC` also waits until
the body is acknowledged by all replicas, through the same producer with the same settings as the
product's. Stock uvicorn with httptools, an ASGI function, no framework.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer

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


async def nothing(_body: bytes) -> None:
    """Do nothing."""


async def serve(arguments: list[str]) -> None:
    """Serve on `NPS_PORT` until told to stop."""
    producer: AIOKafkaProducer | None = None
    deed: Deed = nothing
    if arguments[0] == "kafka":
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

    config = uvicorn.Config(
        application(deed),
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
    asyncio.run(serve(sys.argv[1:]))
