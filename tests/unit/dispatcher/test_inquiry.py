"""When a platform is asked again what became of a message."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.dispatcher.calls.calls import Heard, Outcome, Verdict
from services.dispatcher.status.inquiry import ORDER, OVER, PAUSES, judge_inquiry, pause_after, rank
from services.dispatcher.status.questions import quiet_until
from shared.events.outcomes import MessageState

NOW = datetime(2026, 3, 12, 9, 0, tzinfo=UTC)
ONE = UUID(int=1)


def heard(outcome: Outcome = "ok", message: MessageState | None = None, **more: object) -> Heard:
    """Make an answer."""
    wait = more.get("wait")
    assert wait is None or isinstance(wait, timedelta)
    return Heard(Verdict(outcome, "HTTP 200", wait), message, last=bool(more.get("last")))


def test_pauses_widen_and_are_spread() -> None:
    """What was sent together is not asked together, and the same question has the same pause."""
    pauses = [pause_after(ONE, asked) for asked in range(9)]
    assert all(0.8 * base <= p <= 1.2 * base for base, p in zip(PAUSES, pauses, strict=False))
    assert len({pause_after(UUID(int=n), 1) for n in range(50)}) > 40
    assert pauses == [pause_after(ONE, asked) for asked in range(9)]


def test_three_days_are_few_questions() -> None:
    """Asked from the sending on until it is over, by the pauses alone."""
    at, until, asked = NOW + pause_after(ONE, 0), NOW + OVER, 0
    while True:
        asked += 1
        after = judge_inquiry(ONE, heard(), asked=asked, until=until, now=at)
        if after.due is None:
            break
        at = after.due
    assert at == until
    assert 8 <= asked <= 11


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        pytest.param(heard(), True, id="nothing-yet"),
        pytest.param(heard(message="delivered"), True, id="more-may-come"),
        pytest.param(heard(message="bounced", last=True), False, id="the-last-word"),
        pytest.param(heard("retry"), True, id="no-answer"),
        pytest.param(heard("throttle"), True, id="too-fast"),
        pytest.param(heard("disable_target"), True, id="not-allowed-now"),
        pytest.param(heard("reject"), False, id="never-understood"),
        pytest.param(heard("park"), False, id="a-person-must-look"),
    ],
)
def test_it_is_asked_again_while_an_answer_may_come(answer: Heard, again: bool) -> None:
    """What cannot be asked is not asked for three days."""
    after = judge_inquiry(ONE, answer, asked=1, until=NOW + OVER, now=NOW)
    assert (after.due is not None) is again
    assert after.due is None or after.due > NOW


def test_a_wait_that_the_platform_names_is_kept() -> None:
    """Never sooner than it said, and not after the end."""
    slow = heard("throttle", wait=timedelta(hours=5))
    after = judge_inquiry(ONE, slow, asked=1, until=NOW + OVER, now=NOW)
    assert after.due == NOW + timedelta(hours=5)
    end = NOW + timedelta(hours=1)
    assert judge_inquiry(ONE, slow, asked=1, until=end, now=NOW).due == end


@pytest.mark.parametrize(
    ("verdict", "minutes"),
    [
        pytest.param(Verdict("ok", ""), None, id="answered"),
        pytest.param(Verdict("retry", ""), None, id="each-for-itself"),
        pytest.param(Verdict("throttle", ""), 1, id="too-fast"),
        pytest.param(Verdict("throttle", "", timedelta(minutes=50)), 50, id="it-said-when"),
        pytest.param(Verdict("disable_target", ""), 30, id="not-allowed"),
    ],
)
def test_some_answers_hold_for_all_questions(verdict: Verdict, minutes: int | None) -> None:
    """A refusal to look says nothing of sending."""
    expected = None if minutes is None else NOW + timedelta(minutes=minutes)
    assert quiet_until(verdict, NOW) == expected


def test_what_she_saw_is_stronger_than_a_failure() -> None:
    """A platform tries again by itself; a refusal stands above all."""
    assert sorted(ORDER, key=rank) == list(ORDER)
    assert rank("failed") < rank("delivered") < rank("opened") < rank("unsubscribed")
