"""What is parked at planning: the rate of a play, and the first deliveries of what is new."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher.brakes.rates import Rate, Window
from services.dispatcher.delivery import Delivery, TargetRules
from services.dispatcher.plan.parking import Asked, asked, definition, in_surge, on_trial, surge_of
from services.dispatcher.playbook.plays import Play, Playbook
from tests.builders.decisions import NOW, later
from tests.builders.deliveries import delivery
from tests.builders.dispatching import play

INVITE = play("thanks", "promoter", "invite")
SERVICE = {"class": "service", "legal_basis": "contract"}


def book(invite: dict[str, Any], **settings: Any) -> Playbook:
    return Playbook.model_validate({"plays": [invite], **settings})


def some(number: int) -> tuple[Delivery, ...]:
    return tuple(delivery(id=uuid.UUID(int=n + 1)) for n in range(number))


@pytest.mark.parametrize(
    ("invite", "settings", "expected"),
    [
        pytest.param(INVITE, {}, None, id="no brake unless one is set"),
        pytest.param(INVITE, {"surge": {"most": 5}}, Rate(60, 5), id="the playbook's, a minute"),
        pytest.param(
            {**INVITE, "surge": {"most": 2, "per": "10 s"}},
            {"surge": {"most": 5}},
            Rate(10, 2),
            id="the play's own goes before",
        ),
        pytest.param(
            play("alert", "detractor", "call", **{"class": "internal"}),
            {"surge": {"most": 5}},
            None,
            id="an alert is not held back by the playbook's",
        ),
        pytest.param(
            {**play("alert", "detractor", "call", **{"class": "internal"}), "surge": {"most": 9}},
            {},
            Rate(60, 9),
            id="an alert by its own",
        ),
    ],
)
def test_which_rate_brakes_a_play(
    invite: dict[str, Any], settings: dict[str, Any], expected: Rate | None
) -> None:
    """Customers are protected by default, colleagues where their play says so."""
    playbook = book(invite, **settings)
    assert surge_of(playbook.plays[0], playbook) == expected


@pytest.mark.parametrize(
    ("window", "number", "going"),
    [
        pytest.param(Window(Rate(60, 3), NOW), 2, 2, id="below"),
        pytest.param(Window(Rate(60, 3), NOW), 3, 3, id="exactly as many"),
        pytest.param(Window(Rate(60, 3), NOW), 5, 3, id="past it"),
        pytest.param(Window(Rate(60, 3), NOW, used=2), 5, 1, id="some went before"),
        pytest.param(Window(Rate(60, 3), NOW, used=9), 5, 0, id="lowered in between"),
        pytest.param(
            Window(Rate(60, 4), later(seconds=-30), before=4), 5, 2, id="the minute before counts"
        ),
    ],
)
def test_what_is_past_the_rate_is_parked(window: Window, number: int, going: int) -> None:
    """Exactly the rate goes, not one more, and no minute's end lets through twice of it."""
    parked, gone = in_surge(some(number), window, NOW)
    assert (gone, len(parked)) == (going, number - going)
    assert all(d.state == "parked" and d.reason.startswith("surge brake: more") for d in parked)


@pytest.mark.parametrize(
    ("waited", "parked"),
    [(0, 3), (1, 2), (2, 1), (3, 0), (9, 0)],
)
def test_the_first_of_a_play_wait_and_the_others_go(waited: int, parked: int) -> None:
    """Three are to be looked at, of five."""
    chosen = Play.model_validate({**INVITE, "approve_first": 3})
    found, rest = on_trial(Asked(chosen, "sandbox", some(5)), waited)
    assert (len(found), len(rest)) == (parked, 5 - parked)
    assert all(d.state == "parked" and "release after a look" in d.reason for d in found)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        pytest.param({"approve_first": 3}, True, id="how many wait"),
        pytest.param({"surge": {"most": 3}}, True, id="its brake"),
        pytest.param({"priority": 0}, True, id="a default written down"),
        pytest.param({"priority": 1}, False, id="its priority"),
        pytest.param({"when": {"trigger": "settled"}}, False, id="its conditions"),
        pytest.param(
            {"do": {**INVITE["do"], "variants": {"default": "OTHER_T"}}}, False, id="its template"
        ),
    ],
)
def test_what_makes_a_play_another(changes: dict[str, Any], same: bool) -> None:
    """What it says and to whom, not how carefully."""
    before, after = Play.model_validate(INVITE), Play.model_validate({**INVITE, **changes})
    assert (definition(before) == definition(after)) is same


def test_brakes_are_asked_about_what_is_about_to_reach_somebody() -> None:
    """In the order of locks; not about what is refused anyway, nor about a sandbox."""
    playbook = Playbook.model_validate(
        {"plays": [INVITE, play("also", "passive", "offer"), play("sorry", "detractor", "mend")]}
    )
    targets = {
        "b": TargetRules("b", 1),
        "a": TargetRules("a", 1),
        "box": TargetRules("box", 1, sandbox=True),
    }
    found = asked(
        [
            delivery(play="thanks", target="b"),
            delivery(play="thanks", target="a", state="waiting"),
            delivery(play="thanks", target="a", state="suppressed"),
            delivery(play="also", target="b"),
            delivery(play="also", target="box"),
            delivery(play="gone", target="a"),
        ],
        playbook,
        targets,
    )
    assert [(one.play.name, one.target, len(one.deliveries)) for one in found] == [
        ("also", "b", 1),
        ("thanks", "a", 1),
        ("thanks", "b", 1),
    ]


def test_lengths_of_brakes_are_seconds() -> None:
    """A rate per hour is a rate, too."""
    playbook = book(INVITE, surge={"most": 100, "per": "1 h"})
    rate = surge_of(playbook.plays[0], playbook)
    assert rate is not None
    assert timedelta(seconds=rate.per_s) == timedelta(hours=1)
