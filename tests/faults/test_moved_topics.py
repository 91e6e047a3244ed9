"""More partitions than were chosen once: all goes on in new topics beside the same database."""

from pathlib import Path

import pytest

from services.ingest.examples import SignedRequest, shop
from shared.times import utc_now
from tests.builders.crowd import MESSAGES, Crowd
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import System, open_system
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
CUSTOMERS = 12
COUNT = CUSTOMERS * MESSAGES


async def handled(system: System, count: int) -> None:
    """Wait until so many answers are facts, nothing waits, and every profile is pushed."""

    async def check() -> bool:
        ((facts,),) = await system.rows(
            "SELECT count(*) FROM segmenter.facts WHERE kind = 'survey.response.received'"
        )
        assert facts == count, f"{facts} facts of {count}"
        assert len(system.sink.profiles) == CUSTOMERS
        return True

    await eventually(check, within=120, what="every answer decided")
    await system.caught_up()


async def test_what_was_said_in_the_old_topics_and_the_new_ends_as_if_there_were_one(
    tmp_path: Path, server: str, kafka: str, sink: Sink
) -> None:
    """Half of everybody's messages in each: the steps of docs/operations.md, nothing lost."""
    async with open_system(tmp_path, server, kafka, sink) as system:
        crowd = Crowd("mover", CUSTOMERS, utc_now())

        def requests(numbers: range) -> list[SignedRequest]:
            return [shop(crowd.message(n), secret=system.shop_secret) for n in numbers]

        await system.start()
        await send_all(system.ingest.url, requests(range(COUNT // 2)))
        await system.ingest.stop()
        await handled(system, COUNT // 2)
        await system.stop()
        pushed = dict(sink.calls)

        system.move_topics(f"{system.prefix}more.", 7)
        topics = system.process("services", "topics")
        topics.spawn()
        assert await topics.ended(60) == 0, topics.log.read_text()
        await system.start()
        await send_all(system.ingest.url, requests(range(COUNT // 2, COUNT)))
        await handled(system, COUNT)

        assert await crowd.found(system) == crowd.endings(range(COUNT))
        assert set(sink.effects.values()) == {1}
        # Nothing that was done by way of the old topics was done again by way of the new ones.
        assert {key: sink.calls[key] for key in pushed} == pushed
