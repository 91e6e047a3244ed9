"""The example playbook: which plays a decision leads to, and until when they make sense."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.plan import Rulebook, plan
from services.dispatcher.playbook import Playbook
from shared.events.decisions import Snapshot
from shared.settings import load_yaml
from tests.builders.decisions import NOW, decision
from tests.builders.deliveries import CUSTOMER

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "playbook.yaml"
RAISED = Snapshot(score=9, segment="promoter", escalations=("safety",))
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
        pytest.param({"segment": "promoter"}, {"ambassador-invite"}, id="promoter"),
        pytest.param(
            {"snapshot": SAD, "triggers": ("received",)},
            {"detractor-alert", "escalation-alert"},
            id="a detractor who threatens",
        ),
        pytest.param(
            {"snapshot": RAISED, "triggers": ("received",)},
            {"escalation-alert"},
            id="an escalation beats the band",
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
    assert {delivery.state for delivery in found} <= {"planned"}


def test_an_escalation_becomes_a_ticket_and_waits_for_no_permit(book: Rulebook) -> None:
    """Its number comes back with the outcome; nothing of hers holds an alert."""
    (found,) = planned(book, snapshot=RAISED, triggers=("received",), permits=())
    assert (found.channel, found.contact_class, found.send_at) == ("ticket", "internal", NOW)


def test_the_question_after_a_case_ends_with_its_exemption(book: Rulebook) -> None:
    """Later the survey clocks would hold it: three days, as the policy's exemption."""
    (found,) = planned(book, triggers=("resurvey_due",))
    assert (found.contact_class, found.deadline) == ("survey", NOW + timedelta(hours=72))
    (found,) = planned(book, triggers=("lapsed",))
    assert (found.contact_class, found.deadline) == ("survey", NOW + timedelta(days=30))
