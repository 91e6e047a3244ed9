"""How long a lane rests after a round that brought nothing."""

from datetime import timedelta

import pytest

from services.dispatcher.lanes.lane import rest_after
from services.dispatcher.ledger.desk import Claim
from tests.builders.decisions import NOW


@pytest.mark.parametrize(
    ("claim", "seconds"),
    [
        pytest.param(Claim(), 1.0, id="nothing-there-is-asked-once-a-second"),
        pytest.param(Claim(left=True), 0.2, id="what-was-left-comes-soon"),
        pytest.param(Claim(next_due=NOW + timedelta(hours=1)), 1.0, id="due-later-than-the-poll"),
        pytest.param(Claim(next_due=NOW + timedelta(milliseconds=300)), 0.3, id="due-is-slept-to"),
        pytest.param(Claim(next_due=NOW - timedelta(seconds=1)), 0.0, id="due-by-now"),
    ],
)
def test_an_idle_lane_rests_until_something_can_be_there(claim: Claim, seconds: float) -> None:
    """Its own process wakes it; by itself it looks for what others inserted, and at due times."""
    assert rest_after(claim, NOW) == pytest.approx(seconds)
