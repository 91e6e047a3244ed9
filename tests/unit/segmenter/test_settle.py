"""The window of an answer: who waits, until when, and what is told in the end."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.segmenter.decide.decide import Due, decide
from services.segmenter.decide.moments import ahead, stands
from services.segmenter.decide.settle import settled, subject, waiting
from services.segmenter.policy.settle import Settle
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import TimerDue
from tests.builders.facts import NOON, answered, day, fact, rulebook, shipped_policy

SHE = ids.name_id("she")
POLICY = shipped_policy().value


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def part(revision: int, at: float, score: int | None = None, comment: str | None = None) -> Event:
    """One message of an answer that is not called complete, received so many minutes later."""
    said: dict[str, Any] = {} if comment is None else {"comment": comment}
    return answered("r1", score, complete=False, revision=revision, received=minutes(at), **said)


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


@pytest.mark.parametrize(
    ("told", "due"),
    [
        pytest.param([part(1, 0, 3)], 5, id="five minutes after the only message"),
        pytest.param([part(1, 0, 3), part(2, 4)], 9, id="the window starts anew with a message"),
        pytest.param([part(2, 4), part(1, 0, 3)], 9, id="in whatever order they are told"),
        pytest.param([part(1, 0, 3), part(2, 58)], 60, id="an hour after the first at most"),
        pytest.param([part(1, 0, 3), part(2, 60)], None, id="at the hour it is final at once"),
        pytest.param([part(1, 0, 3), part(2, 61)], None, id="and after it"),
        pytest.param([part(1, 0, None)], None, id="no score, nothing to react to"),
        pytest.param([part(1, 0, 3), answered("r1", 3, revision=2)], None, id="completed"),
        pytest.param([answered("r1", 3, complete=False, history=True)], None, id="imported"),
        pytest.param(
            [part(1, 0, 3), answered("r2", 9, at=day(1))], None, id="a newer answer is known"
        ),
        pytest.param([answered("r1", 3, complete=False, metric="csat")], None, id="another metric"),
    ],
)
def test_an_answer_waits_for_its_window(told: list[Event], due: float | None) -> None:
    """Counted from the newest message, an hour from the first at most; only where it matters."""
    found = waiting(profile(*told), POLICY)
    assert (found and found[1]) == (None if due is None else minutes(due))


def test_a_window_of_nothing_waits_for_nobody() -> None:
    """With 0 minutes every answer is final at once."""
    policy = POLICY.model_copy(update={"settle": Settle(minutes=0)})
    she = profile(part(1, 0, 3))
    assert settled(she.scored[0], policy)
    assert waiting(she, policy) is None


def test_the_window_s_end_tells_the_final_state_once_for_all_messages() -> None:
    """One cause with the answer's own, for customers only; a move as the answer's."""
    she = profile(answered("r0", 9, at=day(-200)), part(1, 0, 2), part(2, 3, 5, "Trop cher"))
    ((_, name),) = [key for key in ahead(she, POLICY, minutes(3)) if key[0] == "settle"]
    assert name == subject(she.scored[-1])
    data = TimerDue(kind="settle", customer_id=SHE, subject=name, arm=2, due_at=minutes(8))
    assert stands(she, POLICY, data)
    due = Due(ids.timer_event("settle", SHE, name, 2), data)
    found = decide(she, she, due, rulebook(), minutes(8), customer_id=SHE, version=3)
    assert (found.cause.kind, found.cause.triggers) == ("response", ("settled",))
    assert found.cause.id == ids.response_cause("demo", "nps", "r1")
    assert (found.snapshot.score, found.snapshot.comment) == (5, "Trop cher")
    assert found.move is not None
    assert (found.move.kind, found.move.before) == ("down", "promoter")


def test_what_changed_meanwhile_no_longer_stands() -> None:
    """A window that moved, an answer completed or overtaken: the older ring is stale."""
    name = subject(profile(part(1, 0, 2)).scored[-1])
    data = TimerDue(kind="settle", customer_id=SHE, subject=name, arm=1, due_at=minutes(5))
    assert stands(profile(part(1, 0, 2)), POLICY, data)
    assert not stands(profile(part(1, 0, 2), part(2, 4)), POLICY, data)
    assert not stands(profile(part(1, 0, 2), answered("r1", 2, revision=2)), POLICY, data)
    assert not stands(profile(part(1, 0, 2), answered("r2", 9, at=day(1))), POLICY, data)
