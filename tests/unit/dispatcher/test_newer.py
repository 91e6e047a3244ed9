"""What newer news of an answer, or of her, makes of what waits."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from services.dispatcher.gates.gates import standing
from services.dispatcher.gates.newer import right_again
from services.dispatcher.ledger.recipients import Recipient, decided
from services.dispatcher.playbook.plays import Playbook
from shared.events.decisions import CustomerDecided, Maturity, Move, MoveKind, Snapshot
from shared.events.ids import case_cause
from tests.builders.decisions import NOW, decision, later
from tests.builders.deliveries import CUSTOMER, delivery
from tests.builders.dispatching import play

#: An answer with everything that a play may ask of it.
SAD: Mapping[str, Any] = {
    "score": 3,
    "segment": "detractor",
    "previous_segment": "promoter",
    "response_count": 2,
    "streak": 1,
    "last_answered_at": NOW,
    "recovered_from": 2,
    "comment": "Far too dear.",
    "theme": "price",
    "pains": ("price", "product"),
    "strengths": ("service",),
    "escalations": ("legal",),
    "callback_requested": True,
    "panel_opt_in": True,
    "lifecycle": "active",
    "maturity": Maturity(points=60, ready=True),
    "language": "fr",
    "tone": "vous",
    "attributes": {"tier": "gold", "mrr": 620},
}
INTERNAL: Mapping[str, Any] = {"contact_class": "internal", "on_unknown": "retry"}
SERVICE: Mapping[str, Any] = {"contact_class": "service"}
ASKED: Mapping[str, Any] = {"contact_class": "asked_for"}


def told(version: int, kind: MoveKind = "down", /, **changes: Any) -> CustomerDecided:
    """What a decision about her answer shows: `SAD`, or as changed."""
    about = {
        name: changes.pop(name) for name in ("triggers", "response", "late") if name in changes
    }
    move = Move(kind=kind, before="promoter", after="detractor")
    seen = Snapshot(**{**SAD, **changes})
    return decision(CUSTOMER, version=version, snapshot=seen, move=move, answered_at=NOW, **about)


def waiting(**changes: Any) -> Any:
    """What the first decision planned."""
    first = told(1)
    given = {"cause_id": first.cause.id, "decision_id": first.decision_id, "segments": ()}
    return delivery(**{**given, **changes})


def asked(when: Mapping[str, Any], newer: CustomerDecided | None, **changes: Any) -> str | None:
    """Say what becomes of it by the newer decision: the reason why it ends."""
    book = play("thanks", "detractor", "invite")
    book["when"] = {"trigger": "settled", **when}
    playbook = Playbook.model_validate({"plays": [book]})
    recipient = decided(Recipient(CUSTOMER), told(1))
    if newer is not None:
        recipient = decided(recipient, newer)
    ended = standing(waiting(**changes), recipient, None, playbook)
    assert ended is None or ended.state in {"superseded", "in_doubt"}
    return None if ended is None else ended.reason


@pytest.mark.parametrize(
    ("when", "revision", "reason"),
    [
        pytest.param(
            {"score_to": 6}, {"score": 8}, "it is 8 now, the play wants at most 6", id="score"
        ),
        pytest.param(
            {"score_from": 3}, {"score": 0}, "it is 0 now, the play wants at least 3", id="zero"
        ),
        pytest.param(
            {"score_from": 2, "score_to": 4},
            {"score": None},
            "it has no score now, the play wants 2 to 4",
            id="no-score",
        ),
        pytest.param(
            {"segment": ["detractor"]},
            {"segment": "promoter"},
            "she is promoter now, the play wants detractor",
            id="segment",
        ),
        pytest.param(
            {"theme": ["price", "delivery"]},
            {"theme": None},
            "it has no theme now, the play wants price or delivery",
            id="theme",
        ),
        pytest.param(
            {"escalations": ["legal", "safety"]},
            {"escalations": ()},
            "it raises nothing now, the play wants legal or safety",
            id="escalation",
        ),
        pytest.param(
            {"pains": ["price"]},
            {"pains": ("product", "service")},
            "it complains of product and service now, the play wants price",
            id="pain",
        ),
        pytest.param(
            {"strengths": ["service"]},
            {"strengths": ("price",)},
            "it praises price now, the play wants service",
            id="strength",
        ),
        pytest.param(
            {"has_comment": True}, {"comment": None}, "it has no comment now", id="comment-gone"
        ),
        pytest.param(
            {"callback_requested": True},
            {"callback_requested": False},
            "she asks for no call-back now",
            id="request-withdrawn",
        ),
        pytest.param(
            {"panel_opt_in": True},
            {"panel_opt_in": False},
            "she does not agree to the panel now",
            id="agreement-withdrawn",
        ),
        pytest.param(
            {"previous_segment": ["promoter"]},
            {"previous_segment": "passive"},
            "the answer before was of a passive now, the play wants promoter",
            id="another-answer-before-it",
        ),
        pytest.param(
            {"recovered": True},
            {"recovered_from": None},
            "it follows no resolved case now",
            id="not-won-back",
        ),
        pytest.param(
            {"answers_to": 2},
            {"response_count": 3},
            "her answers are 3 now, the play wants at most 2",
            id="answers",
        ),
        pytest.param(
            {"streak_from": 1},
            {"streak": 0},
            "its streak is 0 now, the play wants at least 1",
            id="streak",
        ),
    ],
)
@pytest.mark.parametrize(
    "kind", [pytest.param(k, id=k["contact_class"]) for k in (SERVICE, ASKED, INTERNAL)]
)
def test_a_revised_answer_ends_what_was_for_what_it_said(
    when: dict[str, Any], revision: dict[str, Any], reason: str, kind: dict[str, Any]
) -> None:
    """Of every class, in words that say what changed; told again unchanged it ends nothing."""
    assert asked(when, told(2, **revision), **kind) == f"her answer was revised: {reason}"
    assert asked(when, told(2), **kind) is None
    assert asked({}, told(2, **revision), **kind) is None


def test_a_move_is_a_matter_of_its_answer() -> None:
    """She did not fall: nobody is alarmed of a fall."""
    why = asked({"move": ["down"]}, told(2, "same"), **INTERNAL)
    assert why == "her answer was revised: its move is same now, the play wants down"


@pytest.mark.parametrize(
    "when",
    [
        pytest.param({"score_to": 6}, id="score"),
        pytest.param({"theme": ["price"]}, id="theme"),
        pytest.param({"escalations": ["legal"]}, id="escalation"),
        pytest.param({"callback_requested": True}, id="request"),
        pytest.param({"move": ["down"]}, id="move"),
        pytest.param({"has_comment": True}, id="comment"),
    ],
)
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(
            decision(
                CUSTOMER,
                version=2,
                response="another",
                snapshot=Snapshot(score=10, segment="promoter"),
            ),
            id="another-answer",
        ),
        pytest.param(
            decision(CUSTOMER, version=2, late=True, snapshot=Snapshot(score=10)), id="a-late-one"
        ),
        pytest.param(
            decision(CUSTOMER, version=2, cause=uuid.uuid4(), triggers=(), snapshot=Snapshot()),
            id="nothing-told-of-it",
        ),
        pytest.param(
            decision(
                CUSTOMER, version=2, cause=case_cause("helpdesk/1"), triggers=("case_opened",)
            ),
            id="a-case",
        ),
    ],
)
def test_other_news_says_nothing_of_an_answer(when: dict[str, Any], other: CustomerDecided) -> None:
    """What shows another answer, or none, ends nothing that was planned for this one."""
    assert asked(when, other, **SERVICE) is None


def test_an_answer_without_a_score_any_more_ends_what_its_score_brought() -> None:
    """It shows the answer before it then, if there is one: that is no news of this one."""
    before = {"score": 2, "last_answered_at": later(days=-90)}
    taken_back = told(2, triggers=(), **before)
    assert asked({}, taken_back) == "her answer was revised: it has no score now"
    assert asked({"trigger": "case_opened"}, taken_back) is None


def test_an_answer_without_a_score_says_nothing_of_the_one_before_it() -> None:
    """She only ticked a box in another survey."""
    ticked = told(2, triggers=(), response="box", score=9, last_answered_at=later(days=-1))
    assert asked({"score_to": 6}, ticked) is None


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        pytest.param({}, True, id="not-told-yet"),
        pytest.param({"unanswered_since": NOW}, False, id="may-have-been-read"),
        pytest.param({"context": {"corrects": "an alert"}}, False, id="a-correction"),
    ],
)
def test_an_alert_that_was_read_is_corrected_not_ended(changes: dict[str, Any], ends: bool) -> None:
    """Who may have read of a 3 hears of the 8."""
    why = asked({"score_to": 6}, told(2, score=8), **INTERNAL, **changes)
    assert (why is not None) is ends


def test_what_may_have_reached_her_is_in_doubt() -> None:
    """Its slot stays with it."""
    why = asked({"score_to": 6}, told(2, score=8), **SERVICE, unanswered_since=NOW)
    assert why == (
        "an attempt was not answered; not repeated: "
        "her answer was revised: it is 8 now, the play wants at most 6"
    )


READY_NO_MORE = {"maturity": Maturity(points=60, ready=False)}


@pytest.mark.parametrize(
    ("when", "state", "reason"),
    [
        pytest.param(
            {"mature": True},
            READY_NO_MORE,
            "she is not ready to be an ambassador any more",
            id="not-ready-any-more",
        ),
        pytest.param({"mature": False}, {}, None, id="ready-now"),
        pytest.param(
            {"lifecycle": ["active", "ambassador"]},
            {"lifecycle": "churned"},
            "her lifecycle is churned now, the play wants active or ambassador",
            id="lifecycle",
        ),
        pytest.param({"lifecycle": ["active"]}, {"lifecycle": None}, None, id="lifecycle-untold"),
        pytest.param(
            {"attributes": {"tier": ["gold"]}},
            {"attributes": {"tier": "silver"}},
            "her attribute tier is not what the play wants any more",
            id="attribute",
        ),
        pytest.param(
            {"attributes": {"tier": ["gold"]}},
            {"attributes": {"tier": None}},
            "her attribute tier is not what the play wants any more",
            id="attribute-cleared",
        ),
        pytest.param(
            {"attributes": {"tier": ["gold"]}}, {"attributes": {}}, None, id="attribute-untold"
        ),
        pytest.param(
            {"attributes_from": {"mrr": 500}},
            {"attributes": {"mrr": 499.5}},
            "her attribute mrr is not what the play wants any more",
            id="value-below",
        ),
        pytest.param(
            {"attributes_to": {"mrr": 700}},
            {"attributes": {"mrr": 701}},
            "her attribute mrr is not what the play wants any more",
            id="value-above",
        ),
        pytest.param({"language": ["fr"]}, {"language": "en"}, None, id="language"),
        pytest.param({"tone": ["vous"]}, {"tone": "tu"}, None, id="tone"),
    ],
)
def test_an_ask_is_for_who_she_is(
    when: dict[str, Any], state: dict[str, Any], reason: str | None
) -> None:
    """Whatever told of her: an offer or an ask ends, what answers her and alerts stand."""
    seen = Snapshot(**{**SAD, **state})
    newer = decision(CUSTOMER, version=2, response="crm", triggers=(), snapshot=seen)
    asks: tuple[Mapping[str, Any], ...] = (
        {"contact_class": "marketing"},
        {"contact_class": "survey"},
    )
    assert {asked(when, newer, **kind) for kind in asks} == {reason}
    assert {asked(when, newer, **kind) for kind in (SERVICE, ASKED, INTERNAL)} == {None}


ENDED: Mapping[str, Any] = {
    "state": "superseded",
    "reason": "her answer was revised: it is 8 now, the play wants at most 6",
    "change": 4,
}
LEFT_OUT: Mapping[str, Any] = {
    "state": "suppressed",
    "reason": "only one of 'reply': play price goes first",
}


@pytest.mark.parametrize(
    ("before", "planned", "anew"),
    [
        pytest.param(ENDED, {}, True, id="a-revision-ended-it"),
        pytest.param(LEFT_OUT, {}, True, id="another-play-went-first"),
        pytest.param({**ENDED, "attempts": 1}, {}, False, id="it-was-tried"),
        pytest.param({**ENDED, "unanswered_since": NOW}, {}, False, id="it-may-have-reached-her"),
        pytest.param({**ENDED, "reason": "cancelled by ops: no"}, {}, False, id="cancelled"),
        pytest.param({**ENDED, "reason": "she is passive now"}, {}, False, id="newer-answer"),
        pytest.param(
            {"state": "suppressed", "reason": "hold-out: she goes without"},
            {},
            False,
            id="held-out",
        ),
        pytest.param({"state": "accepted", "reason": "taken"}, {}, False, id="sent"),
        pytest.param(ENDED, {"state": "suppressed"}, False, id="refused-now"),
        pytest.param(ENDED, {"state": "expired"}, False, id="too-late-now"),
    ],
)
def test_only_what_a_revision_ended_is_planned_anew(
    before: dict[str, Any], planned: dict[str, Any], anew: bool
) -> None:
    """Nothing that was begun, refused for another reason, or ended by a person."""
    again = right_again(delivery(**before), delivery(template="NEW_T", **planned))
    if not anew:
        assert again is None
        return
    assert again is not None
    assert (again.state, again.template) == ("planned", "NEW_T")
    assert again.change == before.get("change", 1), "its history goes on"
