"""The bare limit of a segmenter: read, write one row per customer, publish, commit, with no rules.

`python -m tests.bench.bare_fold IN OUT` reads the topic IN in batches of 200, adds each record to
its customer's row by one `unnest` upsert in one transaction, publishes as many records to OUT and
commits the offsets. Beside it on `NPS_PORT`: /readyz, and /metrics with what it has handled.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from hashlib import md5
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.bus.kafka_connection import KafkaConnection
from shared.bus.kafka_publisher import KafkaPublisher
from shared.bus.port import Message
from shared.bus.topics import declared
from shared.events.envelope import DECISIONS

_BATCH: Final = 200
_TABLE: Final = "CREATE TABLE IF NOT EXISTS bare_fold (id uuid PRIMARY KEY, state jsonb NOT NULL)"
_UPSERT: Final = """
    INSERT INTO bare_fold (id, state)
    SELECT * FROM unnest($1::uuid[], $2::jsonb[])
    ON CONFLICT (id) DO UPDATE SET state = excluded.state
"""


async def fold(topic: str, prefix: str, handled: list[int], stopping: asyncio.Event) -> None:
    """Handle records until told to stop."""
    kafka = os.environ["NPS_KAFKA_BOOTSTRAP_SERVERS"]
    database = await asyncpg.connect(os.environ["NPS_BENCH_DATABASE"])
    await database.execute(_TABLE)
    publisher = KafkaPublisher(KafkaConnection(kafka, "bare"), prefix=prefix, topics=declared())
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id="bare-fold",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metadata_max_age_ms=5_000,
    )
    await consumer.start()
    while not stopping.is_set():
        fetched = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
        records = [record for several in fetched.values() for record in several]
        if not records:
            continue
        rows = _rows(records)
        await database.execute(_UPSERT, list(rows), list(rows.values()))
        await publisher.publish(
            [Message(DECISIONS, str(i), row.encode()) for i, row in rows.items()]
        )
        await consumer.commit()
        handled[0] += len(records)
    await consumer.stop()
    await publisher.close()
    await database.close()


def _rows(records: Sequence[ConsumerRecord]) -> dict[UUID, str]:
    rows: dict[UUID, str] = {}
    for record in records:
        event: dict[str, Any] = orjson.loads(record.value)
        # The segmenter tells itself of the cases that it opens, and names nobody beside them.
        named = event["data"].get("identifiers") or [{"value": event["id"]}]
        key = str(named[0]["value"]).encode()
        customer = UUID(bytes=md5(key, usedforsecurity=False).digest())
        rows[customer] = orjson.dumps(event["data"]).decode()
    return dict(sorted(rows.items()))


async def serve(topic: str, prefix: str) -> None:
    """Fold, and answer on `NPS_PORT`, until told to stop."""
    handled = [0]
    stopping = asyncio.Event()

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(text=f"bare_fold_handled {handled[0]}\n")

    app = web.Application()
    app.add_routes([web.get("/readyz", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["NPS_PORT"])).start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        await fold(topic, prefix, handled, stopping)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
