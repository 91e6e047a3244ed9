"""The example playbook: which plays a decision leads to, and until when they make sense."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.dispatcher.delivery import Contact, Delivery, TargetRules
from services.dispatcher.plan.plan import Rulebook, plan
from services.dispatcher.plan.refusals import Known
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.book import contact_of
from shared.events.decisions import Maturity, Move, Permit, Snapshot
from shared.settings import load_yaml
from tests.builders.decisions import NOW, decision
from tests.builders.deliveries import CUSTOMER

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "playbook.yaml"
RAISED = Snapshot(score=9, segment="promoter", escalations=("safety",))
ASKS = {"review-invite", "referral-invite", "loyalty-invite", "privilege"}
WRITES = Snapshot(score=7, segment="passive", comment="Correct.", streak=1)
AGAIN = Snapshot(score=7, segment="passive", streak=2)
CALL = Snapshot(score=10, segment="promoter", callback_requested=True)
BY_PHONE = Permit(contact_class="asked_for", channel="call", allowed=True, reason="she asked")
PANEL = Snapshot(panel_opt_in=True)
SAD = Snapshot(score=2, segment="detractor", escalations=("call_me", "legal"))


@pytest.fixture(scope="module")
def book() -> Rulebook:
    playbook = load_yaml(SHIPPED, Playbook).value
    targets = {name: TargetRules(name, 8) for name in ("sandbox", "sandbox_unkeyed")}
    return Rulebook(playbook, "shipped", targets)


def planned(book: Rulebook, **told: Any) -> list[Delivery]:
    data = decision(CUSTOMER, **told)
    return plan(data, book, (), customer_id=CUSTOMER, event_id=uuid.UUID(int=9), now=NOW)


@pytest.mark.parametrize(
    ("told", "plays"),
    [
        pytest.param({"segment": "detractor"}, {"detractor-alert", "reassurance"}, id="detractor"),
        pytest.param({"segment": "passive"}, {"passive-discount"}, id="passive"),
        pytest.param({"segment": "promoter"}, ASKS, id="promoter"),
        pytest.param({"snapshot": WRITES}, {"thanks", "passive-discount"}, id="wrote"),
        pytest.param({"snapshot": AGAIN}, {"passive-follow-up", "passive-discount"}, id="again"),
        pytest.param(
            {"snapshot": CALL, "triggers": ("callback_asked",), "permits": (BY_PHONE,)},
            {"call-back"},
            id="call me, whatever the score",
        ),
        pytest.param(
            {"triggers": ("callback_asked",), "late": True, "permits": (BY_PHONE,)},
            {"call-back"},
            id="call me, whichever answer",
        ),
        pytest.param({"late": True}, set(), id="a late answer"),
        pytest.param(
            {"triggers": ("received",), "attributes": {"mrr": 900}},
            {"detractor-alert", "high-value-alert"},
            id="worth much",
        ),
        pytest.param({"snapshot": PANEL}, {"panel-invite"}, id="agreed to a panel"),
        pytest.param(
            {"snapshot": SAD, "triggers": ("received", "escalation_raised")},
            {"detractor-alert", "escalation-alert"},
            id="a detractor who threatens",
        ),
        pytest.param(
            {"snapshot": RAISED, "triggers": ("received", "escalation_raised")},
            {"escalation-alert"},
            id="an escalation beats the band",
        ),
        pytest.param(
            {"snapshot": RAISED, "triggers": ("escalation_raised",), "late": True},
            {"escalation-alert"},
            id="an escalation in whichever answer",
        ),
        pytest.param({"triggers": ("resurvey_due",)}, {"resurvey"}, id="a case resolved"),
        pytest.param(
            {"triggers": ("lapsed",), "segment": "promoter"}, {"lapsed-invite"}, id="a long silence"
        ),
        pytest.param({"triggers": ("timer",)}, set(), id="a hold's end alone"),
    ],
)
def test_each_occasion_has_its_plays(book: Rulebook, told: dict[str, Any], plays: set[str]) -> None:
    """As a team that works with the score would have them."""
    found = planned(book, **told)
    assert {delivery.play for delivery in found} == plays
    left = [d for d in found if d.state != "planned"]
    assert all(d.reason.startswith("only one of") for d in left)
    assert len(found) > len(left) or not found


def test_asks_to_a_promoter_go_round_and_stop(book: Rulebook) -> None:
    """One at a time, none twice, what she did not at all; a mature one is asked first of all."""
    mature = Snapshot(score=10, segment="promoter", maturity=Maturity(points=70, ready=True))
    had: list[Contact] = []
    asked = []
    for number in range(7):
        at = NOW + timedelta(days=100 * number)
        data = decision(CUSTOMER, snapshot=mature, response=f"r{number}", at=at)
        known = Known(done=frozenset({"referral"}))
        found = plan(data, book, had, customer_id=CUSTOMER, event_id=CUSTOMER, now=at, known=known)
        sent = [d for d in found if d.state == "planned"]
        asked += [d.play for d in sent]
        had += [contact_of(d) for d in sent]
    assert asked == ["ambassador-invite", "review-invite", "loyalty-invite", "privilege"]


def test_two_asks_are_ninety_days_apart(book: Rulebook) -> None:
    """Whatever they ask for."""
    (first,) = [d for d in planned(book, segment="promoter") if d.state == "planned"]
    at = NOW + timedelta(days=89)
    data = decision(CUSTOMER, segment="promoter", response="r2", at=at)
    found = plan(data, book, (contact_of(first),), customer_id=CUSTOMER, event_id=CUSTOMER, now=at)
    assert {d.state for d in found} == {"suppressed"}
    assert all(d.reason.startswith(("cooldown", "once per customer")) for d in found)


def test_who_left_is_asked_one_question(book: Rulebook) -> None:
    """And somebody hears of it; a referral brings its reward."""
    gone = Move(kind="churned", before="promoter", after="promoter")
    found = planned(book, triggers=("updated",), segment="promoter", move=gone)
    assert {d.play for d in found} == {"churned-promoter-alert", "exit-question"}
    told = decision(CUSTOMER, triggers=("action_completed",), segment="promoter")
    told = told.model_copy(update={"cause": told.cause.model_copy(update={"what": "referral"})})
    (reward,) = plan(told, book, (), customer_id=CUSTOMER, event_id=CUSTOMER, now=NOW)
    assert (reward.play, reward.state) == ("referral-reward", "planned")


def test_an_escalation_becomes_a_ticket_and_waits_for_no_permit(book: Rulebook) -> None:
    """Its number comes back with the outcome; nothing of hers holds an alert."""
    (found,) = planned(book, snapshot=RAISED, triggers=("escalation_raised",), permits=())
    assert (found.channel, found.contact_class, found.send_at) == ("ticket", "internal", NOW)


def test_the_question_after_a_case_ends_with_its_exemption(book: Rulebook) -> None:
    """Later the survey clocks would hold it: three days, as the policy's exemption."""
    (found,) = planned(book, triggers=("resurvey_due",))
    assert (found.contact_class, found.deadline) == ("survey", NOW + timedelta(hours=72))
    (found,) = planned(book, triggers=("lapsed",))
    assert (found.contact_class, found.deadline) == ("survey", NOW + timedelta(days=30))
