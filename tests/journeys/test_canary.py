"""A canary person's name, e-mail and comment appear nowhere but where they must."""

import re
import uuid

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.ingest.examples import Answer, shop
from tests.builders.system import System
from tests.builders.traced import Collector
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka

#: Written so that no part of it can appear by chance.
CANARIES = (
    "zazou.serinette",
    "Zazoulina",
    "Serinette-Jaune",
    "plumage-hors-de-prix",
    "ext-73-zazou",
)


async def test_a_canary_appears_in_no_log_metric_span_kafka_key_or_header(
    system: System, collector: Collector
) -> None:
    """Personal data lives in event bodies and tables, and is never what we sort or shout by."""
    hidden = {
        "first_name": "Zazoulina",
        "last_name": "Serinette-Jaune",
        "consent_email": "yes",
    }
    email = "zazou.serinette@example.com"
    good = Answer(
        response_id=uuid.uuid4().hex,
        score=2,
        email=email,
        external_id="ext-73-zazou",
        comment="plumage-hors-de-prix",
        hidden=hidden,
    )
    accepted = await system.answer(good)
    unmappable = Answer(response_id=uuid.uuid4().hex, score="eleven", email=email, hidden=hidden)
    await system.answer(unmappable)
    forged = shop(good, secret="whsec_Zm9yZ2Vk")
    problem = await system.post(forged)
    await system.settled(email, 2)
    places = {
        "problem": problem.text,
        "logs": system.logs(),
        "metrics": await metrics(system),
        "kafka": await keys_and_headers(system),
        "spans": await spans(collector, accepted.json()["event_id"]),
    }

    found = [
        (canary, place) for place, text in places.items() for canary in CANARIES if canary in text
    ]
    assert found == []
    # Nor an id, which would make a line for each person: labels are words.
    assert re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{32}|@", places["metrics"]) == []
    assert good.response_id not in places["metrics"]


async def spans(collector: Collector, event_id: str) -> str:
    """Wait for the spans of an answer up to its two messages, and give all there are."""

    async def told() -> bool:
        about = collector.about(event_id)
        assert about, "nothing yet"
        return sum(span.name == "act" for span in collector.of(about[0].trace)) >= 2

    await eventually(told, what="spans of the calls")
    return collector.text()


async def metrics(system: System) -> str:
    """Gather the metrics of all processes."""
    texts = []
    async with httpx.AsyncClient() as client:
        for process in (system.ingest, system.segmenter, system.dispatcher):
            texts.append((await client.get(f"{process.url}/metrics")).text)
    return "\n".join(texts)


async def keys_and_headers(system: System) -> str:
    """Read every record of every topic of this system; keep keys and headers."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.kafka, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        names = [n for n in await consumer.topics() if n.startswith(system.prefix)]
        consumer.subscribe(names)
        seen: list[str] = []
        while batches := await consumer.getmany(timeout_ms=1500):
            for records in batches.values():
                seen += [f"{record.key!r} {record.headers!r}" for record in records]
    finally:
        await consumer.stop()
    assert seen, "no record was read, so nothing was shown"
    return "\n".join(seen)
