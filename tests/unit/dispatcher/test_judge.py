"""What each answer makes of a delivery or a profile push."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher.calls.calls import Idempotency, Outcome, Verdict
from services.dispatcher.calls.judge import JITTER, WAITS, judge, judge_push, wait_after
from services.dispatcher.delivery import Delivery, OnUnknown
from tests.builders.decisions import NOW, later
from tests.builders.deliveries import delivery

KEYED, UNKEYED = Idempotency("key"), Idempotency("none")
SHORT = Idempotency("key", timedelta(minutes=1))


def sent(attempt: int = 1, **changes: Any) -> Delivery:
    """A delivery whose call has just ended."""
    return replace(
        delivery(state="sending", due=None, attempts=attempt, attempted_at=NOW), **changes
    )


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        pytest.param("ok", "accepted", id="ok"),
        pytest.param("accepted", "accepted", id="accepted"),
        pytest.param("suppressed", "suppressed", id="platform-says-no-consent"),
        pytest.param("park", "parked", id="a-person-must-look"),
        pytest.param("reject", "rejected", id="never-possible"),
        pytest.param("retry", "waiting", id="nothing-happened"),
        pytest.param("throttle", "waiting", id="slow-down"),
        pytest.param("disable_target", "waiting", id="account-wrong"),
    ],
)
def test_an_outcome_gives_a_state(outcome: Outcome, state: str) -> None:
    """The closed vocabulary of outcomes, whatever the target's idempotency."""
    for idempotency in (KEYED, UNKEYED):
        after = judge(sent(), Verdict(outcome, "said so"), idempotency, NOW)
        assert (after.state, after.reason) == (state, "said so")
        assert (after.due is not None) == (state == "waiting")


@pytest.mark.parametrize(
    ("idempotency", "on_unknown", "state"),
    [
        pytest.param(KEYED, "hold", "waiting", id="keyed-for-ever-is-repeated"),
        pytest.param(SHORT, "hold", "waiting", id="keyed-and-remembered-is-repeated"),
        pytest.param(
            Idempotency("key", timedelta(seconds=2)), "hold", "in_doubt", id="forgotten-by-then"
        ),
        pytest.param(UNKEYED, "hold", "in_doubt", id="unkeyed-for-a-customer"),
        pytest.param(UNKEYED, "retry", "waiting", id="unkeyed-for-an-alert"),
    ],
)
def test_no_answer_is_repeated_only_where_that_is_harmless(
    idempotency: Idempotency, on_unknown: OnUnknown, state: str
) -> None:
    """Keyed and remembered, or declared harmless: due again. Else a doubt."""
    after = judge(sent(on_unknown=on_unknown), Verdict("in_doubt", "reset"), idempotency, NOW)
    assert after.state == state
    assert after.unanswered_since == NOW


def test_a_look_waits_until_the_platform_could_show_it() -> None:
    """A look right after the call would find nothing, and do it twice."""
    looks = Idempotency("look", shows=timedelta(minutes=5))
    after = judge(sent(), Verdict("in_doubt", "reset"), looks, NOW)
    assert (after.state, after.due) == ("waiting", NOW + timedelta(minutes=5))
    never_left = judge(sent(), Verdict("retry", "no connection"), looks, NOW)
    assert never_left.due is not None
    assert never_left.due < NOW + timedelta(minutes=1)


def test_a_doubt_outlives_a_later_answer_that_nothing_happened() -> None:
    """503 to the repeat says nothing about the first call: once the key is forgotten, a doubt."""
    unanswered = sent(2, unanswered_since=later(minutes=-1))
    assert judge(unanswered, Verdict("retry", "503"), SHORT, NOW).state == "in_doubt"
    assert judge(unanswered, Verdict("retry", "503"), KEYED, NOW).state == "waiting"


@pytest.mark.parametrize("outcome", ["reject", "suppressed"])
def test_what_a_later_call_is_refused_an_earlier_one_may_have_done(outcome: Outcome) -> None:
    """Unanswered, then refused: she may have been written to, so the slot is kept."""
    held = sent(2, unanswered_since=later(minutes=-1))
    internal = replace(held, on_unknown="retry")

    assert judge(held, Verdict(outcome, "HTTP 404"), KEYED, NOW).state == "in_doubt"
    assert judge(sent(2), Verdict(outcome, "HTTP 404"), KEYED, NOW).state != "in_doubt"
    assert judge(internal, Verdict(outcome, "HTTP 404"), KEYED, NOW).state != "in_doubt"


def test_an_answer_at_last_ends_the_doubt() -> None:
    """The repeat was accepted under its key."""
    after = judge(sent(2, unanswered_since=later(minutes=-1)), Verdict("ok", "200"), KEYED, NOW)
    assert (after.state, after.unanswered_since) == ("accepted", None)


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(1, 5), (2, 30), (3, 300), (4, 1800), (5, 7200), (6, 18000), (7, 36000), (8, 36000)],
)
def test_waits_grow_and_are_spread(attempt: int, seconds: int) -> None:
    """Each attempt waits its turn, spread by a fifth to both sides, the same when asked again."""
    waits = {wait_after(uuid.uuid5(uuid.NAMESPACE_OID, str(n)), attempt) for n in range(200)}
    base = timedelta(seconds=seconds)
    assert all(base * (1 - JITTER) <= wait <= base * (1 + JITTER) for wait in waits)
    assert len(waits) > 150
    assert wait_after(uuid.UUID(int=1), attempt) == wait_after(uuid.UUID(int=1), attempt)
    assert len(WAITS) == 7


def test_the_platforms_own_wait_wins() -> None:
    """`Retry-After` is obeyed to the second."""
    after = judge(sent(), Verdict("throttle", "429", wait=timedelta(seconds=77)), KEYED, NOW)
    assert (after.due, after.until) == (later(seconds=77), later(seconds=77))


@pytest.mark.parametrize(
    ("outcome", "on_unknown", "state"),
    [
        pytest.param("retry", "hold", "expired", id="nothing-happened-expires"),
        pytest.param("in_doubt", "hold", "in_doubt", id="a-doubt-stays-one"),
        pytest.param("in_doubt", "retry", "expired", id="an-alert-expires"),
    ],
)
def test_the_deadline_ends_the_tries(outcome: Outcome, on_unknown: OnUnknown, state: str) -> None:
    """No next try would come before the deadline."""
    last = sent(deadline=later(seconds=2), on_unknown=on_unknown)
    after = judge(last, Verdict(outcome, "503"), KEYED, NOW)
    assert (after.state, after.due) == (state, None)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        pytest.param("ok", "reached", id="ok"),
        pytest.param("accepted", "reached", id="accepted"),
        pytest.param("retry", "due", id="nothing-happened"),
        pytest.param("in_doubt", "due", id="no-answer-is-repeated"),
        pytest.param("throttle", "due", id="slow-down"),
        pytest.param("disable_target", "due", id="account-wrong"),
        pytest.param("suppressed", "rejected", id="platform-refuses"),
        pytest.param("reject", "rejected", id="never-possible"),
        pytest.param("park", "parked", id="a-person-must-look"),
    ],
)
def test_a_profile_push_is_repeated_until_it_is_reached_or_refused(
    outcome: Outcome, state: str
) -> None:
    """Repeating a push is harmless, so there is no doubt about it."""
    after = judge_push(uuid.UUID(int=1), Verdict(outcome, "said so"), 1, NOW)
    assert after.state == state
    assert (after.due > NOW) == (state == "due")
