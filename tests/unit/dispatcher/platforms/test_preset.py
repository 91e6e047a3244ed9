"""Presets are data, checked as a whole when they are read."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from services.dispatcher.platforms.preset import Preset, load_preset, preset_names
from shared.errors import ConfigError
from shared.settings import read_yaml

GOOD = yaml.safe_load(
    """
name: one
verified: documented
vars: {url: {about: where, url: true}}
base_url: "{{url}}"
push_profile:
  success: ok
  steps:
    - id: find
      request: {method: GET, path: /p, query: {email: "{{email}}"}}
      select: {items: $.items, field: $.email, equal: email}
      extract: {link: $.href}
      branch: {none: park, one: update, many: park}
    - id: update
      request: {method: PATCH, url: link, body: {"...": "{{attributes}}"}}
erase:
  success: ok
  steps:
    - id: look
      request: {method: GET, path: /p, query: {email: "{{email}}"}}
      select: {items: $.items, field: $.email, equal: email}
      extract: {found: $.href}
      branch: {none: done, one: delete, many: park}
    - id: delete
      request: {method: DELETE, url: found}
act:
  success: accepted
  repeatable: {kind: none}
  steps:
    - id: send
      request: {method: POST, path: /s, body: {id: "{{delivery_id}}"}}
"""
)


#: What says who somebody is has a place of its own in a request; no attribute may be mapped to it.
IDENTITY = {
    *("email", "Email", "email_address", "EmailAddress", "ext_id", "identityMap"),
    *("ContactKey", "SubscriberKey", "userId"),
}

#: Options of a send that heed what somebody said, and write nothing.
HEEDING = {"send_to_unsubscribed"}


def test_the_example_is_good() -> None:
    """So that each of the next cases is wrong in one thing only."""
    assert Preset.model_validate(GOOD).name == "one"


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        ("base_url", "{{host}}", "unknown name"),
        ("verified", "surely", "live"),
        ("headers", {"X": "{{token}}"}, "unknown name"),
        ("auth", {"kind": "standard_webhooks", "secrets": ["key"]}, "one of the vars"),
        ("classify", [{"then": "maybe"}], "classify"),
        ("classify", [{"then": "retry", "steps": ["sned"]}], "unknown step"),
        ("push_profile.steps.0.branch.one", "elsewhere", "unknown step"),
        ("push_profile.steps.0.id", "update", "share one id"),
        ("push_profile.steps.1.request.url", "other", "extracted link"),
        ("push_profile.steps.1.request.path", "/x", "either"),
        ("push_profile.steps.1.request.base_url", "https://x.example", "stays on"),
        ("push_profile.steps.0.request.base_url", "https://{{host}}", "unknown name"),
        ("push_profile.steps.0.request.base_url", "https://{{email}}", "unknown name"),
        ("push_profile.repeatable", {"kind": "none"}, "only of it"),
        ("push_profile.steps.1.request.body", {"a": "{{delivery_id}}"}, "unknown name"),
        ("act.repeatable", None, "only of it"),
        ("erase.repeatable", {"kind": "none"}, "only of it"),
        ("erase.steps.1.id", "done", "called park or done"),
        ("erase.steps.0.branch.one", "finished", "unknown step"),
        ("erase.steps.0.request.path", "/p/{{delivery_id}}", "unknown name"),
        ("act.steps.0.request.body", {"a": "{{deliveryid}}"}, "unknown name"),
        (
            "act.steps.0.refused_by",
            {"email": [{"path": "$.a", "refuses": ["{{channel_id}}"]}]},
            "unknown name",
        ),
        ("act.steps.0.after", {"conflict": "find"}, "unknown step"),
        ("act.steps.0.after", {"conflict": "send"}, "is the last one"),
        ("act.steps.0.request.method", "GET", "exactly one step"),
        ("act.steps.0.request.method", "PUT", "POST or a PATCH"),
        ("colour", "red", "Extra inputs"),
        ("base_url", "https://{{free}}.example.com", "unknown name"),
        ("auth", {"kind": "basic", "user": "{{key}}"}, "unknown name"),
        ("act.steps.0.request.body", "{{delivery_id|rot13}}", "unknown filter"),
        ("act.steps.0.request.form", {"a": "b"}, "one of `body`"),
        ("act.steps.0.harmless", True, "exactly one step"),
        ("act.repeatable", {"kind": "look", "after_s": 0}, "greater than 0"),
        ("formats", {"pair": {"field": "id"}}, "Extra inputs"),
        ("limits", {"windows": [{"per_s": 0, "most": 1}]}, "greater than or equal"),
        ("classify", [{"path": "$.a", "then": "reject"}], "go together"),
        ("classify", [{"path": "$.a", "values": ["1"], "present": True, "then": "ok"}], "not both"),
    ],
)
def test_a_preset_that_cannot_work_is_refused(where: str, value: object, told: str) -> None:
    """Unknown names and steps, doubtful doublings: found before any customer is."""
    wrong: Any = copy.deepcopy(GOOD)
    *parents, last = where.split(".")
    place = wrong
    for part in parents:
        place = place[int(part)] if part.isdigit() else place[part]
    place[last] = value
    with pytest.raises(ValidationError, match=told):
        Preset.model_validate(wrong)


BATCH = {
    "max_items": 10,
    "max_bytes": 4096,
    "step": "update",
    "request": {"method": "POST", "path": "/many", "body": {"all": "{{items}}"}},
    "item": {"email": "{{email}}", "...": "{{attributes}}"},
    "failures": {"items": "$.errors", "names": {"email": "$.id"}, "otherwise": "refused"},
}


def batched(where: str = "", value: object = None, label: str = "push_profile") -> dict[str, Any]:
    """Give the good preset a batch in which one thing is another (None: it is not there)."""
    preset, batch = copy.deepcopy(GOOD), copy.deepcopy(BATCH)
    *parents, last = where.split(".")
    place: Any = batch
    for part in parents:
        place = place[part]
    place[last] = value
    if value is None:
        del place[last]
    preset[label]["batch"] = batch
    made: dict[str, Any] = preset
    return made


@pytest.mark.parametrize(
    ("where", "value", "key", "fix"),
    [
        pytest.param("max_items", 1, "max_items", "must be 2 or more", id="of one"),
        pytest.param("max_items", 1001, "max_items", "must be 1000 or less", id="too many"),
        pytest.param("max_bytes", 100, "max_bytes", "must be 1024 or more", id="too small"),
        pytest.param("max_bytes", None, "", "max_bytes: missing: add it", id="no size"),
        pytest.param("step", "send", "step", "one of find, update", id="a step of another"),
        pytest.param("colour", "red", "colour", "unknown key", id="unknown key"),
        pytest.param(
            "request",
            {"method": "POST", "url": "link", "body": ["{{items}}"]},
            "request",
            "give a `path` below",
            id="an extracted link",
        ),
        pytest.param(
            "request.base_url",
            "https://x.example",
            "request",
            "give a `path` below",
            id="elsewhere",
        ),
        pytest.param("request.path", None, "request", "`path` or `url`", id="no address"),
        pytest.param("request.body", {"all": []}, "request", "no {{items}}", id="nobody in it"),
        pytest.param(
            "request.path", "/{{email}}", "request", "unknown name email", id="one person's name"
        ),
        pytest.param("request.body", "{{items|rot13}}", "request", "rot13", id="no such filter"),
        pytest.param("item", "{{items}}", "item", "unknown name items", id="the list in an item"),
        pytest.param("item", "{{play}}", "item", "unknown name play", id="an action's name"),
        pytest.param(
            "failures.index", "$.index", "failures", "give one of `index`", id="named twice"
        ),
        pytest.param("failures.names", None, "failures", "give one of `index`", id="names nobody"),
        pytest.param(
            "failures.names", {"who": "$.id"}, "failures.names", "unknown name who", id="a stranger"
        ),
        pytest.param(
            "sees",
            {"select": {"items": "$.all", "field": "$.id", "equal": "email"}},
            "sees",
            "`shows` nothing",
            id="consent that is not shown",
        ),
        pytest.param("failures.items", "errors", "failures.items", "$", id="no path"),
        pytest.param("failures.otherwise", None, "failures", "missing: add it", id="no reason"),
        pytest.param(
            "failures.rules",
            [{"path": "$.a", "values": [], "then": "retry", "reason": "x"}],
            "failures.rules.0.values",
            "at least 1",
            id="a rule for nothing",
        ),
        pytest.param(
            "failures.rules",
            [{"path": "$.a", "values": ["x"], "then": "ok", "reason": "x"}],
            "failures.rules.0.then",
            "'retry'",
            id="a failure that is none",
        ),
    ],
)
def test_a_batch_that_cannot_work_is_refused_in_its_line(
    where: str, value: object, key: str, fix: str
) -> None:
    """The message names the file, the line of what is to be corrected, and how."""
    told = refused(batched(where, value))
    line, problem = told.removeprefix("one.yaml:").split(": ", 1)
    place = ".".join(part for part in ("push_profile.batch", key) if part)
    assert problem.startswith(place)
    assert fix in problem
    said = yaml.safe_dump(batched(where, value), sort_keys=False).splitlines()[int(line) - 1]
    assert said.strip().removeprefix("- ").startswith(place.split(".")[-1])


@pytest.mark.parametrize("label", ["act", "erase"])
def test_only_pushes_go_together(label: str) -> None:
    """What acts on somebody is never shared: its doubt would be several people's."""
    batch = {**BATCH, "step": GOOD[label]["steps"][0]["id"]}
    wrong: Any = copy.deepcopy(GOOD)
    wrong[label]["batch"] = batch
    assert f"{label}.batch: only pushes are harmless enough" in refused(wrong)


