"""`targets.yaml`: the shipped file opens, and every mistake is told with its fix at start."""

import re
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
import yaml

from services.dispatcher.__main__ import target_rules
from services.dispatcher.brakes.rates import AtOnce
from services.dispatcher.platforms.preset import load_preset, preset_names
from services.dispatcher.platforms.wired import load_wired, wired_names
from services.dispatcher.targets.offline import read_targets
from services.dispatcher.targets.settings import TargetsConfig, TargetSettings, status_of
from services.dispatcher.targets.targets import Targets, open_targets
from shared.errors import ConfigError
from shared.settings import Secrets, load_yaml
from tests.builders.fakes import cases
from tests.builders.fakes.adobe_campaign_standard import FakeAdobe
from tests.builders.platforms import ENVIRON, NOW, SHIPPED, TARGETS

PLATFORMS = SHIPPED.parents[2] / "docs" / "targets" / "README.md"


async def opened(path: Path, environ: dict[str, str] | None = None) -> Targets:
    """Open targets with the made-up secrets."""
    return await open_targets(
        path, Secrets(ENVIRON if environ is None else environ), clock=lambda: NOW
    )


async def test_the_shipped_file_needs_nothing_but_the_sandbox() -> None:
    """What `make run` starts with: two targets on the sandbox, one of them without keys."""
    targets = await opened(SHIPPED, {"NPS_SANDBOX_URL": "http://127.0.0.1:8080/sandbox"})
    assert list(targets) == ["sandbox", "sandbox_unkeyed"]
    kinds = {name: t.carrier.action_idempotency.kind for name, t in targets.items()}
    assert kinds == {"sandbox": "key", "sandbox_unkeyed": "none"}
    assert targets["sandbox_unkeyed"].settings.on_unknown == "hold"
    assert all(t.settings.skip_delay_and_quiet_hours for t in targets.values())
    await targets.close()


def test_each_shipped_example_that_takes_profiles_is_told_when_to_ask_and_how_much_to_send() -> (
    None
):
    """Whoever copies one gets both: without them its platform's own rules ask her too often."""
    settings = load_yaml(SHIPPED, TargetsConfig).value.targets
    pushing = {name: one for name, one in settings.items() if one.attributes}
    told = {"nps_next_survey_at", "nps_fatigue_threshold"}
    assert {name for name, one in pushing.items() if not told <= set(one.attributes)} == set()
    assert {"sandbox", "adobe", "braze", "hubspot", "qualtrics_contacts"} <= set(pushing)


def test_every_preset_has_an_example_and_a_row_in_the_table_of_platforms() -> None:
    """Whoever has one of these platforms finds where to begin, and how far it was tried."""
    verified = {name: load_preset(name).verified for name in preset_names()}
    verified |= {name: load_wired(name).verified for name in wired_names()}
    settings = load_yaml(SHIPPED, TargetsConfig).value.targets.values()
    assert {one.preset for one in settings} == set(verified)
    # Name, push, action, erase, repeat, verified, limits.
    rows = [line.split(" | ") for line in PLATFORMS.read_text("utf-8").splitlines()]
    told = {row[0].strip("| `"): row[5].split(";")[0] for row in rows if len(row) == 7}
    assert verified.items() <= told.items()


async def test_the_shipped_examples_open_once_they_are_enabled(tmp_path: Path) -> None:
    """They need their secrets, and hardly another change."""
    path = tmp_path / "targets.yaml"
    text = SHIPPED.read_text("utf-8").replace("enabled: false", "enabled: true")
    # A folder for lists is the one thing that must be made before.
    text = text.replace("/srv/nps/lists", str(tmp_path))
    path.write_text(text, "utf-8")
    copytree(SHIPPED.parent / "templates", tmp_path / "templates")
    # Some secrets have a form: a web-hook's URL is one.
    formed = {name: value for case in cases() for name, value in case.environ.items()}
    # What signs the links of letters is the installation's, and stands in no target.
    formed["NPS_ROUTE_SECRET"] = "a key of the tests"
    environ = {**dict.fromkeys(re.findall(r"env:(\w+)", text), "x"), **formed, **ENVIRON}
    targets = await opened(path, environ)
    assert set(TARGETS) < set(targets)
    assert targets["adobe"].concurrency == 4
    assert targets["webhook"].concurrency == 8  # the preset's
    assert targets["adobe"].carrier.action_idempotency.kind == "none"
    assert targets["smtp"].carrier.action_idempotency.kind == "none"
    assert targets["calls"].carrier.action_idempotency.kind == "look"
    await targets.close()


