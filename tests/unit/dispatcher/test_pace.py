"""How many calls a lane claims ahead of its slots."""

import pytest

from services.dispatcher.lanes.pace import Pace


@pytest.mark.parametrize(
    ("claim_s", "call_s", "slots", "ahead"),
    [
        pytest.param(0.010, 0.200, 64, 6, id="two claims long, of a call's length"),
        pytest.param(0.010, 5.0, 64, 0, id="of slow calls next to nothing waits"),
        pytest.param(0.010, 0.001, 64, 32, id="half of the slots at most"),
        pytest.param(0.010, 0.0, 64, 32, id="calls that take no time at all"),
        pytest.param(0.010, 0.001, 1, 0, id="one slot: one after another"),
    ],
)
def test_as_many_are_claimed_ahead_as_slots_would_wait(
    claim_s: float, call_s: float, slots: int, ahead: int
) -> None:
    """A claim and the one under way, measured in calls."""
    pace = Pace()
    pace.claimed(claim_s)
    pace.called(call_s)
    assert pace.ahead(slots) == ahead


def test_nothing_is_claimed_ahead_before_something_is_known() -> None:
    """Neither of claims alone nor of calls alone."""
    pace = Pace()
    assert pace.ahead(64) == 0
    pace.claimed(0.01)
    assert pace.ahead(64) == 0


def test_what_was_long_ago_is_forgotten() -> None:
    """A target that was slow once is not slow for ever."""
    pace = Pace()
    pace.claimed(0.01)
    pace.called(20.0)
    for _ in range(60):
        pace.called(0.2)
    assert pace.ahead(64) == 6