def refused(wrong: dict[str, Any]) -> str:
    """Read a preset that is wrong; return what is told of it."""
    text = yaml.safe_dump(wrong, sort_keys=False)
    with pytest.raises(ConfigError) as told:
        read_yaml(text, Path("one.yaml"), Preset)
    return str(told.value)


def test_a_batch_that_is_right_is_read() -> None:
    """So that each of the cases before is wrong in one thing only."""
    assert Preset.model_validate(batched("item", BATCH["item"])).push_profile is not None


def test_what_stands_in_a_host_name_is_bounded() -> None:
    """Else a setting could lead the account's secret to another's server."""
    wrong: Any = copy.deepcopy(GOOD)
    wrong["base_url"] = "https://{{zone}}.example.com/{{folder}}"
    wrong["vars"] = {"zone": {"about": "which"}, "folder": {"about": "which"}}
    with pytest.raises(ValidationError, match=r"vars\.zone: it stands in a host name"):
        Preset.model_validate(wrong)
    wrong["vars"]["zone"]["pattern"] = "[a-z0-9]{1,9}"
    assert Preset.model_validate(wrong).base_url == wrong["base_url"]
    wrong["vars"]["other"] = {"about": "which"}
    wrong["act"]["steps"][0]["request"]["base_url"] = "https://{{other}}.example.com"
    with pytest.raises(ValidationError, match=r"vars\.other: it stands in a host name"):
        Preset.model_validate(wrong)


