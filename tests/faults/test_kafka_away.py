"""Kafka away, then back: ingest goes on accepting, and nothing acknowledged is lost."""

import asyncio
import uuid
from pathlib import Path

import pytest

from services.ingest.examples import Answer, shop
from tests.builders.brokers import Broker
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka


async def test_kafka_away_then_back_loses_nothing_that_was_acknowledged(
    tmp_path: Path, server: str, own_kafka: Broker, sink: Sink
) -> None:
    """While it is away every webhook is answered with 202 within 5 s and waits in the spool."""
    emails = [f"{uuid.uuid4().hex}@example.com" for _ in range(300)]
    await own_kafka.start()
    async with open_system(tmp_path, server, own_kafka.bootstrap_servers, sink) as system:
        await system.start()
        requests = [
            shop(
                Answer(response_id=uuid.uuid4().hex, score=2, email=email),
                secret=system.shop_secret,
            )
            for email in emails
        ]
        probe = shop(
            Answer(response_id=uuid.uuid4().hex, score=2, email=emails[0]),
            secret=system.shop_secret,
        )

        async def away_for_a_while() -> None:
            await own_kafka.kill()
            async with asyncio.timeout(5):
                answers = await asyncio.gather(*(system.post(probe) for _ in range(5)))
            assert {answer.status_code for answer in answers} == {202}
            await own_kafka.start()

        refused = await send_all(system.ingest.url, requests, milestones={100: away_for_a_while})

        async def all_done() -> bool:
            assert len(sink.profiles) == len(emails), f"{len(sink.profiles)} profiles"
            return True

        await eventually(all_done, within=120, what="every profile at the platform")

        assert refused == []
        assert set(sink.effects.values()) == {1}
        assert set(emails) <= set(sink.profiles)
