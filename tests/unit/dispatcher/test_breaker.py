"""The breaker as a table: what counts, when it opens, what a person is told."""

from datetime import UTC, datetime

import pytest

from services.dispatcher.brakes.breaker import (
    BreakerRule,
    Tally,
    failed,
    level,
    opens,
    span_of,
    tally,
)
from services.dispatcher.calls.calls import Outcome

RULE = BreakerRule()


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        pytest.param("ok", False, id="ok"),
        pytest.param("accepted", False, id="accepted"),
        pytest.param("suppressed", False, id="suppressed-is-an-answer"),
        pytest.param("reject", False, id="a-rejection-is-an-answer"),
        pytest.param("park", False, id="park-is-an-answer"),
        pytest.param("retry", True, id="retry"),
        pytest.param("in_doubt", True, id="no-answer"),
        pytest.param("disable_target", True, id="account-refused"),
        pytest.param("throttle", None, id="slow-down-is-neither"),
        pytest.param(None, None, id="nothing-was-called"),
    ],
)
def test_what_counts_as_failed(outcome: Outcome | None, counts: bool | None) -> None:
    """A platform that says no lives; one that says nothing, or an error, fails."""
    assert failed(outcome) is counts


def test_calls_are_counted_without_those_that_say_nothing() -> None:
    """Slowdowns and calls that never began dilute no share."""
    assert tally(["ok", "retry", "throttle", None, "in_doubt"]) == Tally(3, 2)


@pytest.mark.parametrize(
    ("calls", "failures", "is_open", "opened", "reached"),
    [
        pytest.param(0, 0, False, False, 0, id="nothing-called"),
        pytest.param(9, 9, False, False, 0, id="nine-say-nothing"),
        pytest.param(10, 4, False, False, 0, id="below-half"),
        pytest.param(10, 5, False, False, 50, id="half"),
        pytest.param(100, 69, False, False, 50, id="just-below"),
        pytest.param(10, 7, False, True, 70, id="seventy"),
        pytest.param(10, 9, False, True, 90, id="ninety"),
        pytest.param(200, 199, False, True, 90, id="one-still-works"),
        pytest.param(10, 10, False, True, 100, id="all"),
        pytest.param(3, 3, True, False, 100, id="open-with-probes-only"),
        pytest.param(0, 0, True, False, 70, id="open-and-nothing-called"),
    ],
)
def test_when_it_opens_and_what_is_told(
    calls: int, failures: int, is_open: bool, opened: bool, reached: int
) -> None:
    """70 % of at least ten; told at 50, 70, 90 and 100 %."""
    found = Tally(calls, failures)
    assert opens(RULE, found) is opened
    assert level(RULE, found, is_open=is_open) == reached


def test_spans_are_the_same_for_all_replicas() -> None:
    """They begin at full ten seconds, whoever counts first."""
    at = datetime(2026, 3, 12, 9, 0, 17, 500_000, tzinfo=UTC)
    assert span_of(at) == datetime(2026, 3, 12, 9, 0, 10, tzinfo=UTC)
