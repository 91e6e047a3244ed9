"""The compose file, without a Docker engine: Docker Compose's own loader, and our rules."""

import json
import os
import re
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from deploy.tools.env_file import complete, known, main, needed
from services.cli import app
from shared.settings import Settings
from shared.shutdown import ENDING_S
from tests.builders.postgres import permissions

ROOT = Path(__file__).resolve().parent.parent.parent.parent
FILE = ROOT / "deploy" / "compose.yaml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
OURS = ("ingest", "segmenter", "dispatcher", "sandbox")


def environments() -> dict[str, str]:
    """Gather what all compose services set."""
    return {
        name: str(value)
        for service in COMPOSE["services"].values()
        for name, value in service.get("environment", {}).items()
    }


def test_each_service_of_ours_has_a_read_only_root_and_no_capability() -> None:
    """What runs on one machine is hardened as it would be in a cluster."""
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["command"] == [f"services.{name}"]


def loaded(loader: Path, path: Path, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Read a compose file as Docker Compose does."""
    environ = {"PATH": os.environ["PATH"], **values}
    return subprocess.run([loader, path], env=environ, capture_output=True, text=True, check=False)


def test_docker_composes_own_loader_reads_it(compose_loader: Path) -> None:
    """The Compose specification's schema, and whatever is named is there."""
    read = loaded(compose_loader, FILE, dict.fromkeys(needed(TEXT), "made-up"))

    assert read.returncode == 0, read.stderr
    assert read.stderr == ""
    project = json.loads(read.stdout)
    assert set(project["services"]) == set(COMPOSE["services"])
    assert project["services"]["ingest"]["environment"]["NPS_ROUTE_SECRET"] == "made-up"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        pytest.param("cap_drop", "cap_dropp", "cap_dropp", id="a key it does not know"),
        pytest.param("[kafka:/var", "[kafkaa:/var", "kafkaa", id="a volume that is not there"),
        pytest.param(
            "    prepare: {c", "    prepar: {c", "prepar", id="a service that is not there"
        ),
        pytest.param("interval: 15s", "interval: soon", "duration", id="a time that is none"),
    ],
)
def test_what_is_wrong_would_be_found(
    compose_loader: Path, tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    """A validator that lets all through shows nothing."""
    assert right in TEXT
    spoilt = tmp_path / "compose.yaml"
    spoilt.write_text(TEXT.replace(right, wrong))
    read = loaded(compose_loader, spoilt, dict.fromkeys(needed(TEXT), "made-up"))

    assert read.returncode == 1
    assert told in read.stderr


def test_a_secret_that_is_not_set_is_named_and_nothing_starts(compose_loader: Path) -> None:
    """Rather than a service that runs with an empty password."""
    for name in needed(TEXT):
        others = {other: "made-up" for other in needed(TEXT) if other != name}
        read = loaded(compose_loader, FILE, others)

        assert read.returncode == 1
        assert f"{name} is missing a value: set it" in read.stderr


def test_every_secret_comes_from_outside() -> None:
    """None stands in the file, not even one to be changed later."""
    for name, value in environments().items():
        if re.search(r"SECRET|TOKEN|PASSWORD", name):
            assert re.fullmatch(r"\$\{[A-Z_]+(:\?.+)?\}", value), name


def test_images_of_others_are_pinned_by_version_and_digest() -> None:
    """The same file starts the same software next year."""
    images = {s["image"] for s in COMPOSE["services"].values() if "build" not in s}

    assert len(images) == 2
    for image in images:
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}", image)


def test_what_runs_tells_its_health_and_has_time_to_end() -> None:
    """`make up` returns once all answer; `make down` cuts nothing off."""
    seconds = TypeAdapter(timedelta)
    for name, service in COMPOSE["services"].items():
        if name == "prepare":
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
        grace = seconds.validate_python(f"PT{service['stop_grace_period'].upper()}")
        assert grace.total_seconds() >= ENDING_S + Settings().drain_s, name


def test_what_listens_is_reached_from_this_machine_alone() -> None:
    """The sandbox is open to whoever reaches its port."""
    ports = [port for s in COMPOSE["services"].values() for port in s.get("ports", ())]

    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prepare_runs_commands_that_exist() -> None:
    """A renamed command would show at the next start only."""
    (line,) = COMPOSE["services"]["prepare"]["command"]
    commands = re.findall(r"python -m services (\w+)", line)
    there = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]

    assert commands == ["provision", "migrate", "topics"]
    assert set(commands) <= there


def test_make_up_makes_up_each_secret_once_for_this_account_alone(tmp_path: Path) -> None:
    """A second start keeps them: the database knows its passwords."""
    compose = tmp_path / "compose.yaml"
    compose.write_text(TEXT)
    first, new = complete(compose, {})
    again, none = complete(compose, {})

    assert sorted(first) == new == needed(TEXT)
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch(r"[\w-]{43}", value) for value in first.values())
    assert permissions(tmp_path / ".env") == 0o600
    assert again == first == known((tmp_path / ".env").read_text())
    assert none == []
    assert [path.name for path in sorted(tmp_path.iterdir())] == [".env", "compose.yaml"]


def test_make_up_changes_nothing_that_stands_in_the_file_or_in_the_environment(
    tmp_path: Path,
) -> None:
    """A value typed by hand wins, and a later release may need one more."""
    compose = tmp_path / "compose.yaml"
    compose.write_text(TEXT)
    (tmp_path / ".env").write_text("# mine\nNPS_TOKEN_OPERATOR='typed by hand'\nNPS_SECRET_SHOP=")
    values, new = complete(compose, {"NPS_ROUTE_SECRET": "from-outside"})
    text = (tmp_path / ".env").read_text()

    assert text.startswith("# mine\nNPS_TOKEN_OPERATOR='typed by hand'\n")
    assert values["NPS_TOKEN_OPERATOR"] == "typed by hand"
    assert "NPS_SECRET_SHOP" in new
    assert known(text)["NPS_SECRET_SHOP"]
    assert "NPS_ROUTE_SECRET" not in text
    assert permissions(tmp_path / ".env") == 0o600


def test_make_up_says_where_everything_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses as the compose file publishes them, and the token; never another secret."""
    monkeypatch.delenv("NPS_TOKEN_OPERATOR", raising=False)
    compose = tmp_path / "compose.yaml"
    compose.write_text(TEXT)
    main([str(compose)])
    made = capsys.readouterr().out
    main([str(compose), "--places"])
    told = capsys.readouterr().out
    values = known((tmp_path / ".env").read_text())
    published = [
        str(service["ports"][0]).split(":")[1].split("-")[0]
        for service in COMPOSE["services"].values()
        if "ports" in service
    ]

    assert all(f"http://127.0.0.1:{port}/" in told for port in published)
    assert values.pop("NPS_TOKEN_OPERATOR") in told
    assert not any(value in made + told for value in values.values())


def test_the_secrets_are_kept_out_of_the_repository_and_of_the_image() -> None:
    """One `git add .` would publish them."""
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/.env", "deploy/.env.new"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ignored.stdout.split() == ["deploy/.env", "deploy/.env.new"]
    assert not any("env" in line for line in (ROOT / ".dockerignore").read_text().splitlines())


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
