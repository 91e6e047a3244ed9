"""`nps target try` for mail and lists: the message or the row, nothing sent, without secrets."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.builders.platforms import SHIPPED


def tried(*args: str, code: int = 0) -> dict[str, Any]:
    """Try a shipped target, which is not enabled, with an invented customer."""
    said = ["target", "try", *args, "--example", "--json", "--config", str(SHIPPED.parent)]
    result = CliRunner().invoke(app, said)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_message_is_shown_as_its_reader_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers and both parts, though the password is set nowhere."""
    monkeypatch.delenv("NPS_SECRET_SMTP", raising=False)
    told = tried("smtp", "--play", "reassurance")
    assert told["sent"] is False
    message, text, html = told["requests"]
    assert message["url"] == "smtp://smtp.example.com:587 (starttls)"
    assert message["headers"]["To"] == "camille.exemple@example.com"
    assert message["headers"]["Content-Language"] == "fr"
    assert text["url"] == "text/plain"
    assert text["body"].startswith("Bonjour Mme Exemple,\n")
    assert html["body"].startswith("<!doctype html>\n")


def test_a_row_is_shown_below_its_header(tmp_path: Path) -> None:
    """The folder need not be there yet."""
    told = tried("calls", "--play", "reassurance", "--channel", "call")
    (row,) = told["requests"]
    header, line = row["body"].splitlines()
    assert header.startswith('"delivery_id";"customer_id"')
    assert '"+33600000000";"Mme Exemple"' in line


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("smtp", "--push"), id="no profiles"),
        pytest.param(("calls", "--play", "reassurance"), id="not a list's channel"),
        pytest.param(("smtp", "--play", "detractor-alert"), id="an alert"),
    ],
)
def test_what_would_not_be_taken_is_told(args: tuple[str, ...]) -> None:
    """With the reason, as at the moment of sending."""
    assert tried(*args, code=1)["outcome"] == "reject"
