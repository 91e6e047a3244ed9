"""The log: JSON lines that hold no personal data, not even when a bug quotes it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from shared.errors import DependencyAway
from shared.observe import configure_logging
from shared.process import run_or_explain

CANARY = "camille.canary@example.com"


class _Number(BaseModel):
    number: int


@pytest.fixture
def log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """The log of this test alone; standard error is `capsys`'s from before it is configured."""
    assert capsys.readouterr().err == ""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    path = tmp_path / "log"
    configure_logging("info", path)
    yield path
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(log: Path) -> list[dict[str, Any]]:
    """Read the log back."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def _quote_in_a_key() -> None:
    raise KeyError(CANARY)


def _quote_in_a_validation() -> None:
    _Number.model_validate({"number": CANARY})


def _quote_in_a_cause() -> None:
    try:
        _quote_in_a_key()
    except KeyError as error:
        raise ValueError(CANARY) from error


@pytest.mark.parametrize("bug", [_quote_in_a_key, _quote_in_a_validation, _quote_in_a_cause])
@pytest.mark.parametrize("library", [False, True])
def test_a_traceback_shows_where_and_what_kind_but_no_value(
    log: Path, capsys: pytest.CaptureFixture[str], bug: Any, library: bool
) -> None:
    """The text of an error may quote what it met; file, line and type are enough to find it."""
    try:
        bug()
    except Exception as error:
        if library:
            logging.getLogger("uvicorn.error").log(logging.ERROR, "failed", exc_info=error)
        else:
            structlog.get_logger("ours").error("failed", exc_info=error)
    written = log.read_text() + capsys.readouterr().err

    assert CANARY not in written
    (line,) = lines(log)
    assert line["exception"][0]["exc_type"] in ("KeyError", "ValidationError", "ValueError")
    assert bug.__name__ in {frame["name"] for frame in line["exception"][0]["frames"]}


def test_what_our_own_errors_say_is_shown(log: Path) -> None:
    """By rule nothing personal is in them, and they say what is away."""
    structlog.get_logger("ours").error("failed", exc_info=DependencyAway("database: gone"))

    assert lines(log)[0]["exception"][0]["exc_value"] == "database: gone"


def test_a_bug_that_ends_the_process_is_one_line_of_the_log(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and no bare traceback beside the JSON lines."""

    async def run() -> None:
        _quote_in_a_key()

    with pytest.raises(SystemExit) as ended:
        run_or_explain(run)

    assert ended.value.code == 1
    (line,) = lines(log)
    assert (line["event"], line["error"]) == ("process.failed", "KeyError")
    shown = capsys.readouterr().err
    assert [json.loads(one)["event"] for one in shown.splitlines()] == ["process.failed"]
    assert CANARY not in shown
