"""A promoter who complains is asked for nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.segmenter.decide import clocks
from services.segmenter.decide.complaints import complaint
from services.segmenter.decide.decide import decide
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from shared.events.vocabulary import Value
from tests.builders.facts import NOON, answered, day, fact, rulebook, shipped_policy

POLICY = shipped_policy().value


def told(*events: Event) -> Profile:
    return rebuild(map(fact, events))


def answer(score: int, answers: dict[str, Any]) -> Event:
    return answered("r1", score, **answers)


def decided(*events: Event) -> CustomerDecided:
    last = fact(events[-1])
    return decide(
        told(*events[:-1]),
        told(*events),
        last,
        rulebook(POLICY),
        last.received_at,
        customer_id=UUID(int=1),
        version=1,
    )


@pytest.mark.parametrize(
    ("score", "answers", "named"),
    [
        pytest.param(9, {"comment": "Parfait, mais la livraison est lente"}, "delivery", id="pain"),
        pytest.param(10, {"liked_least": "le prix"}, "price", id="what she liked least"),
        pytest.param(9, {"comment": "Je vais saisir le tribunal"}, "legal", id="escalation"),
        pytest.param(
            9, {"comment": "Trop cher, je vais porter plainte"}, "legal", id="escalations first"
        ),
        pytest.param(9, {"reasons": ["trop cher"]}, "price", id="a pain that she ticked"),
        pytest.param(9, {"comment": "Prix imbattables"}, None, id="praise"),
        pytest.param(9, {}, None, id="no comment"),
        pytest.param(7, {"comment": "La livraison est lente"}, None, id="a passive"),
        pytest.param(2, {"comment": "Je vais porter plainte"}, None, id="a detractor"),
    ],
)
def test_a_promoter_who_complains_is_asked_for_nothing(
    score: int, answers: dict[str, Value], named: str | None
) -> None:
    """No survey and no offer for 30 days after the answer, and the reason is told."""
    hold = complaint(told(answer(score, answers)), POLICY)
    if named is None:
        assert hold is None
        return
    assert hold is not None
    assert hold.reason.endswith(f"complains: {named}")
    assert (hold.classes, hold.until) == (("survey", "marketing"), NOON + timedelta(days=30))


def test_a_newer_content_answer_ends_it() -> None:
    """The newest answer counts; and it is one of the rules that every decision asks."""
    first = answered("r1", 9, comment="La livraison est lente")
    assert "complaint" in {hold.rule for hold in clocks.holds(told(first), POLICY)}
    later = told(first, answered("r2", 10, at=day(3), comment="Tout est parfait"))
    assert complaint(later, POLICY) is None


def test_the_policy_says_how_long() -> None:
    """Zero days switch it off."""
    profile = told(answered("r1", 9, comment="La livraison est lente"))
    for days in (0, 7):
        section = POLICY.escalations.model_copy(update={"complaint_hold_days": days})
        hold = complaint(profile, POLICY.model_copy(update={"escalations": section}))
        assert (hold.until if hold else NOON) == NOON + timedelta(days=days)


def test_a_decision_tells_themes_escalations_and_who_told_them() -> None:
    """The snapshot lists them, and the trace names the answer that told the theme."""
    found = decided(
        answered(
            "r1",
            2,
            improve="la livraison",
            comment="Le vendeur est aimable. Je vais porter plainte, rappelez-moi",
        )
    )
    seen = found.snapshot
    assert (seen.theme, seen.theme_confidence) == ("delivery", 0.7)
    assert (seen.pains, seen.strengths) == (("delivery",), ("service",))
    assert seen.escalations == ("legal", "call_me")
    lines = [(line.rule, line.outcome, line.reason) for line in found.trace]
    assert ("theme", "delivery", "told by the answer improve") in lines
    assert [outcome for rule, outcome, _ in lines if rule == "escalation"] == ["legal", "call_me"]


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        pytest.param({"reasons": ["prix"]}, "price", "declared: she ticked it", id="declared"),
        pytest.param(
            {"comment": "Nul"},
            "unknown",
            "no theme recognised as the reason of the score",
            id="unknown",
        ),
    ],
)
def test_the_trace_says_how_the_theme_is_known(
    answers: dict[str, Value], outcome: str, reason: str
) -> None:
    """Declared, told by an answer, or unknown."""
    lines = [line for line in decided(answer(2, answers)).trace if line.rule == "theme"]
    assert [(line.outcome, line.reason) for line in lines] == [(outcome, reason)]