@pytest.mark.parametrize(
    ("preset", "said", "at_once"),
    [
        pytest.param("webhook", {}, AtOnce(), id="no-bound"),
        pytest.param("webhook", {"at_once": {"act": 2}}, AtOnce(act=2), id="the-target's"),
        pytest.param("customerio", {}, AtOnce(push=3, act=3), id="the-preset's"),
        pytest.param("customerio", {"at_once": {"push": 1}}, AtOnce(push=1), id="instead-of-it"),
    ],
)
async def test_how_many_calls_a_kind_has_is_the_presets_or_the_targets_word(
    tmp_path: Path, preset: str, said: dict[str, Any], at_once: AtOnce
) -> None:
    """As the lane gets it."""
    case = next(one for one in cases() if one.preset == preset)
    path = tmp_path / "targets.yaml"
    settings = {"preset": preset, **case.settings, **said}
    path.write_text(yaml.safe_dump({"targets": {"one": settings}}), "utf-8")
    targets = await opened(path, dict(case.environ))
    assert target_rules(targets["one"]).at_once == at_once
    await targets.close()


async def test_a_transport_can_be_given_for_each_target() -> None:
    """So that a whole dispatcher can be tested against fakes."""
    asked: list[str] = []
    fake = FakeAdobe()

    def factory(name: str, _settings: object) -> httpx.AsyncBaseTransport:
        asked.append(name)
        return httpx.MockTransport(fake.handle)

    targets = await open_targets(
        SHIPPED, Secrets(ENVIRON), clock=lambda: NOW, transport_factory=factory
    )
    assert asked == ["sandbox", "sandbox_unkeyed"]
    await targets.close()


SANDBOX = "preset: sandbox, allow_http: true, vars: {url: 'http://127.0.0.1:1/s', account: a}"
ADOBE = (
    "preset: adobe_campaign_standard, events: {a: EVTa}, "
    "vars: {org: acme, client_id: 'env:NPS_ADOBE_CLIENT_ID', client_secret: 'env:NPS_SECRET_ADOBE'}"
)
WEBHOOK = "preset: webhook, vars: {url: 'https://h.example/x', secret: 'env:NPS_SECRET_WEBHOOK'}"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param(
            "{preset: nope}", "unknown preset nope: one of activecampaign, adobe", id="preset"
        ),
        pytest.param("{" + SANDBOX + ", colour: red}", "unknown key", id="misspelt"),
        pytest.param("{preset: sandbox}", "vars.url: missing: address of", id="missing var"),
        pytest.param(
            "{" + ADOBE.replace("'env:NPS_SECRET_ADOBE'", "''") + "}",
            "vars.client_secret: missing: its client secret",
            id="empty secret",
        ),
        pytest.param(
            "{" + ADOBE + ", message: {nps_score: blackList}}",
            "message.nps_score: blackList is consent",
            id="consent in a message",
        ),
        pytest.param(
            "{preset: sandbox, vars: {url: 'http://a.example', account: a}}",
            "vars.url: https is required",
            id="no TLS",
        ),
        pytest.param(
            "{preset: sandbox, vars: {url: 'https://u:p@a.example', account: a}}",
            "vars.url: an absolute URL without user",
            id="credentials in the URL",
        ),
        pytest.param(
            "{preset: sandbox, vars: {url: 'https://a.example', account: 'A/../B'}}",
            "vars.account: does not look as it should",
            id="pattern",
        ),
        pytest.param(
            "{preset: sandbox, vars: {url: 'env:NPS_UNSET', account: a}}",
            "vars.url: secret env:NPS_UNSET is empty or not set",
            id="unset",
        ),
        pytest.param(
            "{" + ADOBE.replace("'env:NPS_SECRET_ADOBE'", "hush") + "}",
            "vars.client_secret: a secret is given by reference",
            id="secret in the file",
        ),
        pytest.param(
            "{" + ADOBE.replace("org: acme", "org: 'evil.example/x'") + "}",
            "vars.org: does not look as it should",
            id="host part",
        ),
        pytest.param(
            "{" + ADOBE.replace("events: {a: EVTa}, ", "") + "}", "events: missing", id="no events"
        ),
        pytest.param(
            "{" + ADOBE.replace("EVTa", "'EVT/../a'") + "}",
            "events.a: letters, digits",
            id="event with a path",
        ),
        pytest.param(
            "{" + WEBHOOK.replace("SECRET_WEBHOOK", "SECRET_ADOBE") + "}",
            "vars.secret: not a whsec_",
            id="no webhook secret",
        ),
        pytest.param("{" + SANDBOX + ", vars: {}}", "key 'vars' is given twice", id="given twice"),
        pytest.param(
            "{" + SANDBOX + ", attributes: {a: x, b: x}}",
            "x is written by two attributes",
            id="two to one",
        ),
        pytest.param(
            "{" + SANDBOX + ", attributes: {a: 'x y'}}", "attributes.a", id="no field name"
        ),
        pytest.param(
            "{" + SANDBOX + ", batch: 101}",
            ":2: targets.one.batch: this platform takes 100 in one request at most: lower it",
            id="a batch too large",
        ),
        pytest.param(
            "{" + WEBHOOK + ", batch: 2}",
            ":2: targets.one.batch: this platform takes 1 in one request at most: lower it",
            id="no batch there",
        ),
        pytest.param("{" + SANDBOX + ", batch: 0}", "must be 1 or more", id="batch of 0"),
        pytest.param(
            "{" + SANDBOX + ", windows: [{per_s: 1, most: 5, kind: all}]}",
            ":2: targets.one.windows.0.kind: unknown key",
            id="a rate's unknown key",
        ),
        pytest.param(
            "{" + SANDBOX + ", windows: [5]}",
            ":2: targets.one.windows.0: must hold keys of its own",
            id="a rate without keys",
        ),
        pytest.param(
            "{" + SANDBOX + ", windows: [{per_s: 0, most: 5}]}",
            ":2: targets.one.windows.0.per_s: must be 1 or more",
            id="a rate over no time",
        ),
        pytest.param(
            "{" + SANDBOX + ", at_once: {push: 0}}",
            ":2: targets.one.at_once.push: must be 1 or more",
            id="no calls for pushes",
        ),
        pytest.param(
            "{" + SANDBOX + ", at_once: {status: 2}}",
            ":2: targets.one.at_once.status: unknown key",
            id="no kind that has calls of its own",
        ),
    ],
)
async def test_a_mistake_is_told(tmp_path: Path, target: str, told: str) -> None:
    """File, target, fix; and never the value of a secret."""
    path = tmp_path / "targets.yaml"
    path.write_text(f"targets:\n  one: {target}\n", "utf-8")
    with pytest.raises(ConfigError) as refusal:
        await opened(path)
    assert told in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "hush" not in str(refusal.value)
    assert ENVIRON["NPS_SECRET_ADOBE"] not in str(refusal.value)
    assert _told_offline(path) == str(refusal.value).splitlines()


