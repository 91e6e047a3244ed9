"""The page on correcting shows an entry that works, and commands and routes that exist."""

import re
from datetime import UTC, datetime
from pathlib import Path

import yaml
from typer.main import get_command

from services.cli import app
from services.ingest.catalogue import laid_over_preset
from services.ingest.history.rows import read_row
from services.ingest.mapper.compiler import compile_columns
from services.ingest.settings import SourcesFile
from services.ingest.told import Translated

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "correcting.md").read_text(encoding="utf-8")


def test_its_columns_read_a_row_as_it_stands() -> None:
    """Titles with blanks, brackets and question marks, as tools export them."""
    _, _, rest = PAGE.partition("```yaml\n")
    file = SourcesFile.model_validate(yaml.safe_load(rest.partition("```")[0]))
    mapping = compile_columns("pine", laid_over_preset(file.sources["pine"]))
    row = {
        "Response ID": "7",
        "Date": "2026-03-01 10:00",
        "E-mail": "camille@example.com",
        "Score (0-10)": "9",
        "Why?": "quick",
        "Plan": "gold",
    }
    found = read_row(mapping, row, "own", datetime(2026, 11, 22, tzinfo=UTC))
    assert isinstance(found, Translated)
    data = found.told.event.data.model_dump()
    assert (data["answers"], data["attributes"]) == (
        {"score": 9, "comment": "quick"},
        {"plan": "gold"},
    )
    assert data["answered_at"] == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert "email" in {one["kind"] for one in data["identifiers"]}


def test_its_commands_and_options_exist() -> None:
    """Each line that begins with `nps` parses down to its command, with options it knows."""
    root = get_command(app)
    lines = re.findall(r"^    nps (.*)$", PAGE, re.MULTILINE)
    assert len(lines) >= 10
    for line in lines:
        words = line.partition("#")[0].split()
        command = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
