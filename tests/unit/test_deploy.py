"""Image and compose file: what can be checked of them without a Docker engine."""

import re
from pathlib import Path
from typing import Any

import yaml

from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(
    (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
)
OURS = ("ingest", "segmenter", "dispatcher", "sandbox")


def environments() -> dict[str, str]:
    """Gather what all compose services set."""
    return {
        name: str(value)
        for service in COMPOSE["services"].values()
        for name, value in service.get("environment", {}).items()
    }


def test_the_image_runs_as_a_numbered_user_that_is_not_root() -> None:
    """An orchestrator can check a number, not a name."""
    (user,) = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)

    assert all(int(part) > 0 for part in user)


def test_everything_the_image_copies_is_let_through_by_dockerignore() -> None:
    """The build context is a list of what is wanted, so no secret or data folder slips in."""
    wanted = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE))

    assert copied == wanted
    assert all((ROOT / path).exists() for path in copied)


def test_the_image_installs_by_hash_and_without_the_embedded_database() -> None:
    """What is not in the lock file does not get in."""
    lock = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8")

    assert "--require-hashes" in DOCKERFILE
    assert "pixeltable" not in lock
    assert "pytest" not in lock
    assert "aiokafka==" in lock


def test_each_service_of_ours_has_a_read_only_root_and_no_capability() -> None:
    """What runs on one machine is hardened as it would be in a cluster."""
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["command"] == [f"services.{name}"]


def test_compose_sets_only_settings_that_exist_and_every_secret_the_configuration_names() -> None:
    """A misspelt setting would silently do nothing."""
    set_there = environments()
    settings = {f"NPS_{name.upper()}" for name in Settings.model_fields}
    wanted = {
        name
        for file in (ROOT / "deploy" / "config").glob("*.yaml")
        for target in _enabled(yaml.safe_load(file.read_text(encoding="utf-8")))
        for name in re.findall(r"\benv:(NPS_[A-Z0-9_]+)", target)
    } | {"NPS_ROUTE_SECRET"}
    ours = {name for name in set_there if name.startswith("NPS_")}

    assert ours - settings - wanted == {
        "NPS_PASSWORD_INGEST",
        "NPS_PASSWORD_SEGMENTER",
        "NPS_PASSWORD_DISPATCHER",
    }
    assert wanted <= ours


def _enabled(config: dict[str, Any]) -> list[str]:
    """Give the parts of a configuration file that are used as it is shipped."""
    targets = config.get("targets")
    if targets is None:
        return [yaml.safe_dump(config)]
    return [yaml.safe_dump(target) for target in targets.values() if target.get("enabled", True)]
