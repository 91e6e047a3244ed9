"""What the Dockerfile's steps make, without an engine: it starts, refuses and answers as told."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deploy.tools.sbom import describe, unwelcome
from shared.embedded.account import choose
from tests.builders.dockerfile import read
from tests.builders.ports import free_port
from tests.builders.postgres import bare_database
from tests.builders.replayed import ROOT, Image, interpreter, replay
from tests.builders.tools import missing
from tests.builders.waiting import eventually

SERVICES = ["services.ingest", "services.segmenter", "services.dispatcher"]
SECRETS = dict.fromkeys(
    (
        *("NPS_TOKEN_OPERATOR", "NPS_ROUTE_SECRET", "NPS_SECRET_TYPEFORM_NPS"),
        *("NPS_SECRET_FORMBRICKS_NPS", "NPS_SECRET_SHOP"),
        *("NPS_PASSWORD_INGEST", "NPS_PASSWORD_SEGMENTER", "NPS_PASSWORD_DISPATCHER"),
    ),
    "s" * 32,
)


@pytest.fixture(scope="module")
def image(reachable_folder: Path) -> Iterator[Image]:
    """The image, made once: most of it is the installing of its wheels."""
    user = int(read((ROOT / "deploy" / "Dockerfile").read_text())[-1].all("USER")[0].text[:5])
    python = interpreter(Image(ROOT, user=user).run_as)
    if python is None:
        missing(f"IMAGE NOT REPLAYED: no Python 3.11 to 3.13 that user {user} may start")
    folder = reachable_folder / "image"
    folder.mkdir()
    yield replay(ROOT, folder, python)
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


@pytest.mark.parametrize("module", SERVICES)
def test_each_command_without_a_database_ends_at_once_with_the_name_of_the_setting(
    image: Image, module: str, tmp_path: Path
) -> None:
    """An orchestrator shows the last line; it must be the thing to do."""
    code, told = image.run(module, log=tmp_path / "log", environ={})

    assert (code, told) == (
        2,
        "NPS_DATABASE_URL is not set: give the PostgreSQL of this installation\n",
    )


@pytest.mark.parametrize("module", SERVICES)
def test_each_command_with_a_wrong_setting_ends_at_once_with_the_fix(
    image: Image, module: str, tmp_path: Path
) -> None:
    """Nothing is half started."""
    code, told = image.run(module, log=tmp_path / "log", environ={"NPS_PORT": "eighty"})

    assert (code, told) == (2, "NPS_PORT: must be a whole number\n")


def test_the_operators_commands_are_there_and_the_configuration_is_where_they_look(
    image: Image, tmp_path: Path
) -> None:
    """`docker run IMAGE services …` is `nps …`."""
    helped = image.run("services", "--help", log=tmp_path / "help", environ={})
    checked = image.run("services", "config", "check", log=tmp_path / "check", environ=SECRETS)

    assert helped[0] == 0
    assert "provision" in helped[1]
    assert checked[0] == 0, checked[1]


def test_nothing_in_the_image_can_be_written_by_its_user(image: Image) -> None:
    """Its root file system may be read-only, and who breaks in changes no code."""
    account = image.run_as if os.geteuid() == 0 else {}
    writable = subprocess.run(
        ["find", str(image.root), "!", "-type", "l", "-writable"],
        capture_output=True,
        text=True,
        check=True,
        **account,
    ).stdout

    assert writable == ""
    assert not list(image.inside("/opt/venv").glob("lib/*/site-packages/pip"))
    assert list(image.inside("/app/services/ingest").glob("__pycache__/*.pyc"))


async def test_it_prepares_a_database_and_ingest_is_ready_and_stops_in_order(
    image: Image, server: str, tmp_path: Path
) -> None:
    """What compose and the chart do: provision, migrate, start, ask /readyz, stop."""
    # The embedded server lets its own account in, which is not root either.
    image = replace(image, user=choose(None).uid)
    async with bare_database(server) as admin:
        environ = {**SECRETS, "NPS_DATABASE_URL": admin}
        for command in ("provision", "migrate"):
            code, told = await asyncio.to_thread(
                image.run, "services", command, log=tmp_path / command, environ=environ
            )
            assert code == 0, told
        port = free_port()
        log = tmp_path / "ingest"
        ingest = image.spawn(
            "services.ingest",
            log=log,
            environ={**environ, "NPS_HOST": "127.0.0.1", "NPS_PORT": str(port)},
        )
        try:
            async with httpx.AsyncClient() as client:

                async def ready() -> bool:
                    assert ingest.poll() is None, log.read_text()
                    try:
                        answer = await client.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
                    except httpx.TransportError:
                        return False
                    return answer.status_code == 200

                await eventually(ready, within=60, what="ingest of the image ready")
            ingest.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(ingest.wait, 60) == 0, log.read_text()
        finally:
            ingest.kill()
            ingest.wait()


def test_the_bill_of_materials_names_all_that_is_installed_and_nothing_of_this_machine(
    image: Image, sbom_generator: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Made twice it is the same to the byte, so that two releases can be compared."""
    python = image.inside("/opt/venv/bin/python")
    text = describe(python, sbom_generator)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    again = describe(python, sbom_generator, validated=False)
    bill = json.loads(text)
    lock = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8")
    # Of the lock all but what is for other systems.
    locked = set(re.findall(r"^([a-z0-9-]+==\S+) (?!; sys_platform == 'win32')", lock, re.M))
    named = {
        f"{re.sub('[-_.]+', '-', c['name']).lower()}=={c['version']}" for c in bill["components"]
    }

    assert text == again
    assert named == locked
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "nps-connector"
    assert "timestamp" not in bill["metadata"]
    for told in (socket.gethostname(), str(ROOT), str(image.root), str(Path.home())):
        assert f"{told}/" not in text
        assert f'"{told}' not in text
    assert unwelcome(bill) == []
