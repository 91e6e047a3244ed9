"""The commands of an installation tell a program what they did: one JSON object each."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services import local
from services.cli import app
from shared.database import SCHEMAS


async def told(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command in a thread of its own, for it brings its own loop."""
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
    content: dict[str, Any] = json.loads(result.stdout) if result.stdout else {}
    return result.exit_code, content


async def test_preparing_a_database_names_its_schemas(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both may be repeated, so both name all."""
    monkeypatch.setenv("NPS_DATABASE_URL", database)

    assert await told("provision") == (0, {"schemas": sorted(SCHEMAS), "may_log_in": []})
    assert await told("migrate") == (0, {"migrated": sorted(SCHEMAS)})


@pytest.mark.parametrize("command", ["provision", "migrate", "topics"])
async def test_a_missing_setting_prints_no_object(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake is a line on standard error, and the exit code 2."""
    monkeypatch.delenv("NPS_DATABASE_URL", raising=False)
    monkeypatch.delenv("NPS_KAFKA_BOOTSTRAP_SERVERS", raising=False)

    assert await told(command) == (2, {})


def test_a_running_instance_tells_where_everything_is() -> None:
    """What the banner tells a person, for a script that starts it."""
    places = json.loads(local.places(8123, Path("data"), {"NPS_TOKEN_OPERATOR": "a token"}))

    assert places["url"] == "http://127.0.0.1:8123"
    assert places["openapi"] == "http://127.0.0.1:8123/openapi.json"
    assert places["operator_token"] == "a token"
    assert {"sandbox", "webhooks", "log"} <= places.keys()
