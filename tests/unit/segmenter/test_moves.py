"""Moves that no answer brings, and how long a segment has lasted."""

import pytest

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
from tests.builders.facts import answered, day, fact, rulebook, shipped_policy, updated

SHE = ids.name_id("she")
POLICY = shipped_policy().value


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
