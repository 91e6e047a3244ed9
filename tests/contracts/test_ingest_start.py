"""A person starts ingest with something wrong: clear lines and an exit code, no traceback."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from services.ingest.catalogue import PRESETS
from tests.builders.ingest import CONFIG
from tests.builders.responses import SECRETS

ROOT = CONFIG.parent.parent
GOOD = {**SECRETS, "NPS_ROUTE_SECRET": "route", "NPS_TOKEN_OPERATOR": "token"}


def start(*arguments: str, **environ: str) -> tuple[int, str]:
    """Run `python -m services.ingest` to its end; gives exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NPS_PORT": "0", **GOOD, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [(), ("migrate",)], ids=["start", "migrate"])
def test_a_database_away_is_one_line_and_75(arguments: tuple[str, ...]) -> None:
    """Try again later, as an orchestrator does by itself; no password is shown."""
    url = "postgresql+asyncpg://nps:hunter2@127.0.0.1:1/nps"
    code, said = start(*arguments, NPS_DATABASE_URL=url)
    assert code == 75
    assert said.count("\n") == 1
    assert "does not answer: start it or correct its address" in said
    assert "hunter2" not in said


def test_a_database_that_is_not_there_is_told_with_the_fix(database: str) -> None:
    """The server answers, and knows no such database."""
    url = make_url(database).set(database="nowhere").render_as_string(hide_password=False)
    code, said = start(NPS_DATABASE_URL=url)
    assert (code, said.count("\n")) == (2, 1)
    assert "3D000" in said
    assert "correct its name in NPS_DATABASE_URL" in said


def test_a_database_that_was_never_prepared_is_told_with_the_command(database: str) -> None:
    """The role of the schema is missing: provisioning makes it."""
    url = make_url(database).set(username="nobody-here").render_as_string(hide_password=False)
    code, said = start(NPS_DATABASE_URL=url)
    assert (code, said.count("\n")) == (2, 1)
    assert "NPS_DATABASE_URL" in said


def test_a_port_in_use_is_told_with_the_fix(database: str) -> None:
    """Nothing is left half started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        code, said = start(NPS_DATABASE_URL=database, NPS_PORT=port)
    assert (code, said.count("\n")) == (2, 1)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use: stop what uses it" in said


def test_kafka_without_brokers_is_told(database: str) -> None:
    """The bus is asked for and its address is not given."""
    code, said = start(NPS_DATABASE_URL=database, NPS_BUS="kafka")
    assert (code, said) == (
        2,
        "NPS_KAFKA_BOOTSTRAP_SERVERS is not set: give the brokers (host:port)\n",
    )


def test_a_wrong_source_is_told_with_file_line_and_fix(database: str, tmp_path: Path) -> None:
    """All lines at once, before any request is answered."""
    shutil.copy(CONFIG / "access.yaml", tmp_path)
    (tmp_path / "sources.yaml").write_text(
        "sources:\n"
        "  shop: {preset: generic, secrets: [env:NPS_SECRET_NONE]}\n"
        "  other: {preset: unheard-of}\n"
    )
    code, said = start(NPS_DATABASE_URL=database, NPS_CONFIG=str(tmp_path))
    assert code == 2
    first, second = said.splitlines()
    assert first == (
        f"{tmp_path}/sources.yaml:2: sources.shop.secrets.0: secret env:NPS_SECRET_NONE is empty "
        "or not set: set it, then start again"
    )
    assert second == (
        f"{tmp_path}/sources.yaml:3: sources.other.preset: unknown preset: choose one of "
        + ", ".join(sorted(path.stem for path in PRESETS.glob("*.yaml")))
    )


def test_a_missing_access_file_is_told(database: str, tmp_path: Path) -> None:
    """No file of tokens is not the same as no token."""
    code, said = start(NPS_DATABASE_URL=database, NPS_CONFIG=str(tmp_path))
    assert code == 2
    assert said == (
        f"{tmp_path}/access.yaml: No such file or directory: create it, or set NPS_CONFIG\n"
    )
