"""Moves that no answer brings, and how long a segment has lasted."""

from datetime import timedelta

import pytest

from services.segmenter.decide.aging import churns_at
from services.segmenter.decide.decide import Due, decide
from services.segmenter.decide.moments import ahead, stands
from services.segmenter.policy.moves import Moves
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.segments import churned, lapses_at, streak
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.decisions import Move
from shared.events.envelope import Event
from shared.events.feedback import TimerDue
from tests.builders.facts import answered, completed, day, fact, rulebook, shipped_policy, updated

SHE = ids.name_id("she")
POLICY = shipped_policy().value


def ordered(at: float) -> Event:
    """Her CRM tells of an order."""
    return updated(at=day(at), attributes={"last_order_at": day(at).isoformat()})


def says(lifecycle: str, at: float = 1) -> Event:
    """Her CRM tells what she is."""
    return updated(at=day(at), attributes={"lifecycle": lifecycle})


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        pytest.param([], 0, id="nobody"),
        pytest.param([9], 1, id="the first"),
        pytest.param([3, 9, 10, 9], 3, id="since she became a promoter"),
        pytest.param([9, 9, 3], 1, id="just fallen"),
    ],
)
def test_a_streak_counts_the_newest_answers_in_the_present_segment(
    scores: list[int], count: int
) -> None:
    """It ends where the segment was another."""
    told = [answered(f"r{n}", score, at=day(n)) for n, score in enumerate(scores)]
    assert streak(profile(*told).scored, POLICY) == count


def never(policy: Policy) -> Policy:
    return policy.model_copy(update={"moves": Moves(lapsed_after_days=0)})


def test_who_has_not_answered_for_a_year_has_lapsed() -> None:
    """A newer answer moves the day; without an answer, or by policy, there is none."""
    assert lapses_at(profile(answered("r1", 9), answered("r2", 3, at=day(30))), POLICY) == day(395)
    assert lapses_at(profile(updated()), POLICY) is None
    assert lapses_at(profile(answered("r1", 9)), never(POLICY)) is None


def lapse(due_day: float = 365) -> Due:
    data = TimerDue(kind="lapse", customer_id=SHE, arm=1, due_at=day(due_day))
    return Due(ids.timer_event("lapse", SHE, "", 1), data)


def test_a_lapse_is_a_move_within_the_segment_by_time_itself() -> None:
    """Its cause is the silence after that very answer, whoever holds the timer by then."""
    she = profile(answered("r1", 9))
    found = decide(she, she, lapse(), rulebook(), day(365), customer_id=SHE, version=2)
    assert found.move == Move(kind="lapsed", before="promoter", after="promoter")
    assert (found.cause.kind, found.cause.triggers) == ("timer", ("lapsed",))
    assert found.cause.deadline_from == day(365)
    merged = ids.name_id("the customer that she was merged into")
    again = decide(she, she, lapse(), rulebook(), day(366), customer_id=merged, version=9)
    assert again.cause.id == found.cause.id


def test_an_answer_meanwhile_makes_a_lapse_stale() -> None:
    """The ring of the older date no longer stands."""
    assert stands(profile(answered("r1", 9)), POLICY, lapse().data)
    newer = profile(answered("r1", 9), answered("r2", 9, at=day(300)))
    assert not stands(newer, POLICY, lapse().data)
    assert ahead(newer, POLICY, day(301))["lapse", ""] == day(665)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        pytest.param([answered("r1", 9), ordered(-700)], 30, id="a promoter"),
        pytest.param([answered("r1", 9), ordered(-700), ordered(-1)], 729, id="the last order"),
        pytest.param([answered("r1", 9), completed("purchase", at=day(-700))], 30, id="reported"),
        pytest.param([answered("r1", 7), ordered(-700)], None, id="a passive"),
        pytest.param(
            [answered("r1", 9), ordered(-700), answered("r2", 3, at=day(1))], None, id="one fallen"
        ),
        pytest.param([ordered(-700)], None, id="without an answer"),
        pytest.param([answered("r1", 9)], None, id="nothing known of orders"),
        pytest.param(
            [answered("r1", 9), ordered(-700), says("active")], None, id="declared otherwise"
        ),
        pytest.param([answered("r1", 9), ordered(-700), says("churned")], None, id="declared"),
        pytest.param([answered("r1", 9), ordered(-700), says("gone")], 30, id="a word unknown"),
    ],
)
def test_when_a_promoter_leaves_by_her_orders(told: list[Event], at: float | None) -> None:
    """It follows from the facts alone; what her own systems say of her wins."""
    due = None if at is None else day(at) + timedelta(microseconds=1)
    assert churns_at(profile(*told), POLICY) == due
    assert ahead(profile(*told), POLICY, day(2)).get(("churn", "")) == due


