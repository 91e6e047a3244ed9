"""The database is lost and an older copy of it restored, as docs/operations.md says."""

from datetime import datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy.engine import make_url

from shared.times import utc_now
from tests.builders.crowd import MESSAGES, Crowd
from tests.builders.postgres import run_sql
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import open_system

pytestmark = pytest.mark.kafka
CUSTOMERS = 12
COUNT = CUSTOMERS * MESSAGES


async def copied(server: str, origin: str, copy: str) -> None:
    """Make a copy of a database that nobody is connected to."""
    await run_sql(server, f'CREATE DATABASE "{copy}" TEMPLATE "{origin}"')


async def set_back(kafka: str, prefix: str, moment: datetime) -> int:
    """Set all groups of a prefix back to a moment; returns how many records they will read again.

    It does what Kafka's own tool does, which is Java.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        known = [group for group, _ in await admin.list_consumer_groups()]
        offsets = {
            group: await admin.list_consumer_group_offsets(group)
            for group in known
            if group.startswith(prefix)
        }
    finally:
        await admin.close()
    again = 0
    for group, told in offsets.items():
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(list(told))
            then = await consumer.offsets_for_times(
                dict.fromkeys(told, int(moment.timestamp() * 1000))
            )
            back: dict[TopicPartition, int] = {
                partition: found.offset for partition, found in then.items() if found is not None
            }
            again += sum(told[partition].offset - offset for partition, offset in back.items())
            if back:
                await consumer.commit(back)
        finally:
            await consumer.stop()
    return again


async def test_what_came_after_the_copy_comes_back_from_the_topics_and_reaches_nobody_twice(
    tmp_path: Path, server: str, kafka: str, sink: Sink
) -> None:
    """Groups set back to before the copy: profiles end as if nothing had been lost."""
    async with open_system(tmp_path, server, kafka, sink) as system:
        crowd = Crowd("restored", CUSTOMERS, utc_now())
        name = make_url(system.database).database
        assert name is not None

        await system.start()
        await send_all(system.ingest.url, crowd.requests(range(COUNT // 2), system.shop_secret))
        await system.handled(COUNT // 2, CUSTOMERS)
        await system.stop()
        moment = utc_now()
        await copied(server, name, f"{name}_copy")

        await system.start()
        await send_all(
            system.ingest.url, crowd.requests(range(COUNT // 2, COUNT), system.shop_secret)
        )
        await system.handled(COUNT, CUSTOMERS)
        await system.stop()

        await run_sql(server, f'DROP DATABASE "{name}"')
        await run_sql(server, f'ALTER DATABASE "{name}_copy" RENAME TO "{name}"')
        assert await set_back(kafka, system.prefix, moment) >= COUNT // 2
        await system.start()
        await system.handled(COUNT, CUSTOMERS)

        assert await crowd.found(system) == crowd.endings(range(COUNT))
        assert len(sink.profiles) == CUSTOMERS
        assert set(sink.effects.values()) == {1}
