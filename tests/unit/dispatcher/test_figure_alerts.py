"""A figure that changed: at which door it is left, when, and for how long it is worth telling."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.dispatcher.alerts.digest import Notice
from services.dispatcher.alerts.figure_alerts import notice_of
from services.dispatcher.delivery import TargetRules
from services.dispatcher.playbook.routing import DigestRoute
from services.dispatcher.targets.alert_settings import AlertSettings
from tests.builders.changed_figures import SINCE, figure

EVENT = UUID(int=7)
ROUTE = {"to": {"Lyon": {"target": "chat", "room": "C1"}}, "default": "chat"}


def _targets() -> dict[str, TargetRules]:
    bare = TargetRules("chat", 8, (), (), None, True)
    chat = replace(bare, alerts=AlertSettings.model_validate({"zone": "Europe/Paris"}))
    return {"chat": chat, "shadow": replace(chat, shadow=True), "unread": bare}


def _notice(now: datetime = SINCE, **changes: Any) -> Notice | str:
    route = {"stores": DigestRoute.model_validate(ROUTE)}
    return notice_of(EVENT, figure(**changes), route, _targets(), now)


@pytest.mark.parametrize(
    ("value", "door"),
    [
        pytest.param("lyon ", ("chat", "C1"), id="a room of its owner"),
        pytest.param("Nice", ("chat", None), id="in no list"),
        pytest.param(None, ("chat", None), id="all together"),
    ],
)
def test_each_group_has_a_door(value: str | None, door: tuple[str, str | None]) -> None:
    """The list first, then the default; the notice is named as the event is."""
    found = _notice(value=value)

    assert isinstance(found, Notice)
    assert (found.target, found.room) == door
    assert (found.id, found.kind, found.begun) == (EVENT, "figure_alert", SINCE)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param(SINCE, SINCE, id="by day at once"),
        pytest.param(
            SINCE - timedelta(hours=3), SINCE - timedelta(hours=1), id="at night in the morning"
        ),
    ],
)
def test_figures_wake_nobody(now: datetime, due: datetime) -> None:
    """It is news for the length of its period."""
    found = _notice(now)

    assert isinstance(found, Notice)
    assert (found.due, found.deadline) == (due, SINCE + timedelta(days=7))


def test_the_change_of_a_day_is_news_after_a_weekend() -> None:
    """Three days at least."""
    day = {**figure().after.model_dump(), "start": figure().after.end - timedelta(days=1)}
    found = _notice(after=day)

    assert isinstance(found, Notice)
    assert found.deadline == SINCE + timedelta(days=3)


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        pytest.param(
            None, "the playbook has no digest or figure alert of this name", id="no alert"
        ),
        pytest.param({"to": {}}, "its route leads this owner or group nowhere", id="no door"),
        *(
            pytest.param({"default": name}, "nobody reads this target, or it is in shadow", id=name)
            for name in ("gone", "unread", "shadow")
        ),
    ],
)
def test_why_nothing_is_told_is_said(route: dict[str, Any] | None, reason: str) -> None:
    """The log names the reason."""
    alerts = {} if route is None else {"stores": DigestRoute.model_validate(route)}

    assert notice_of(EVENT, figure(), alerts, _targets(), SINCE) == reason
