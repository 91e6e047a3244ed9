"""The log: JSON lines that hold no personal data, not even when a bug quotes it."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from asyncpg.exceptions import UniqueViolationError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from shared.errors import DependencyAway
from shared.observe import Lines, configure_logging
from shared.process import run_or_explain

CANARY = "camille.canary@example.com"


class _Number(BaseModel):
    number: int


class _Broken(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise ValueError(record.msg)


@dataclass(frozen=True)
class Log:
    """Where the lines of one test go: a file, and the terminal for warnings and errors."""

    file: Path
    terminal: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        """Read the file back."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def everything(self) -> str:
        """Read both."""
        return self.file.read_text() + self.terminal.getvalue()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """The log of this test alone."""
    root = logging.getLogger()
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    found = Log(tmp_path / "log", io.StringIO())
    monkeypatch.setattr(sys, "stderr", found.terminal)
    configure_logging("info", found.file)
    yield found
    for handler in root.handlers:
        handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


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
    log: Log, bug: Callable[[], None], library: bool
) -> None:
    """The text of an error may quote what it met; file, line and type are enough to find it."""
    try:
        bug()
    except Exception as error:
        if library:
            logging.getLogger("uvicorn.error").log(logging.ERROR, "failed", exc_info=error)
        else:
            structlog.get_logger("ours").error("failed", exc_info=error)

    assert CANARY not in log.everything()
    (line,) = log.lines()
    assert line["exception"][0]["exc_type"] in ("KeyError", "ValidationError", "ValueError")
    assert bug.__name__ in {frame["name"] for frame in line["exception"][0]["frames"]}


def test_what_our_own_errors_say_is_shown(log: Log) -> None:
    """By rule nothing personal is in them, and they say what is away."""
    structlog.get_logger("ours").error("failed", exc_info=DependencyAway("database: gone"))

    assert log.lines()[0]["exception"][0]["exc_value"] == "database: gone"


def test_an_error_of_the_database_is_told_by_its_state_alone(log: Log) -> None:
    """Its text may quote a row: "Key (value)=(…) already exists"."""
    refused = UniqueViolationError(f"Key (value)=({CANARY}) already exists")
    structlog.get_logger("ours").error(
        "failed", exc_info=DBAPIError("INSERT", {"value": CANARY}, refused)
    )

    assert log.lines()[0]["exception"][0]["exc_value"] == "SQLSTATE 23505"
    assert CANARY not in log.everything()


def test_odd_values_lose_no_line(log: Log) -> None:
    """Whatever a library hands over becomes JSON."""
    structlog.get_logger("ours").info("odd", large=1 << 70, half="\ud800", kind=Path("x"))

    (line,) = log.lines()
    assert (line["large"], line["half"]) == (1 << 70, "\ud800")


def test_a_line_that_cannot_be_written_is_not_shown_either(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python would print the whole record beside the log."""
    for handler in logging.getLogger().handlers:
        # Put back afterwards: pytest's own handlers, which serve all tests, are among them.
        monkeypatch.setattr(handler, "formatter", _Broken())
    structlog.get_logger("ours").error("failed", value=CANARY)

    assert "Logging error" not in log.everything()


def test_a_bug_that_ends_the_process_is_one_line_of_the_log(log: Log) -> None:
    """Exit code 1, and no bare traceback beside the JSON lines."""

    async def run() -> None:
        _quote_in_a_key()

    with pytest.raises(SystemExit) as ended:
        run_or_explain(run)

    assert ended.value.code == 1
    (line,) = log.lines()
    assert (line["event"], line["error"]) == ("process.failed", "KeyError")
    assert [json.loads(one) for one in log.terminal.getvalue().splitlines()] == [line]
    assert CANARY not in log.everything()


class _Terminal(io.StringIO):
    """Counts what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, text: str) -> int:
        """Take one write."""
        self.writes += 1
        return super().write(text)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Terminal]:
    """Standard error as a service has it, with no file."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    found = _Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    configure_logging("info")
    yield found
    root.setLevel(level)
    structlog.reset_defaults()


async def test_lines_of_one_turn_of_the_loop_leave_in_one_write(terminal: _Terminal) -> None:
    """Many requests are answered in one turn, and a system call costs more than a line."""
    lines = Lines("ours")
    for number in range(3):
        lines.info("request", {"number": number})
    before = terminal.getvalue()
    await asyncio.sleep(0)

    told = [json.loads(line)["number"] for line in terminal.getvalue().splitlines()]
    assert (before, told, terminal.writes) == ("", [0, 1, 2], 1)


async def test_what_another_logger_says_comes_after_what_was_said_before(
    terminal: _Terminal,
) -> None:
    """The order of the log is the order in which things were told."""
    Lines("ours").info("first", {})
    structlog.get_logger("theirs").info("second")

    told = [json.loads(line)["event"] for line in terminal.getvalue().splitlines()]
    assert told == ["first", "second"]


def test_without_a_loop_a_line_is_written_at_once(terminal: _Terminal) -> None:
    """A command has no next turn."""
    Lines("ours").info("only", {})

    assert json.loads(terminal.getvalue())["event"] == "only"


async def test_a_process_that_ends_writes_its_last_lines(terminal: _Terminal) -> None:
    """The standard library flushes its handlers at the end."""
    Lines("ours").info("last", {})
    for handler in logging.getLogger().handlers:
        handler.flush()

    assert json.loads(terminal.getvalue())["event"] == "last"
