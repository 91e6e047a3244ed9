"""How much one source may send: a bucket of tokens, as tables of steps."""

import pytest

from services.ingest.receive.rates import Bucket


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([0, 0, 0], [0, 0, 0.5], id="a burst of two, then half a second"),
        pytest.param([0, 0, 0.5], [0, 0, 0], id="a token comes back in time"),
        pytest.param([0, 0, 0.25], [0, 0, 0.25], id="half of one does not do"),
        pytest.param([0, 0, 60, 60, 60], [0, 0, 0, 0, 0.5], id="a rest saves up the burst only"),
        pytest.param([0, 0, 0, 0, 0.5], [0, 0, 0.5, 0.5, 0], id="what was refused costs nothing"),
        pytest.param([9e6, 9e6], [0, 0], id="the clock may begin anywhere"),
        pytest.param([10, 0], [0, 0], id="one that began long ago is not refused for it"),
        pytest.param([10, 0, 10], [0, 0, 0.5], id="nor does it gain anything for the next"),
    ],
)
def test_a_bucket_lets_through_its_burst_and_then_its_rate(
    steps: list[float], expected: list[float]
) -> None:
    """Two at once, two a second: 0 lets through, else the seconds to wait."""
    bucket = Bucket(per_second=2, burst=2)
    assert [bucket.take(now) for now in steps] == expected


def test_a_batch_counts_as_the_messages_it_holds() -> None:
    """It is taken whole; what it held beyond the burst is waited for afterwards."""
    bucket = Bucket(per_second=2, burst=2)
    assert bucket.take(0) == 0
    bucket.owe(5)
    assert bucket.take(0) == 2.5
    assert bucket.take(2.5) == 0
    assert bucket.take(2.5) == 0.5
