"""An owner's week: at which door it is left, when, and for how long it is worth telling."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.alerts.owner_weeks import notice_of
from services.dispatcher.delivery import TargetRules
from services.dispatcher.playbook.routing import DigestRoute
from services.dispatcher.targets.alert_settings import AlertSettings
from tests.builders.weeks import week

EVENT = UUID(int=7)
ROUTE = DigestRoute.model_validate(
    {"to": {"Lyon": {"target": "chat", "room": "C1"}, "Nice": "tickets"}, "default": "chat"}
)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def target(name: str, *, shadow: bool = False, **alerts: Any) -> TargetRules:
    """A target that colleagues read."""
    rules = TargetRules(name, 8, (), (), None, True)
    settings = AlertSettings.model_validate({"zone": "Europe/Paris", **alerts})
    return replace(rules, alerts=settings, shadow=shadow, channels=("ticket",))


TARGETS = {
    "chat": target("chat"),
    "tickets": target("tickets", night=None),
    "unread": TargetRules("unread", 8, (), (), None, True),
    "shadow": target("shadow", shadow=True),
}


@pytest.mark.parametrize(
    ("owner", "door"),
    [
        pytest.param("Lyon", ("chat", "C1"), id="a room of his own"),
        pytest.param("  LYON ", ("chat", "C1"), id="without case and blanks around"),
        pytest.param("Nice", ("tickets", None), id="another target"),
        pytest.param("Pau", ("chat", None), id="in no list"),
        pytest.param(None, ("chat", None), id="all customers together"),
    ],
)
def test_each_owner_has_a_door(owner: str | None, door: tuple[str, str | None]) -> None:
    """The list first, then the default."""
    found = notice_of(EVENT, week(owner=owner), {"stores": ROUTE}, TARGETS, at("2026-03-16T07:01"))

    assert isinstance(found, Notice)
    assert (found.target, found.room) == door
    assert (found.id, found.kind, found.channel) == (EVENT, "owner_week", "ticket")


@pytest.mark.parametrize(
    ("now", "owner", "due"),
    [
        pytest.param("2026-03-16T07:01", "Lyon", "2026-03-16T07:01", id="in the morning"),
        pytest.param("2026-03-16T05:00", "Lyon", "2026-03-16T07:00", id="in the readers' night"),
        pytest.param("2026-03-16T05:00", "Nice", "2026-03-16T05:00", id="where nobody is woken"),
        pytest.param("2026-03-28T22:00", "Lyon", "2026-03-29T06:00", id="a night of eleven hours"),
    ],
)
def test_it_waits_for_the_morning(now: str, owner: str, due: str) -> None:
    """A digest wakes nobody."""
    found = notice_of(EVENT, week(owner=owner), {"stores": ROUTE}, TARGETS, at(now))

    assert isinstance(found, Notice)
    assert found.due == at(due)
    assert found.deadline == at("2026-03-23T07:00"), "then the next one is due"


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        pytest.param(
            None, "the playbook has no digest or figure alert of this name", id="no digest"
        ),
        pytest.param(
            {"to": {"Pau": "chat"}}, "its route leads this owner or group nowhere", id="no door"
        ),
        *(
            pytest.param({"default": name}, "nobody reads this target, or it is in shadow", id=name)
            for name in ("gone", "unread", "shadow")
        ),
    ],
)
def test_why_nothing_is_told_is_said(route: dict[str, Any] | None, reason: str) -> None:
    """A week that nobody reads is no secret: the log names the reason."""
    digests = {} if route is None else {"stores": DigestRoute.model_validate(route)}

    assert notice_of(EVENT, week(), digests, TARGETS, at("2026-03-16T07:01")) == reason
