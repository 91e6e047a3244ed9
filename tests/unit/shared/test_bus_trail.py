"""Since when the oldest uncommitted record waits, told from what was polled and committed."""

from datetime import UTC, datetime, timedelta

from shared.bus.trail import Trail

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHERE = "feedback/0"


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def polled(*offsets: int) -> list[tuple[int, datetime]]:
    """Records that were appended one a minute."""
    return [(offset, at(offset)) for offset in offsets]


def test_nothing_waits_where_everything_is_committed() -> None:
    """Also on a partition that never had a record."""
    trail = Trail()
    assert trail.waiting_since(WHERE, 0, 0, at(60)) is None

    trail.polled(WHERE, polled(0, 1))
    trail.committed(WHERE, 2)

    assert trail.waiting_since(WHERE, 0, 2, at(60)) is None


def test_the_oldest_uncommitted_record_counts() -> None:
    """Its own time, not the time of asking."""
    trail = Trail()
    trail.polled(WHERE, polled(0, 1, 2))
    assert trail.waiting_since(WHERE, 0, 3, at(60)) == at(0)

    trail.committed(WHERE, 2)

    assert trail.waiting_since(WHERE, 0, 3, at(60)) == at(2)


def test_records_polled_again_after_a_rewind_keep_their_time() -> None:
    """A retry in place does not make a record look younger, nor count it twice."""
    trail = Trail()
    trail.polled(WHERE, polled(0, 1, 2))
    trail.polled(WHERE, polled(1, 2, 3))
    trail.committed(WHERE, 3)

    assert trail.waiting_since(WHERE, 0, 4, at(60)) == at(3)


def test_what_was_never_polled_counts_from_when_it_was_noticed() -> None:
    """And starts anew once the group has moved on."""
    trail = Trail()
    assert trail.waiting_since(WHERE, 0, 5, at(60)) == at(60)
    assert trail.waiting_since(WHERE, 0, 7, at(61)) == at(60)

    trail.committed(WHERE, 3)

    assert trail.waiting_since(WHERE, 0, 7, at(62)) == at(62)
    trail.committed(WHERE, 7)
    assert trail.waiting_since(WHERE, 0, 7, at(63)) is None
    assert trail.waiting_since(WHERE, 0, 8, at(64)) == at(64)


def test_records_that_retention_deleted_do_not_wait() -> None:
    """A group that slept for longer than the retention is not stale for ever."""
    trail = Trail()
    trail.commits[WHERE] = 3

    assert trail.waiting_since(WHERE, 9, 9, at(60)) is None