def left() -> Due:
    at = day(30) + timedelta(microseconds=1)
    data = TimerDue(kind="churn", customer_id=SHE, arm=1, due_at=at)
    return Due(ids.timer_event("churn", SHE, "", 1), data)


def test_a_promoter_who_orders_nothing_for_long_is_a_move_and_an_update() -> None:
    """Plays that look at an update which says so look at this; its age counts from the moment."""
    she = profile(answered("r1", 9), ordered(-700))
    found = decide(she, she, left(), rulebook(), day(31), customer_id=SHE, version=2)
    assert found.move == Move(kind="churned", before="promoter", after="promoter")
    assert (found.cause.kind, found.cause.triggers) == ("timer", ("updated",))
    assert found.cause.deadline_from == left().data.due_at
    assert found.snapshot.lifecycle == "churned"
    assert "time" in {line.rule for line in found.trace}
    assert stands(she, POLICY, left().data)
    assert ("lifecycle", "") not in ahead(she, POLICY, day(2)), "one timer for one moment"


@pytest.mark.parametrize(
    ("at", "same"),
    [
        pytest.param(31, True, id="after the date told it"),
        pytest.param(29, False, id="before it did"),
    ],
)
def test_that_she_left_is_one_cause_whoever_says_it(at: float, same: bool) -> None:
    """So that no play acts twice: not when her systems say so after the date did."""
    before = profile(answered("r1", 9), ordered(-700))
    told = decide(before, before, left(), rulebook(), day(30), customer_id=SHE, version=2)
    word = says("churned", at)
    after = profile(answered("r1", 9), ordered(-700), word)
    found = decide(before, after, fact(word), rulebook(), day(at), customer_id=SHE, version=3)
    assert (found.move and found.move.kind) == "churned"
    assert (found.cause.id == told.cause.id) == same
    assert ("churn", "") not in ahead(after, POLICY, day(at))


@pytest.mark.parametrize(
    ("score", "before", "said", "kind"),
    [
        pytest.param(9, None, "churned", "churned", id="a promoter leaves"),
        pytest.param(9, "churned", "churned", None, id="she had left before"),
        pytest.param(9, "active", " Churned ", "churned", id="as people type it"),
        pytest.param(9, "CHURNED", "churned", None, id="she had left, in capitals"),
        pytest.param(9, None, "active", None, id="she stays"),
        pytest.param(3, None, "churned", None, id="a detractor leaves: no surprise"),
        pytest.param(None, None, "churned", None, id="without an answer there is no segment"),
    ],
)
def test_a_promoter_who_leaves_is_a_move(
    score: int | None, before: str | None, said: str, kind: str | None
) -> None:
    """By the word of the operator's own systems, once."""
    known = [answered("r1", score), updated(attributes={"lifecycle": before})]
    then = updated(at=day(1), attributes={"lifecycle": said})
    move = churned(profile(*known), profile(*known, then), POLICY)
    assert (move and move.kind) == kind
    found = decide(
        profile(*known),
        profile(*known, then),
        fact(then),
        rulebook(),
        day(1),
        customer_id=SHE,
        version=2,
    )
    assert found.move == move
    assert found.cause.triggers == ("updated",)
