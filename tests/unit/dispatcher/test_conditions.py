"""What a play asks of a decision: each condition, both ways."""

from typing import Any

import pytest

from services.dispatcher.playbook.conditions import matches
from services.dispatcher.playbook.plays import When
from shared.events.decisions import Maturity, Move, Snapshot
from tests.builders.decisions import decision
from tests.builders.deliveries import CUSTOMER

MATURE = Snapshot(
    score=10, segment="promoter", lifecycle="active", maturity=Maturity(points=60, ready=True)
)
GREEN = Snapshot(score=10, segment="promoter", maturity=Maturity(points=30, ready=False))
RAISED = Snapshot(score=10, segment="promoter", escalations=("safety", "call_me"))
ASKING = Snapshot(score=9, segment="promoter", callback_requested=True, panel_opt_in=True)
WON_BACK = Snapshot(
    score=9,
    segment="promoter",
    previous_segment="detractor",
    recovered_from=2,
    response_count=4,
    streak=2,
    pains=("price",),
    strengths=("delivery",),
)


@pytest.mark.parametrize(
    ("when", "told", "expected"),
    [
        pytest.param({}, {}, True, id="any-settled"),
        pytest.param({}, {"triggers": ("received",)}, False, id="another-trigger"),
        pytest.param({}, {"triggers": ()}, False, id="nobody-may-react"),
        pytest.param(
            {"trigger": "case_resolved"}, {"triggers": ("case_resolved",)}, True, id="case-step"
        ),
        pytest.param({"segment": ["detractor"]}, {}, True, id="segment"),
        pytest.param({"segment": ["promoter"]}, {}, False, id="another-segment"),
        pytest.param({"segment": ["promoter", "detractor"]}, {}, True, id="one-of-segments"),
        pytest.param({"segment": ["detractor"]}, {"segment": None}, False, id="no-segment"),
        pytest.param({"theme": ["price"]}, {"theme": "price"}, True, id="theme"),
        pytest.param({"theme": ["price"]}, {}, False, id="no-theme"),
        pytest.param(
            {"move": ["down"]},
            {"move": Move(kind="down", before="promoter", after="detractor")},
            True,
            id="move",
        ),
        pytest.param({"move": ["down"]}, {}, False, id="no-move"),
        pytest.param({"survey": ["nps"], "source": ["tests"]}, {}, True, id="survey-and-source"),
        pytest.param({"survey": ["other"]}, {}, False, id="another-survey"),
        pytest.param({"language": ["fr"]}, {"language": "fr-CA"}, True, id="language-of-a-region"),
        pytest.param({"lifecycle": ["active"]}, {"snapshot": MATURE}, True, id="lifecycle"),
        pytest.param({"lifecycle": ["churned"]}, {"snapshot": MATURE}, False, id="another-one"),
        pytest.param({"lifecycle": ["active"]}, {}, False, id="no-lifecycle"),
        pytest.param({"mature": True}, {"snapshot": MATURE}, True, id="mature"),
        pytest.param({"escalations": ["legal", "safety"]}, {"snapshot": RAISED}, True, id="raised"),
        pytest.param({"escalations": ["legal"]}, {"snapshot": RAISED}, False, id="another-topic"),
        pytest.param({"escalations": ["legal"]}, {}, False, id="nothing-raised"),
        pytest.param({"mature": True}, {"snapshot": GREEN}, False, id="not-mature-yet"),
        pytest.param({"mature": True}, {}, False, id="no-promoter-is-mature"),
        pytest.param({"mature": False}, {"snapshot": GREEN}, True, id="not-mature-is-asked-for"),
        pytest.param({"score_from": 3, "score_to": 3}, {}, True, id="score-in-bounds"),
        pytest.param({"score_to": 2}, {}, False, id="score-above"),
        pytest.param({"score_from": 4}, {}, False, id="score-below"),
        pytest.param({"score_from": 0}, {"segment": None}, False, id="no-score"),
        pytest.param(
            {"score_to": 0},
            {"snapshot": Snapshot(score=0, segment="detractor")},
            True,
            id="zero-is-a-score",
        ),
        pytest.param({"has_comment": True}, {}, False, id="no-comment"),
        pytest.param({"has_comment": False}, {}, True, id="silent"),
        pytest.param(
            {"attributes": {"tier": ["gold"]}},
            {"attributes": {"tier": "gold"}},
            True,
            id="attribute",
        ),
        pytest.param({"attributes": {"tier": ["gold"]}}, {}, False, id="no-attribute"),
        pytest.param({"callback_requested": True}, {"snapshot": ASKING}, True, id="call-me"),
        pytest.param({"callback_requested": True}, {}, False, id="did-not-ask-to-be-called"),
        pytest.param({"callback_requested": False}, {"snapshot": ASKING}, False, id="asked-though"),
        pytest.param({"panel_opt_in": True}, {"snapshot": ASKING}, True, id="panel"),
        pytest.param({"panel_opt_in": True}, {}, False, id="no-panel"),
        pytest.param({"recovered": True}, {"snapshot": WON_BACK}, True, id="won-back"),
        pytest.param({"recovered": True}, {"snapshot": MATURE}, False, id="never-lost"),
        pytest.param({"recovered": False}, {"snapshot": WON_BACK}, False, id="was-lost"),
        pytest.param({"previous_segment": ["detractor"]}, {"snapshot": WON_BACK}, True, id="was"),
        pytest.param({"previous_segment": ["detractor"]}, {}, False, id="was-nothing"),
        pytest.param({"pains": ["price", "product"]}, {"snapshot": WON_BACK}, True, id="a-pain"),
        pytest.param({"pains": ["delivery"]}, {"snapshot": WON_BACK}, False, id="another-pain"),
        pytest.param({"strengths": ["delivery"]}, {"snapshot": WON_BACK}, True, id="a-strength"),
        pytest.param({"strengths": ["price"]}, {"snapshot": WON_BACK}, False, id="no-strength"),
        pytest.param({"streak_from": 2}, {"snapshot": WON_BACK}, True, id="streak"),
        pytest.param({"streak_from": 3}, {"snapshot": WON_BACK}, False, id="short-streak"),
        pytest.param(
            {"answers_from": 4, "answers_to": 4}, {"snapshot": WON_BACK}, True, id="answers"
        ),
        pytest.param({"answers_from": 2}, {}, False, id="first-answer"),
        pytest.param({"attributes_from": {"mrr": 500}}, {"attributes": {"mrr": 500}}, True, id="v"),
        pytest.param(
            {"attributes_from": {"mrr": 500}, "attributes_to": {"orders": 3}},
            {"attributes": {"mrr": 620.5, "orders": 4}},
            False,
            id="one-value-too-high",
        ),
        pytest.param({"attributes_to": {"orders": 3}}, {}, False, id="no-value-is-not-a-low-one"),
        pytest.param(
            {"attributes_from": {"orders": 1}},
            {"attributes": {"orders": True}},
            False,
            id="yes-is-no-number",
        ),
        pytest.param(
            {"attributes_from": {"mrr": 1}},
            {"attributes": {"mrr": "900"}},
            False,
            id="text-is-none",
        ),
    ],
)
def test_all_must_hold(when: dict[str, Any], told: dict[str, Any], expected: bool) -> None:
    """Every condition must hold; an absent one means any."""
    condition = When.model_validate({"trigger": "settled", **when})
    assert matches(condition, decision(CUSTOMER, **told)) is expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param("referral", True, id="what-was-asked-for"),
        pytest.param("purchase", False, id="something-else"),
        pytest.param(None, False, id="nothing-named"),
    ],
)
def test_a_play_waits_for_what_she_completed(what: str | None, expected: bool) -> None:
    """The reward of a referral is for a referral."""
    told = decision(CUSTOMER, triggers=("action_completed",))
    told = told.model_copy(update={"cause": told.cause.model_copy(update={"what": what})})
    when = When.model_validate({"trigger": "action_completed", "what": ["referral", "introduced"]})
    assert matches(when, told) is expected


def test_every_range_makes_a_play_more_particular() -> None:
    """Of equals in priority the one with more conditions wins, each attribute being one."""
    both = {"attributes_from": {"mrr": 1, "orders": 2}, "attributes_to": {"mrr": 9}}
    one = {"attributes_from": {"mrr": 1}}
    told = [When.model_validate({"trigger": "settled", **w}).specificity for w in (one, both)]
    assert told == [1, 3]