@pytest.mark.parametrize("left_out", ["push_profile", "act"])
def test_a_platform_may_take_profiles_only_or_actions_only(left_out: str) -> None:
    """A chat keeps no profiles; a survey tool takes no messages. One of both it must take."""
    half: Any = copy.deepcopy(GOOD)
    del half[left_out]
    assert Preset.model_validate(half).name == "one"
    half = {key: value for key, value in half.items() if key not in ("push_profile", "act")}
    with pytest.raises(ValidationError, match="`push_profile`, `act` or both"):
        Preset.model_validate(half)


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_writes_consent(name: str) -> None:
    """No request of any preset names a field that a target may not map, identity aside."""
    loaded = load_preset(name)
    for operation in (loaded.push_profile, loaded.act):
        for step in operation.steps if operation else ():
            keys = _keys(step.request.body) | set(step.request.form or ())
            assert all(loaded.may_write(key) for key in keys - IDENTITY - HEEDING)


def _keys(body: object) -> set[str]:
    if not isinstance(body, dict):
        return set()
    return set(body) | set().union(*(_keys(value) for value in body.values()))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_sends_the_delivery_id(name: str) -> None:
    """Whatever comes back can be told apart from somebody else's contact."""
    preset = load_preset(name)
    assert (
        preset.act is None
        or {"delivery_id", "delivery_hex", "idempotency_key"} & preset.used_by_actions
    )
