"""What becomes of each record before a handler sees it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest

from shared.bus.fates import first_offsets, next_offsets, split
from shared.bus.port import Partition, Record
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import SurveyShown
from shared.events.vocabulary import Identifier

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRACE = timedelta(minutes=10)
GOOD = encode(
    Event(
        id=UUID(int=7),
        source="test",
        time=NOON,
        data=SurveyShown(
            survey="s",
            identifiers=(Identifier(kind="external_id", value="c-1"),),
            occurred_at=NOON,
        ),
    )
)
BAD = b"{}"
NEWER = orjson.dumps(orjson.loads(GOOD) | {"type": "survey.translated"})
NEXT_MAJOR = orjson.dumps(orjson.loads(GOOD) | {"dataversion": "2.0"})


def records(*values: bytes, partition: int = 0) -> list[Record]:
    where = Partition(FEEDBACK, partition)
    return [Record(where, offset, "route", value, NOON) for offset, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "received", "rejected", "halted_at"),
    [
        pytest.param([], [], [], None, id="nothing"),
        pytest.param([GOOD, GOOD], [0, 1], [], None, id="all is handled"),
        pytest.param([GOOD, BAD, GOOD], [0, 2], [1], None, id="a bad one costs no neighbour"),
        pytest.param([GOOD, NEWER, GOOD], [0], [], 1, id="an unknown type stops what follows"),
        pytest.param([GOOD, NEXT_MAJOR, BAD], [0], [], 1, id="so does a new major version"),
        pytest.param([BAD, NEWER, NEWER], [], [0], 1, id="the first unknown one is the halt"),
    ],
)
def test_each_record_has_one_fate(
    values: list[bytes], received: list[int], rejected: list[int], halted_at: int | None
) -> None:
    """Handled, refused, or left behind a halt; in the order of the partition."""
    fates = split(records(*values), {}, NOON, GRACE)

    assert [item.record.offset for item in fates.received] == received
    assert [item.record.offset for item in fates.rejected] == rejected
    assert [halt.offset for halt in fates.halts.values()] == (
        [] if halted_at is None else [halted_at]
    )
    assert all(halt.until == NOON + GRACE for halt in fates.halts.values())


def test_what_is_not_wanted_is_passed_over_unread() -> None:
    """Also what nobody could read; but nothing behind a halt, or it would be skipped for good."""
    fates = split(
        records(BAD, GOOD, b"\xff", NEWER, BAD),
        {},
        NOON,
        GRACE,
        lambda value: b"survey" in value,
    )

    assert [record.offset for record in fates.passed] == [0, 2]
    assert [item.record.offset for item in fates.received] == [1]
    assert (fates.rejected, [halt.offset for halt in fates.halts.values()]) == ((), [3])


def test_a_halt_stops_its_own_partition_only() -> None:
    """The other partitions go on."""
    fates = split([*records(NEWER, GOOD), *records(GOOD, partition=1)], {}, NOON, GRACE)

    assert list(fates.halts) == [Partition(FEEDBACK, 0)]
    assert [item.record.partition.number for item in fates.received] == [1]


@pytest.mark.parametrize(
    ("after", "halted"),
    [
        pytest.param(timedelta(0), True, id="at once"),
        pytest.param(GRACE - timedelta(microseconds=1), True, id="just before the end"),
        pytest.param(GRACE, False, id="the grace is over"),
    ],
)
def test_the_grace_counts_from_the_first_sight(after: timedelta, halted: bool) -> None:
    """Once it is over, the record is refused and what follows is handled."""
    first = split(records(NEWER), {}, NOON, GRACE)

    fates = split(records(NEWER, GOOD), first.sightings, NOON + after, GRACE)

    assert bool(fates.halts) is halted
    assert [item.record.offset for item in fates.rejected] == ([] if halted else [0])
    assert [item.record.offset for item in fates.received] == ([] if halted else [1])


def test_the_grace_is_per_kind_not_per_record() -> None:
    """A thousand records of one unknown kind cost one grace; another kind has its own."""
    first = split(records(NEWER), {}, NOON, GRACE)

    fates = split(records(NEWER, NEWER, NEXT_MAJOR), first.sightings, NOON + GRACE, GRACE)

    assert [item.record.offset for item in fates.rejected] == [0, 1]
    assert {p: (h.offset, h.until) for p, h in fates.halts.items()} == {
        Partition(FEEDBACK, 0): (2, NOON + 2 * GRACE)
    }


def test_sightings_stay_bounded() -> None:
    """Invented types cannot fill the memory."""
    sightings = {f"invented.{n} 1": NOON + timedelta(seconds=n) for n in range(150)}

    fates = split(records(NEWER), sightings, NOON + timedelta(hours=1), GRACE)

    assert len(fates.sightings) == 100
    assert "survey.translated 1" in fates.sightings
    assert "invented.0 1" not in fates.sightings


def test_offsets_to_commit_and_to_rewind_to() -> None:
    """One past the last, and the first, for each partition."""
    batch = [*records(GOOD, GOOD, GOOD), *records(GOOD, partition=1)]

    assert next_offsets(batch) == {Partition(FEEDBACK, 0): 3, Partition(FEEDBACK, 1): 1}
    assert first_offsets(batch[1:]) == {Partition(FEEDBACK, 0): 1, Partition(FEEDBACK, 1): 0}
    assert next_offsets([]) == first_offsets([]) == {}
