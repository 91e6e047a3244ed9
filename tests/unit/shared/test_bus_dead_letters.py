"""Dead letters: kept so that they can be replayed, and capped."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from shared.bus.dead_letters import (
    DeadLetterCount,
    DeadLetterPolicy,
    dead_letter,
    marked,
    opened,
    replay,
    told_again,
)
from shared.bus.port import Message, Partition, Record
from shared.errors import Unprocessable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = DeadLetterPolicy(at_least=20, share=0.10, window=timedelta(minutes=10))
RECORD = Record(Partition("nps.feedback", 3), 42, "route", b"\x00\xff", NOON, (("trace", b"\x01"),))


def test_a_dead_letter_tells_where_it_came_from_and_why() -> None:
    """An operator finds topic, partition, offset, both times and the reason as plain JSON."""
    letter = dead_letter(RECORD, "no such survey", NOON + timedelta(hours=1))

    assert (letter.topic, letter.key) == ("nps.feedback.dead", "route")
    assert orjson.loads(letter.value) == {
        "topic": "nps.feedback",
        "partition": 3,
        "offset": 42,
        "key": "route",
        "reason": "no such survey",
        "at": "2026-03-02T12:00:00.000000Z",
        "dead_at": "2026-03-02T13:00:00.000000Z",
        "headers": [["trace", "AQ=="]],
        "value": "AP8=",
    }


def test_replaying_gives_the_very_message_back() -> None:
    """Same topic, key, bytes and headers: event ids are deterministic, so this is safe."""
    assert replay(dead_letter(RECORD, "why", NOON).value) == Message(
        "nps.feedback", "route", b"\x00\xff", (("trace", b"\x01"),)
    )


def test_a_letter_is_opened_with_all_that_it_tells() -> None:
    """Where the message came from, why and when it was refused."""
    letter = opened(dead_letter(RECORD, "why", NOON + timedelta(hours=1)).value)

    assert letter.message.value == RECORD.value
    assert (letter.origin, letter.offset) == (RECORD.partition, RECORD.offset)
    assert (letter.reason, letter.at) == ("why", NOON)
    assert letter.dead_at == NOON + timedelta(hours=1)


def test_a_mark_behind_the_letters_names_those_that_were_told_again() -> None:
    """It lies in their topic, and is no letter itself."""
    mark = told_again("nps.feedback", (7, 3), NOON)

    assert mark.topic == "nps.feedback.dead"
    assert marked(mark.value) == {3, 7}
    with pytest.raises(Unprocessable):
        opened(mark.value)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(dead_letter(RECORD, "why", NOON).value, id="a letter"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(b'{"told_again": 3}', id="no list in it"),
    ],
)
def test_what_is_no_mark_marks_nothing(record: bytes) -> None:
    """Whatever lies in the topic."""
    assert marked(record) == frozenset()


def test_a_long_reason_is_cut() -> None:
    """A letter always fits its topic."""
    letter = dead_letter(RECORD, "x" * 10_000, NOON)

    assert len(orjson.loads(letter.value)["reason"]) == 500


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="fields missing"),
        pytest.param(
            b'{"topic":"t","key":"k","value":"%%","headers":[]}', id="value is not base64"
        ),
        pytest.param(b'{"topic":"t","key":"k","value":"","headers":3}', id="headers no list"),
    ],
)
def test_what_is_no_dead_letter_cannot_be_replayed(value: bytes) -> None:
    """Somebody else's record on the dead topic is said to be one."""
    with pytest.raises(Unprocessable):
        replay(value)


@pytest.mark.parametrize(
    ("batches", "exceeds"),
    [
        pytest.param([], False, id="nothing yet"),
        pytest.param([(20, 20)], False, id="a handful is borne, even if it is all there is"),
        pytest.param([(21, 21)], True, id="one more is too many"),
        pytest.param([(1000, 100)], False, id="a tenth of much"),
        pytest.param([(1000, 101)], True, id="more than a tenth"),
        pytest.param([(500, 10), (500, 80)], False, id="batches add up to a tenth"),
        pytest.param([(500, 10), (500, 91)], True, id="batches add up to more"),
    ],
)
def test_the_limit(batches: list[tuple[int, int]], exceeds: bool) -> None:
    """More than twenty and more than a tenth of what was consumed stop the consumer."""
    count = DeadLetterCount()
    for records, dead in batches:
        count = count.add(POLICY, NOON, records=records, dead=dead)

    assert count.exceeds(POLICY) is exceeds


@pytest.mark.parametrize(
    ("later", "exceeds"),
    [
        pytest.param(timedelta(minutes=9), True, id="still in the window"),
        pytest.param(timedelta(minutes=10), False, id="forgotten"),
    ],
)
def test_the_limit_forgets_what_is_older_than_its_window(later: timedelta, exceeds: bool) -> None:
    """Twenty a day are no bad deploy."""
    count = DeadLetterCount().add(POLICY, NOON, records=15, dead=15)

    count = count.add(POLICY, NOON + later, records=15, dead=15)

    assert count.exceeds(POLICY) is exceeds


def test_the_count_stays_small_whatever_the_traffic() -> None:
    """One entry a minute, no more than the window has."""
    count = DeadLetterCount()
    for second in range(0, 3600, 5):
        count = count.add(POLICY, NOON + timedelta(seconds=second), records=500, dead=0)

    assert len(count.minutes) <= 11
