"""How many marketing messages a week she bears: told to platforms for their own campaigns."""

from datetime import datetime
from uuid import UUID

import pytest

from services.segmenter.decide import clocks
from services.segmenter.decide.decide import Due, decide
from services.segmenter.decide.fatigue import fatigue_threshold
from services.segmenter.policy.fatigue import AfterAnswer, Fatigue
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.facts import Fact
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from shared.events.feedback import TimerDue
from tests.builders.facts import (
    answered,
    case,
    day,
    fact,
    invited,
    opted_out,
    rulebook,
    says,
    shipped_policy,
    updated,
)

POLICY = shipped_policy().value
LATER = day(20)
SHE = UUID(int=1)


def threshold(events: list[Event], now: datetime, policy: Policy = POLICY) -> int:
    profile = rebuild(map(fact, events))
    standing = clocks.standing(clocks.holds(profile, policy), now)
    return fatigue_threshold(profile, policy, standing)


@pytest.mark.parametrize(
    ("events", "now", "messages"),
    [
        pytest.param([], day(0), 3, id="nobody who never answered is given less"),
        pytest.param([answered("r1", 9)], day(1), 3, id="a promoter bears the base"),
        pytest.param([answered("r1", 8)], day(1), 2, id="a passive bears one less"),
        pytest.param([answered("r1", 3)], day(1), 0, id="none while a detractor rests"),
        pytest.param([answered("r1", 3)], day(14), 1, id="one when the rest is over"),
        pytest.param(
            [answered("r1", 9), answered("r2", 7, at=day(1))],
            day(2),
            1,
            id="who fell to passive bears less than who was always there",
        ),
        pytest.param(
            [answered("r1", 9), answered("r2", 3, at=day(1))],
            LATER,
            0,
            id="the sum is never less than none",
        ),
        pytest.param(
            [answered("r1", 3), answered("r2", 9, at=day(1))], day(2), 3, id="who rose bears all"
        ),
        pytest.param([answered("r1", 9), case("opened")], day(1), 0, id="none with an open case"),
        pytest.param(
            [updated(attributes={"contact_hold_until": "2026-03-20"})],
            day(1),
            0,
            id="none under the operator's own hold",
        ),
        pytest.param([invited()], day(1), 3, id="a hold on surveys alone takes nothing"),
        pytest.param([opted_out()], LATER, 0, id="none after an opt-out"),
        pytest.param(
            [updated(consents=(says(granted=False),))],
            day(1),
            3,
            id="refused on one channel: the permit of that channel says so",
        ),
        pytest.param([answered("r1", 9, metric="csat")], day(1), 3, id="no answer of nps"),
    ],
)
def test_it_follows_from_holds_refusals_and_the_newest_answer(
    events: list[Event], now: datetime, messages: int
) -> None:
    """The table of the shipped policy, line by line."""
    assert threshold(events, now) == messages


def test_every_decision_tells_it_and_the_end_of_a_hold_tells_it_anew() -> None:
    """So what a platform was told stays true: nothing but a decision changes it."""
    profile = rebuild(map(fact, [answered("r1", 3)]))
    rests = decided_at(profile, fact(answered("r1", 3)), day(1))
    assert rests.snapshot.fatigue_threshold == 0
    (end,) = {hold.until for hold in rests.holds if hold.rule == "marketing_rest"}
    due = TimerDue(kind="hold_end", customer_id=SHE, arm=1, due_at=end)
    over = decided_at(profile, Due(SHE, due), end)
    assert over.snapshot.fatigue_threshold == 1


def decided_at(profile: Profile, event: Fact | Due, now: datetime) -> CustomerDecided:
    return decide(profile, profile, event, rulebook(), now, customer_id=SHE, version=1)


def test_the_table_is_the_operators() -> None:
    """Base and steps are settings."""
    fatigue = Fatigue(base=5, after_answer=AfterAnswer(promoter=1, passive=-4), moved_down=0)
    policy = POLICY.model_copy(update={"fatigue": fatigue})
    assert threshold([answered("r1", 9)], day(1), policy) == 6
    assert threshold([answered("r1", 9), answered("r2", 7, at=day(1))], LATER, policy) == 1


def test_a_marketing_class_that_asks_nobody_is_never_refused() -> None:
    """Where the policy needs no consent, an opt-out is no statement about it."""
    permits = {
        **POLICY.permits,
        "marketing": POLICY.permits["marketing"].model_copy(
            update={"consent": "none", "purpose": None}
        ),
    }
    policy = POLICY.model_copy(update={"permits": permits})
    assert threshold([opted_out()], LATER, policy) == 3
