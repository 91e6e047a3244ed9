"""The README tells every setting as the code has it, and names only what exists."""

import re
from pathlib import Path

from services.cli import app
from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_the_table_with_its_meaning() -> None:
    """Name, and the very words that the code has."""
    rows = {
        match[1]: match[2]
        for match in re.finditer(r"^\| `(NPS_\w+)` \|[^|]*\| (.+) \|$", README, re.MULTILINE)
    }

    assert rows == {
        f"NPS_{name.upper()}": field.description for name, field in Settings.model_fields.items()
    }


def test_every_command_and_path_that_is_named_exists() -> None:
    """A newcomer copies what stands there."""
    commands = set(re.findall(r"python -m services (\w+)", README))
    targets = set(re.findall(r"^make (?:\w+=\S+ )?(\w+)", README, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:services|shared|deploy|docs|tests)/[\w./-]+)`", README)

    known = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert commands <= known
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert targets
    assert paths
