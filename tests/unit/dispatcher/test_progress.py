"""When customer state counts as stale."""

from datetime import datetime, timedelta

import pytest

from services.dispatcher.consume.progress import TopicReach, stale
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES
from tests.builders.decisions import NOW, later

MINUTE = timedelta(seconds=60)


def reach(topic: str, upto: datetime = NOW, told: int = 2) -> TopicReach:
    return TopicReach(topic, 2, told, upto)


@pytest.mark.parametrize(
    ("reaches", "reason"),
    [
        pytest.param([reach(DECISIONS), reach(FEEDBACK)], None, id="fresh"),
        pytest.param([], "nothing is heard about nps.decisions", id="silence"),
        pytest.param([reach(DECISIONS)], "nothing is heard about nps.feedback", id="no-segmenter"),
        pytest.param(
            [reach(DECISIONS), reach(FEEDBACK, told=1)],
            "nps.feedback: 1 of 2 partitions are heard of",
            id="a-partition-is-missing",
        ),
        pytest.param(
            [reach(DECISIONS), reach(FEEDBACK, later(seconds=-60))], None, id="exactly-the-limit"
        ),
        pytest.param(
            [reach(DECISIONS), reach(FEEDBACK, later(seconds=-61))],
            "nps.feedback is more than 60 s behind",
            id="the-segmenter-is-behind",
        ),
        pytest.param(
            [reach(DECISIONS, later(seconds=-90)), reach(FEEDBACK)],
            "nps.decisions is more than 60 s behind",
            id="we-are-behind",
        ),
        pytest.param(
            [reach(DECISIONS), reach(FEEDBACK), reach(OUTCOMES, later(hours=-1))],
            "nps.outcomes is more than 60 s behind",
            id="any-topic-the-segmenter-names",
        ),
    ],
)
def test_state_is_stale(reaches: list[TopicReach], reason: str | None) -> None:
    """Unheard, incomplete or old: then customers wait."""
    assert stale(reaches, NOW, MINUTE) == reason