def _told_offline(path: Path) -> list[str]:
    """Read the same file without opening anything."""
    try:
        read = read_targets(path, Secrets(ENVIRON))
    except ConfigError as error:
        return str(error).splitlines()
    return [*read.mistakes, *read.lacking]


@pytest.mark.parametrize(
    "field",
    [
        *("blackList", "blackListEmail", "BLACKLISTMOBILE", "ccpaOptOut", "email", "PKey"),
        *("emailOptIn", "opt_out", "unsubscribed"),
    ],
)
@pytest.mark.parametrize("enabled", ["true", "false"])
async def test_a_field_of_consent_or_identity_is_never_mapped(
    tmp_path: Path, field: str, enabled: str
) -> None:
    """Refused at start, even in a target that is not enabled."""
    path = tmp_path / "targets.yaml"
    target = f"{ADOBE}, enabled: {enabled}, attributes: {{nps_score: {field}}}"
    path.write_text(f"targets:\n  one: {{{target}}}\n", "utf-8")
    with pytest.raises(ConfigError, match="never written"):
        await opened(path)


async def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One start, one list."""
    path = tmp_path / "targets.yaml"
    path.write_text("targets: {a: {preset: x}, b: {preset: y}}", "utf-8")
    with pytest.raises(ConfigError, match=r"targets\.a: .*\n.*targets\.b: "):
        await opened(path)


@pytest.mark.parametrize(
    ("preset", "status", "over"),
    [
        pytest.param("brevo", None, timedelta(days=3), id="asked-by-default"),
        pytest.param("brevo", {"over_h": 12}, timedelta(hours=12), id="for-half-a-day"),
        pytest.param("brevo", {"ask": False}, None, id="not-wanted"),
        pytest.param("slack", None, None, id="cannot-be-asked"),
        pytest.param("slack", {"ask": False}, None, id="need-not-be-asked"),
    ],
)
def test_a_target_is_asked_what_became_of_messages_if_it_can_be(
    preset: str, status: dict[str, Any] | None, over: timedelta | None
) -> None:
    """By the preset, and as long as the target wants."""
    settings = TargetSettings.model_validate({"preset": preset, "status": status})
    rule = status_of(load_preset(preset), settings)
    assert (None if rule is None else rule.over) == over


def test_a_platform_that_cannot_be_asked_is_named_at_start() -> None:
    """Nobody waits for answers that never come."""
    settings = TargetSettings.model_validate({"preset": "slack", "status": {"over_h": 12}})
    with pytest.raises(ConfigError, match="cannot be asked"):
        status_of(load_preset("slack"), settings)
