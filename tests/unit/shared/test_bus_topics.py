"""The declaration of topics, and what differs from it on a broker."""

from datetime import timedelta

import pytest

from shared.bus.kafka_topics import differences, wanted_configs
from shared.bus.port import Message
from shared.bus.topics import Topic, dead_topic, declared, max_record_bytes, refuse_too_large
from shared.errors import RecordTooLarge

TOPIC = Topic("nps.feedback", 12, 1 << 20)
AS_DECLARED = wanted_configs(TOPIC)


def test_every_topic_is_short_lived_and_never_compacted() -> None:
    """Erasure rests on it: nobody lives in a topic."""
    topics = declared()

    assert {t.name for t in topics} == {
        "nps.feedback",
        "nps.decisions",
        "nps.outcomes",
        "nps.feedback.dead",
        "nps.decisions.dead",
        "nps.outcomes.dead",
    }
    assert all(t.retention <= timedelta(days=7) for t in topics)
    assert all(t.segment <= timedelta(days=1) for t in topics)
    assert {t.cleanup for t in topics} == {"delete"}
    assert {t.partitions for t in topics if t.name.endswith(".dead")} == {1}


def test_a_dead_topic_takes_the_largest_record_as_base64() -> None:
    """Otherwise the largest bad record could never be moved aside."""
    topics = {t.name: t for t in declared()}

    for name in ("nps.feedback", "nps.decisions", "nps.outcomes"):
        largest = max_record_bytes(topics[name])
        assert max_record_bytes(topics[dead_topic(name)]) > largest * 4 / 3 + 1000


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        pytest.param(Message("nps.feedback", "", bytes(1047552)), False, id="just fits"),
        pytest.param(Message("nps.feedback", "", bytes(1047553)), True, id="one byte more"),
        pytest.param(Message("nps.feedback", "k", bytes(1047552)), True, id="the key counts"),
        pytest.param(
            Message("nps.feedback", "", bytes(1047552), (("h", b""),)), True, id="headers count"
        ),
        pytest.param(
            Message("nps.feedback.dead", "", bytes(1047553)), False, id="dead letters may be larger"
        ),
    ],
)
def test_a_record_too_large_is_refused(message: Message, refused: bool) -> None:
    """Before anything is sent, whatever the bus."""
    topics = {t.name: t for t in declared()}
    if not refused:
        refuse_too_large((message,), topics)
        return
    with pytest.raises(RecordTooLarge, match=r"nps\.feedback takes records up to 1047552 bytes"):
        refuse_too_large((message,), topics)


@pytest.mark.parametrize(
    ("partitions", "configs", "lines"),
    [
        pytest.param(12, AS_DECLARED, [], id="as declared"),
        pytest.param(
            None,
            {},
            ["topic nps.feedback does not exist: create it with `python -m services topics`"],
            id="missing",
        ),
        pytest.param(
            6,
            AS_DECLARED,
            [
                (
                    "topic nps.feedback has 6 partitions, not 12: add partitions, "
                    "or set NPS_KAFKA_PARTITIONS to the number all topics have"
                )
            ],
            id="another number of partitions",
        ),
        pytest.param(
            12,
            AS_DECLARED | {"cleanup.policy": "compact"},
            [
                (
                    "topic nps.feedback has cleanup.policy=compact, not delete: kafka-configs.sh "
                    "--alter --topic nps.feedback --add-config cleanup.policy=delete"
                )
            ],
            id="compacted",
        ),
        pytest.param(
            12,
            AS_DECLARED | {"retention.ms": "-1"},
            [
                (
                    "topic nps.feedback has retention.ms=-1, not 604800000: kafka-configs.sh "
                    "--alter --topic nps.feedback --add-config retention.ms=604800000"
                )
            ],
            id="kept for ever",
        ),
    ],
)
def test_differences_name_the_fix(
    partitions: int | None, configs: dict[str, str], lines: list[str]
) -> None:
    """An operator reads what is wrong and what to type."""
    assert differences(TOPIC, "nps.feedback", partitions, configs) == lines
