"""What stands beside a delivery of the same cause: one of a group, no review with a coupon."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from services.dispatcher.alerts.alerting import CORRECTS
from services.dispatcher.delivery import Contact
from services.dispatcher.plan.beside import beside
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.book import contact_of
from shared.events.ids import delivery_id
from tests.builders.deliveries import delivery
from tests.builders.dispatching import play

CAUSE, OTHER = uuid.UUID(int=4), uuid.UUID(int=5)
BOOK = Playbook.model_validate(
    {
        "coupon_pools": {"spring": {"most": 9, "period": "30 d"}},
        "review_sites": {"shop": {"audience": "promoters"}},
        "plays": [
            {**play("invite", "promoter", "invite"), "only_one_of": "asks"},
            {**play("club", "promoter", "club"), "only_one_of": "asks"},
            play("gift", "passive", "gift", coupon="spring"),
            play("review", "promoter", "review", review_site="shop"),
            {**play("thanks", "promoter", "thanks"), "alone": True},
            play("call", "promoter", "call", channels=["call"]),
            play("alert", "promoter", "alert", **{"class": "internal"}),
        ],
    }
)
NO_REVIEW = "no review is asked for: a coupon goes with the same answer"


def _stands(name: str, cause: uuid.UUID = CAUSE, **changes: Any) -> Contact:
    found = BOOK.named(name)
    assert found is not None
    made = delivery(
        id=delivery_id(cause, name, found.do.action),
        cause_id=cause,
        play=name,
        action=found.do.action,
        channel=found.do.channels[0],
        contact_class=found.do.contact_class,
    )
    return contact_of(replace(made, **changes))


@pytest.mark.parametrize(
    ("name", "stands", "reason"),
    [
        pytest.param(
            "club", [_stands("invite")], "only one of 'asks': play invite went first", id="a rival"
        ),
        pytest.param("club", [_stands("invite", OTHER)], None, id="a rival of another answer"),
        pytest.param("club", [_stands("club")], None, id="itself"),
        pytest.param("club", [_stands("gift"), _stands("review")], None, id="plays of no group"),
        pytest.param("review", [_stands("gift", state="accepted")], NO_REVIEW, id="a coupon went"),
        pytest.param("review", [_stands("gift", state="parked")], NO_REVIEW, id="a coupon waits"),
        pytest.param("review", [_stands("gift", OTHER)], None, id="a coupon of another answer"),
        pytest.param(
            "gift",
            [_stands("review", state="accepted")],
            "no coupon: play review asked for a review in the same answer",
            id="a review was asked for",
        ),
        pytest.param(
            "thanks",
            [_stands("gift", state="waiting")],
            "goes alone: play gift writes to her of the same",
            id="another message is to go",
        ),
        pytest.param(
            "thanks",
            [_stands("gift", state="parked")],
            "goes alone: play gift writes to her of the same",
            id="another message waits for its code",
        ),
        pytest.param("thanks", [_stands("gift", state="accepted")], None, id="another one went"),
        pytest.param("thanks", [_stands("gift", OTHER)], None, id="of another answer"),
        pytest.param("thanks", [_stands("call")], None, id="a call is no message"),
        pytest.param("thanks", [_stands("alert")], None, id="an alert is not to her"),
        pytest.param("gift", [_stands("thanks")], None, id="what goes alone stops nobody"),
        pytest.param("gone", [_stands("gift")], None, id="a play that is no more"),
    ],
)
def test_what_does_not_go_beside(name: str, stands: list[Contact], reason: str | None) -> None:
    """By what another decision of the same cause brought."""
    assert beside(delivery(cause_id=CAUSE, play=name), BOOK, stands) == reason


def test_who_left_the_word_to_another_has_nothing_to_say_once_it_went() -> None:
    """A revision of the same answer plans it anew: the gift thanked her already."""
    one, went = delivery(cause_id=CAUSE, play="thanks"), [_stands("gift", state="accepted")]
    assert beside(one, BOOK, went, anew=True) == "goes alone: play gift writes to her of the same"
    assert beside(one, BOOK, [], anew=True) is None


def test_a_correction_stands_beside_what_it_corrects() -> None:
    """It is no message of its own."""
    one = delivery(cause_id=CAUSE, play="club", context={CORRECTS: "an alert"})
    assert beside(one, BOOK, [_stands("invite")]) is None


def test_an_alert_does_not_go_alone() -> None:
    """It reaches nobody whom two messages could annoy."""
    told = {**play("alert", "promoter", "alert", **{"class": "internal"}), "alone": True}
    with pytest.raises(ValueError, match="alone is about what reaches her"):
        Playbook.model_validate({"plays": [told]})
