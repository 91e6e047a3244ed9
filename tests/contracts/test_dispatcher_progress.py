"""Which partitions must be heard of, as the table of reaches tells it."""

from datetime import timedelta

import pytest

from services.dispatcher.consume.progress import Reach, TopicReach, read, save
from shared.events.envelope import FEEDBACK
from tests.builders.decisions import NOW, later
from tests.builders.dispatching import dispatching


def reach(partition: int, of: int, minutes: float = 0) -> Reach:
    return Reach(FEEDBACK, partition, of, later(minutes=minutes))


@pytest.mark.parametrize(
    ("reaches", "found"),
    [
        pytest.param([reach(0, 2), reach(1, 2)], (2, 2), id="all"),
        pytest.param([reach(0, 2)], (2, 1), id="one-missing"),
        pytest.param([reach(0, 3), reach(1, 2)], (3, 2), id="a-new-one-some-do-not-know-of"),
        pytest.param(
            [reach(0, 2), reach(1, 2), reach(0, 1, 60)], (1, 1), id="made-anew-with-fewer"
        ),
        pytest.param([reach(0, 2), reach(1, 2, -60)], (2, 2), id="one-far-behind-still-counts"),
    ],
)
async def test_the_partitions_that_must_be_heard_of(
    database: str, reaches: list[Reach], found: tuple[int, int]
) -> None:
    """As many as was said lately; those that are gone are not waited for."""
    async with dispatching(database) as d:
        for one in reaches:
            async with d.engine.begin() as connection:
                await save(connection, [one])
        async with d.engine.connect() as connection:
            (topic,) = await read(connection)
        assert (topic.partitions, topic.told) == found


async def test_the_oldest_word_counts_and_no_word_is_taken_back(database: str) -> None:
    """A topic is as far as its slowest partition; an older word that comes late changes nothing."""
    async with dispatching(database) as d, d.engine.begin() as connection:
        await save(connection, [reach(0, 2, 1), reach(1, 2), reach(0, 2, -1)])
        await save(connection, [reach(0, 2, -2)])
        assert await read(connection) == [TopicReach(FEEDBACK, 2, 2, NOW)]
        await save(connection, [reach(1, 2, 5)])
        assert await read(connection) == [TopicReach(FEEDBACK, 2, 2, NOW + timedelta(minutes=1))]
