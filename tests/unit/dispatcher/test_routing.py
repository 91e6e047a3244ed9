"""Whose alert it is: by an attribute of the customer, to a target or a room of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.dispatcher.playbook.plays import Do
from services.dispatcher.playbook.routing import Route
from shared.events.vocabulary import Value

ROUTE = {
    "attribute": "store",
    "to": {"Lyon 3": "alerts", "paris": {"target": "chat", "room": "C01"}, "7": "seven"},
    "default": "rest",
}


@pytest.mark.parametrize(
    ("attributes", "target", "room"),
    [
        pytest.param({"store": "Lyon 3"}, "alerts", None, id="by its name"),
        pytest.param({"store": " PARIS "}, "chat", "C01", id="whatever its case, to a room"),
        pytest.param({"store": 7}, "seven", None, id="a number"),
        pytest.param({"store": "Nice"}, "rest", None, id="another store"),
        pytest.param({"store": None}, "rest", None, id="cleared"),
        pytest.param({}, "rest", None, id="unknown"),
    ],
)
def test_an_attribute_leads_to_its_owner(
    attributes: dict[str, Value], target: str, room: str | None
) -> None:
    """What is not in the list goes to the default, so that nothing is lost."""
    door = Route.model_validate(ROUTE).door(attributes)

    assert door is not None
    assert (door.target, door.room) == (target, room)


def test_without_a_default_the_plays_own_target_hears_of_it() -> None:
    """A store opened yesterday has nobody in the list."""
    assert Route.model_validate({**ROUTE, "default": None}).door({"store": "Nice"}) is None


@pytest.mark.parametrize(
    ("route", "told"),
    [
        pytest.param({"to": {}}, "at least 1", id="nobody"),
        pytest.param({"to": {str(n): "alerts" for n in range(201)}}, "at most 200", id="unbounded"),
        pytest.param({"to": {"a": {"target": "chat", "room": "x y"}}}, "pattern", id="room"),
    ],
)
def test_a_route_is_bounded(route: dict[str, Any], told: str) -> None:
    """A list that nobody can read is a mistake."""
    with pytest.raises(ValidationError, match=told):
        Route.model_validate({**ROUTE, **route})


def test_only_alerts_are_routed() -> None:
    """What a customer receives does not depend on who looks after her."""
    with pytest.raises(ValidationError, match="class 'internal' only"):
        Do.model_validate(
            {
                "action": "thanks",
                "channels": ["email"],
                "target": "sandbox",
                "class": "marketing",
                "variants": {"default": "T"},
                "route": ROUTE,
            }
        )
