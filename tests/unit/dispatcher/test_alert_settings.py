"""How a target's readers are alerted: the defaults, and what is refused with its fix."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.dispatcher.platforms.preset import load_preset
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.targets.settings import TargetSettings, alerts_of


def test_a_digest_above_ten_an_hour_and_quiet_nights_are_the_default() -> None:
    """A chat that rings a hundred times an hour is muted, and then nobody reads it."""
    settings = AlertSettings()

    assert settings.digest_above == 10
    assert settings.night is not None
    assert (settings.night.start.hour, settings.night.end.hour) == (20, 8)
    assert settings.heartbeat is None


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        pytest.param({"digest_above": 0}, "greater than or equal to 1", id="zero blocks all"),
        pytest.param({"zone": "Europe/Lutetia"}, "no such time zone", id="zone"),
        pytest.param({"link_base": "http://x.example/"}, "https://", id="link without TLS"),
        pytest.param({"link_base": "https://x.example/?id="}, "without", id="id in a query"),
        pytest.param({"link_base": "https://x.example/c"}, "https://…/", id="no slash"),
        pytest.param({"figures_link": "http://x.example/"}, "https://", id="figures without TLS"),
        pytest.param(
            {"figures_link": "https://x.example/?a=b"}, "without", id="figures with query"
        ),
        pytest.param({"night": {"start": "08:00"}}, "must differ", id="a night without length"),
        pytest.param({"heartbeat": "90 min"}, "whole days", id="a heartbeat by the hour"),
        pytest.param({"language": "de"}, "'en' or 'fr'", id="language"),
    ],
)
def test_what_cannot_be_is_refused_with_its_fix(given: dict[str, Any], fix: str) -> None:
    """A bad file stops the roll-out, not the alerts."""
    with pytest.raises(ValidationError, match=fix):
        AlertSettings.model_validate(given)


def test_a_heartbeat_is_a_number_of_days() -> None:
    """Every day at nine, unless said otherwise."""
    settings = AlertSettings.model_validate({"heartbeat": "24 h", "heartbeat_at": "08:30"})

    assert settings.heartbeat == timedelta(days=1)
    assert settings.heartbeat_at.minute == 30


@pytest.mark.parametrize(
    ("preset", "given", "digest_above"),
    [
        pytest.param("slack_bot", None, 10, id="a chat of the staff"),
        pytest.param("slack_bot", {"digest_above": 3}, 3, id="a chat, another number"),
        pytest.param("zendesk", {"language": "fr"}, None, id="tickets are not gathered"),
        pytest.param("zendesk", {"digest_above": 50}, 50, id="unless it is asked for"),
    ],
)
def test_chats_are_spared_and_tickets_are_work(
    preset: str, given: dict[str, Any] | None, digest_above: int | None
) -> None:
    """A digest of tickets would be work without an owner."""
    settings = TargetSettings.model_validate({"preset": preset, "alerts": given})
    alerts = alerts_of(load_preset(preset), settings)

    assert alerts is not None
    assert alerts.digest_above == digest_above
    assert (alerts.night is None) is (preset == "zendesk")


@pytest.mark.parametrize("preset", ["sandbox", "webhook", "brevo", "zendesk"])
def test_where_customers_are_reached_too_nothing_is_gathered_unasked(preset: str) -> None:
    """Only who reads nothing but alerts is spared by default."""
    assert alerts_of(load_preset(preset), TargetSettings(preset=preset)) is None
