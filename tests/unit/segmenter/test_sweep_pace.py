"""The sweep gives way to events that wait, and takes its share again when none does."""

import asyncio
from datetime import timedelta

import pytest

from services.segmenter.sweep.pace import Backlog, rest_s
from services.segmenter.sweep.sweeper import lie_still
from tests.builders.facts import NOON

MOST = 100


SOON = timedelta(seconds=0.1)


@pytest.mark.parametrize(
    ("events", "waited", "waits"),
    [
        pytest.param(1, SOON, False, id="one event, handled as it came"),
        pytest.param(MOST, SOON, True, id="a full batch: more are behind it"),
        pytest.param(MOST - 1, SOON, False, id="nearly full"),
        pytest.param(1, timedelta(seconds=2.1), True, id="its oldest event waited long"),
    ],
)
def test_events_wait_when_a_batch_was_full_or_late(
    events: int, waited: timedelta, waits: bool
) -> None:
    """The newest batch tells whether events wait."""
    backlog = Backlog(MOST)
    backlog.batch(events, NOON - waited, NOON)
    assert backlog.waits(NOON) is waits


def test_nothing_waits_before_the_first_batch_nor_after_a_small_one() -> None:
    """A process that starts is not busy, and neither is one that has caught up."""
    backlog = Backlog(MOST)
    assert not backlog.waits(NOON)
    backlog.batch(MOST, NOON - SOON, NOON)
    backlog.batch(3, NOON - SOON, NOON)
    assert not backlog.waits(NOON)


def test_a_full_batch_is_forgotten_when_none_follows() -> None:
    """A backlog that ended with a full batch holds the sweep up for seconds, not for ever."""
    backlog = Backlog(MOST)
    backlog.batch(MOST, NOON - SOON, NOON)
    assert backlog.waits(NOON + timedelta(seconds=4))
    assert not backlog.waits(NOON + timedelta(seconds=5))


@pytest.mark.parametrize(
    ("idle", "busy", "rest"),
    [
        pytest.param(False, False, 1.2, id="a quarter of a core"),
        pytest.param(False, True, 7.6, id="a twentieth while events wait"),
        pytest.param(True, False, 2.0, id="nobody changed: it looks every two seconds"),
        pytest.param(True, True, 7.6, id="a round that ended while events wait"),
    ],
)
def test_a_step_is_paid_for_with_rest(idle: bool, busy: bool, rest: float) -> None:
    """After a step of 0.4 s the sweep rests by whether anything is to be read, and events wait."""
    assert rest_s(0.4, idle=idle, busy=busy) == pytest.approx(rest)


async def rests(due_s: list[float]) -> list[float]:
    """The pauses of one rest, if each time it looks it is due so long; the last stays."""
    waited: list[float] = []

    async def wait(_stopping: asyncio.Event, seconds: float) -> None:
        waited.append(seconds)

    await lie_still(lambda: due_s.pop(0) if len(due_s) > 1 else due_s[0], asyncio.Event(), wait)
    return waited


async def test_a_rest_ends_early_once_no_event_waits() -> None:
    """A long rest is cut to the short one when the backlog is worked off meanwhile."""
    assert await rests([7.6]) == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.6])
    assert await rests([7.6, 7.6, 1.2]) == [1, 1]
    assert await rests([7.6, 1.2]) == pytest.approx([1, 0.2])
