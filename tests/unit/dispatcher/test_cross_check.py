"""A play that its target cannot carry out is refused at start, not at the first customer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.dispatcher.platforms.preset import Preset, load_preset
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.targets.cross_check import check_plays
from services.dispatcher.targets.settings import TargetSettings
from services.dispatcher.targets.targets import Targets, open_targets
from shared.errors import ConfigError
from shared.settings import Loaded, Secrets, load_yaml
from tests.builders.dispatching import play
from tests.builders.platforms import ENVIRON, NOW, SHIPPED, TARGETS


@dataclass
class Read:
    """A target that is only read."""

    name: str
    preset: Preset
    settings: TargetSettings
    stock: None = None


@pytest.fixture
async def targets(tmp_path: Path) -> AsyncIterator[Targets]:
    """Open the shipped targets that this tells of."""
    shipped = yaml.safe_load(SHIPPED.read_text("utf-8"))["targets"]
    path = tmp_path / "targets.yaml"
    content = {"targets": {name: {**shipped[name], "enabled": True} for name in TARGETS}}
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    opened = await open_targets(path, Secrets(ENVIRON), clock=lambda: NOW)
    yield opened
    await opened.close()


def playbook(**do: Any) -> Loaded[Playbook]:
    """Make a playbook of one play at Adobe that can be carried out, unless changed."""
    given = {"target": "adobe", "channels": ["email"], **do}
    action = given.pop("action", "discount")
    content = {"plays": [play("one", "promoter", action, **given)]}
    text = yaml.safe_dump(content, sort_keys=False)
    return Loaded(Playbook.model_validate(content), "test", text, Path("playbook.yaml"))


@pytest.mark.parametrize(
    ("do", "told"),
    [
        pytest.param(
            {"class": "internal"},
            "11: plays.0.do.target: play one: 'adobe' does not carry the class internal "
            "(only service, marketing, survey, asked_for): name another target",
            id="an alert would reach the customer",
        ),
        pytest.param(
            {"target": "nowhere"},
            "11: plays.0.do.target: play one: 'nowhere' is no enabled target of targets.yaml "
            "(sandbox, sandbox_unkeyed, webhook, adobe): add or enable it, or name another",
            id="no such target",
        ),
        pytest.param(
            {"channels": ["email", "post", "call"]},
            "9: plays.0.do.channels: play one: 'adobe' does not serve post, call "
            "(only email, sms): remove it, or name another target",
            id="a channel that is not served",
        ),
        pytest.param(
            {"action": "referral", "variants": {"default": "A", "price": "B"}},
            "8: plays.0.do.action: play one: 'adobe' has no event for referral (default, price): "
            "add targets.adobe.events.referral to targets.yaml",
            id="an action without event",
        ),
        pytest.param(
            {
                "target": "sandbox",
                "class": "internal",
                "route": {"attribute": "owner", "to": {"north": "nowhere"}},
            },
            "15: plays.0.do.route: play one: 'nowhere' is no enabled target of targets.yaml "
            "(sandbox, sandbox_unkeyed, webhook, adobe): add or enable it, or name another",
            id="a route that leads nowhere",
        ),
        pytest.param(
            {
                "target": "sandbox",
                "class": "internal",
                "route": {"attribute": "owner", "to": {"n": {"target": "webhook", "room": "C1"}}},
            },
            "15: plays.0.do.route: play one: 'webhook' has no rooms: "
            "name a target for each instead",
            id="a room where there is none",
        ),
    ],
)
async def test_a_play_that_cannot_be_carried_out_is_told(
    targets: Targets, do: dict[str, Any], told: str
) -> None:
    """File, line, key, play, fix."""
    with pytest.raises(ConfigError) as refusal:
        check_plays(playbook(**do), targets)
    assert str(refusal.value) == f"playbook.yaml:{told}"


@pytest.mark.parametrize(
    ("templates", "lacking"),
    [
        pytest.param({"A": "7", "B": "8"}, None, id="all"),
        pytest.param({"A": "7"}, "B", id="one"),
        pytest.param({"A": "7", "B": "thanks"}, "B", id="a name"),
        pytest.param({}, "A, B", id="none"),
    ],
)
def test_a_template_without_its_number_is_told(
    templates: dict[str, str], lacking: str | None
) -> None:
    """listmonk knows templates by number: found at start, not with the first customer."""
    shipped = yaml.safe_load(SHIPPED.read_text("utf-8"))["targets"]["listmonk"]
    settings = TargetSettings.model_validate({**shipped, "templates": templates})
    read = Read("listmonk", load_preset("listmonk"), settings)
    asked = playbook(target="listmonk", variants={"default": "A", "price": {"default": "B"}})
    if lacking is None:
        return check_plays(asked, {"listmonk": read})
    with pytest.raises(ConfigError) as refusal:
        check_plays(asked, {"listmonk": read})
    first = lacking.partition(",")[0]
    assert str(refusal.value).endswith(
        f"'listmonk' knows templates by number, and has none for {lacking}: add "
        f'targets.listmonk.templates.{first} to targets.yaml, such as "7"'
    )
    return None


async def test_all_mistakes_are_told_at_once(targets: Targets) -> None:
    """One start, one list."""
    with pytest.raises(ConfigError) as refusal:
        check_plays(playbook(**{"class": "internal", "channels": ["chat"]}), targets)
    assert len(str(refusal.value).splitlines()) == 2


@pytest.mark.parametrize(
    "do",
    [
        pytest.param({}, id="as it is meant"),
        pytest.param({"channels": ["email", "sms"]}, id="both channels"),
        pytest.param(
            {"target": "webhook", "class": "internal", "channels": ["chat"]},
            id="alert elsewhere",
        ),
    ],
)
async def test_a_play_that_can_be_carried_out_passes(targets: Targets, do: dict[str, Any]) -> None:
    """Nothing is refused that would work."""
    check_plays(playbook(**do), targets)
    assert "adobe" in targets


async def test_the_shipped_playbook_fits_the_shipped_targets(targets: Targets) -> None:
    """And its internal alert is not at Adobe."""
    shipped = load_yaml(SHIPPED.with_name("playbook.yaml"), Playbook)
    check_plays(shipped, targets)
    assert any(one.do.contact_class == "internal" for one in shipped.value.plays)


@pytest.mark.parametrize(
    ("door", "told"),
    [
        pytest.param(
            "nowhere",
            "'nowhere' is no enabled target of targets.yaml "
            "(sandbox, sandbox_unkeyed, webhook, adobe): add or enable it, or name another",
            id="no such target",
        ),
        pytest.param(
            "adobe",
            "no colleague reads 'adobe': give it `alerts`, or name a chat or a helpdesk",
            id="a target of customers",
        ),
    ],
)
@pytest.mark.parametrize(
    ("section", "name"),
    [
        pytest.param("digests", "digest stores:", id="digest"),
        pytest.param("figure_alerts", "figure alert stores:", id="figure alert"),
    ],
)
async def test_figures_that_nobody_would_read_are_told(
    targets: Targets, section: str, name: str, door: str, told: str
) -> None:
    """At start, not at eight on Monday."""
    content = {"plays": [], section: {"stores": {"to": {"Lyon": door}}}}
    text = yaml.safe_dump(content, sort_keys=False)
    written = Loaded(Playbook.model_validate(content), "test", text, Path("playbook.yaml"))
    with pytest.raises(ConfigError) as refusal:
        check_plays(written, targets)
    assert str(refusal.value) == f"playbook.yaml:3: {section}.stores: {name} {told}"
