"""`nps target try` as somebody uses it who has installed nothing but the configuration."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.builders.decisions import decision

CONFIG = str(Path(__file__).parents[3] / "deploy" / "config")


def tried(*arguments: str) -> tuple[int, str, str]:
    """Run the command; exit code, output and errors."""
    result = CliRunner().invoke(app, ["target", "try", *arguments, "--config", CONFIG])
    return result.exit_code, result.stdout, result.stderr


def as_json(*arguments: str) -> dict[str, Any]:
    """Run it for its JSON."""
    code, out, errors = tried(*arguments, "--json")
    assert code == 0, errors
    found: dict[str, Any] = orjson.loads(out)
    return found


def test_a_push_to_a_target_that_is_not_enabled_is_shown() -> None:
    """Before there are credentials: what would Adobe get?"""
    code, out, _ = tried("adobe", "--example", "--push")

    assert code == 0
    assert "adobe_campaign_standard, documented, not enabled): nothing was sent" in out
    assert '"cusNpsSegment":"Détracteurs"' in out
    assert "client_secret=••••" in out


def test_a_play_is_shown_at_any_target() -> None:
    """The shipped plays go to the sandbox; the target that is tried is the one that is named."""
    found = as_json("adobe", "--example", "--play", "reassurance", "--dry-run")

    last = found["requests"][-1]
    assert (found["sent"], last["step"], last["method"]) == (False, "trigger", "POST")
    assert last["url"].endswith("/mcexample-mkt-stage/EVTnpsReassurance")
    assert "Camille" in last["body"]


def test_a_saved_decision_can_be_tried(tmp_path: Path) -> None:
    """The event as it is on the topic, or its data alone."""
    data = decision().model_dump(mode="json")
    for number, content in enumerate([data, {"specversion": "1.0", "data": data}]):
        file = tmp_path / f"{number}.json"
        file.write_bytes(orjson.dumps(content))
        found = as_json("listmonk", "--decision", str(file), "--push")
        assert [one["step"] for one in found["requests"]] == ["create", "find", "update"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(
            ["nowhere", "--example", "--push"], 2, "has no target nowhere", id="no target"
        ),
        pytest.param(["adobe", "--push"], 2, "--customer, --decision and --example", id="nobody"),
        pytest.param(["adobe", "--example"], 2, "--push or --play", id="nothing"),
        pytest.param(["adobe", "--example", "--play", "x"], 2, "no play is called x", id="no play"),
        pytest.param(
            ["adobe", "--example", "--push", "--send"], 2, "`sandbox: true`", id="not a sandbox"
        ),
        pytest.param(
            ["adobe", "--decision", "/nowhere.json", "--push"], 2, "No such file", id="no file"
        ),
        pytest.param(["adobe", "--customer", "jane", "--push"], 2, "email:…", id="no name"),
    ],
)
def test_a_mistake_is_told_with_its_fix(arguments: list[str], code: int, told: str) -> None:
    """One line, and nothing was sent."""
    found, out, errors = tried(*arguments)

    assert (found, out) == (code, "")
    assert told in errors


def test_a_request_that_cannot_be_written_is_a_failure() -> None:
    """The message has no number at listmonk: a script that tries each play sees it."""
    code, out, _ = tried("listmonk", "--example", "--play", "thanks")

    assert code == 1
    assert "template THANKS_FR" in out
    assert "add THANKS_FR with its number to the target's `templates`" in out


def test_what_a_target_does_not_carry_is_said() -> None:
    """An internal alert never goes to the customer's own address."""
    code, out, _ = tried("adobe", "--example", "--play", "detractor-alert")

    assert code == 1
    assert "does not carry the class internal" in out


@pytest.mark.parametrize("name", ["brevo", "listmonk", "mautic", "twilio"])
def test_the_shipped_examples_can_send_the_shipped_reassurance(name: str) -> None:
    """What a newcomer tries first is complete: no template of it lacks its number."""
    channel = ("--channel", "sms") if name == "twilio" else ()
    found = as_json(name, "--example", "--play", "reassurance", *channel)

    assert found["action"] == "reassurance"
    assert [one["why"] for one in found["requests"] if one["why"]] == []
