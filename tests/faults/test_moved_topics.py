"""More partitions than were chosen once: all goes on in new topics beside the same database."""

from pathlib import Path

import pytest

from shared.times import utc_now
from tests.builders.crowd import MESSAGES, Crowd
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import open_system

pytestmark = pytest.mark.kafka
CUSTOMERS = 12
COUNT = CUSTOMERS * MESSAGES


async def test_what_was_said_in_the_old_topics_and_the_new_ends_as_if_there_were_one(
    tmp_path: Path, server: str, kafka: str, sink: Sink
) -> None:
    """Half of everybody's messages in each: the steps of docs/operations.md, nothing lost."""
    async with open_system(tmp_path, server, kafka, sink) as system:
        crowd = Crowd("mover", CUSTOMERS, utc_now())

        await system.start()
        await send_all(system.ingest.url, crowd.requests(range(COUNT // 2), system.shop_secret))
        await system.ingest.stop()
        await system.handled(COUNT // 2, CUSTOMERS)
        await system.stop()
        pushed = dict(sink.calls)

        system.move_topics(f"{system.prefix}more.", 7)
        topics = system.process("services", "topics")
        topics.spawn()
        assert await topics.ended(60) == 0, topics.log.read_text()
        await system.start()
        await send_all(
            system.ingest.url, crowd.requests(range(COUNT // 2, COUNT), system.shop_secret)
        )
        await system.handled(COUNT, CUSTOMERS)

        assert await crowd.found(system) == crowd.endings(range(COUNT))
        assert set(sink.effects.values()) == {1}
        # Nothing that was done by way of the old topics was done again by way of the new ones.
        assert {key: sink.calls[key] for key in pushed} == pushed
