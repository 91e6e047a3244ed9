"""Which pushes share a request, and what their answers say of the target."""

from datetime import timedelta

import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.lanes.batches import MOST_ROWS, grouped, most_rows, said_of_target, size

OK = Verdict("ok", "HTTP 200")
RETRY = Verdict("retry", "HTTP 503")
WRONG = Verdict("disable_target", "HTTP 401")
REJECT = Verdict("reject", "bad")


def slow(seconds: int | None) -> Verdict:
    """A throttle that named a time, or did not."""
    return Verdict("throttle", "HTTP 429", None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("attempts", "batch", "calls", "groups"),
    [
        pytest.param([], 10, 4, [], id="nothing"),
        pytest.param([1], 10, 4, [1], id="one"),
        pytest.param([1] * 10, 10, 4, [10], id="full"),
        pytest.param([1] * 11, 10, 4, [10, 1], id="one-more"),
        pytest.param([1] * 11, 10, 1, [10], id="no-more-calls"),
        pytest.param([1] * 3, 1, 4, [1, 1, 1], id="no-batches"),
        pytest.param([1, 2, 1], 10, 4, [3], id="a-second-attempt-is-as-the-first"),
        pytest.param([3] * 6, 10, 4, [5, 1], id="a-third-is-halved"),
        pytest.param([1, 1, 9, 9], 10, 4, [1, 1, 2], id="alone-in-the-end-and-first"),
        pytest.param([1] * 9 + [4], 10, 4, [2, 8], id="a-small-group-is-filled"),
    ],
)
def test_groups(attempts: list[int], batch: int, calls: int, groups: list[int]) -> None:
    """As few requests as it takes, never more than asked for."""
    found = grouped([(attempt, place) for place, attempt in enumerate(attempts)], batch, calls)
    assert [len(group) for group in found] == groups


def test_a_group_keeps_the_order_of_its_due_times() -> None:
    """Who was due first is in the first group."""
    assert grouped([(1, place) for place in range(5)], 2, 2) == ((0, 1), (2, 3))


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [(1, 75), (2, 75), (3, 37), (4, 18), (5, 9), (6, 4), (7, 2), (8, 1), (50, 1)],
)
def test_a_push_that_fails_on_shares_with_fewer(attempt: int, expected: int) -> None:
    """Alone after seven attempts at most."""
    assert size(75, attempt) == expected


@pytest.mark.parametrize(
    ("calls", "batch", "rows"),
    [(4, 1, 4), (4, 100, 400), (256, 1000, MOST_ROWS), (3000, 1, 3000)],
)
def test_a_claim_takes_what_its_calls_hold(calls: int, batch: int, rows: int) -> None:
    """Bounded, so that its transaction stays short."""
    assert most_rows(calls, batch) == rows


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        pytest.param([OK, OK], OK, id="works"),
        pytest.param([RETRY, OK, REJECT], OK, id="one-was-taken"),
        pytest.param([RETRY, REJECT], REJECT, id="an-answer-is-life"),
        pytest.param([RETRY, RETRY], RETRY, id="all-failed"),
        pytest.param([OK, slow(None), slow(30), slow(5)], slow(30), id="the-longest-wait"),
        pytest.param([OK, slow(30), WRONG], WRONG, id="credentials-first"),
    ],
)
def test_what_is_said_of_the_target(verdicts: list[Verdict], said: Verdict) -> None:
    """What holds for all comes before what holds for one."""
    assert said_of_target(verdicts) == said
