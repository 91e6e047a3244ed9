"""Kafka away, then back: ingest goes on accepting, and nothing acknowledged is lost."""

import asyncio
from pathlib import Path

import pytest

from shared.times import utc_now
from tests.builders.brokers import Broker
from tests.builders.crowd import MESSAGES, Crowd
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import open_system

pytestmark = pytest.mark.kafka

CUSTOMERS = 30
COUNT = CUSTOMERS * MESSAGES


async def test_kafka_away_then_back_loses_nothing_that_was_acknowledged(
    tmp_path: Path, server: str, own_kafka: Broker, sink: Sink
) -> None:
    """Every webhook gets its 202 within 5 s, and each profile ends as if Kafka had never left."""
    await own_kafka.start()
    async with open_system(tmp_path, server, own_kafka.bootstrap_servers, sink) as system:
        await system.start()
        storm, calm = (Crowd(name, CUSTOMERS, utc_now()) for name in ("storm", "calm"))
        requests = storm.requests(range(COUNT), system.shop_secret)

        async def away_for_a_while() -> None:
            await own_kafka.kill()
            async with asyncio.timeout(5):
                answers = await asyncio.gather(*(system.post(requests[0]) for _ in range(5)))
            assert {answer.status_code for answer in answers} == {202}
            await own_kafka.start()

        refused = await send_all(
            system.ingest.url, requests, milestones={COUNT // 3: away_for_a_while}
        )
        refused += await send_all(
            system.ingest.url, calm.requests(range(COUNT), system.shop_secret)
        )

        await system.handled(2 * COUNT, 2 * CUSTOMERS)

        assert refused == []
        assert await storm.found(system) == storm.endings(range(COUNT))
        assert await calm.found(system) == calm.endings(range(COUNT))
        assert set(sink.effects.values()) == {1}
        assert {storm.email(customer) for customer in range(CUSTOMERS)} <= set(sink.profiles)
