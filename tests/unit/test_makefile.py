"""What a newcomer types first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in this tree, as from a shell even where the tests themselves were made."""
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environ = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_refused_with_one_line_before_anything_is_made(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    """A traceback of some dependency a minute later would say less."""
    python = tmp_path / "python"
    pretend = f"import sys; sys.version_info = {(*version, 0)}; exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    python.chmod(0o755)
    refused = make(f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", "setup")
    ours = [line for line in refused.stderr.splitlines() if not line.startswith("make: ***")]

    assert refused.returncode != 0
    (line,) = ours
    assert line.startswith(f"Python {version[0]}.{version[1]} is not supported: use 3.11, 3.12 or")
    assert not (tmp_path / "venv").exists()


def test_a_second_make_leaves_the_first_to_set_up(tmp_path: Path) -> None:
    """Two terminals, `make run` and `make demo`: one would delete what the other installs."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv.lock").mkdir()
    refused = make(f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}", "setup")

    assert refused.returncode != 0
    assert refused.stdout.startswith(f"Another make is setting up {tmp_path / 'venv'}: wait for it")
    assert (tmp_path / "venv").exists()
    assert (tmp_path / "venv.lock").exists()


def test_help_is_generated_from_what_can_be_made() -> None:
    """A target without its sentence would be missing, a sentence without a target impossible."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (\w+)$", text, re.MULTILINE))
    shown = set(re.findall(r"^  make (\w+) ", make("help").stdout, re.MULTILINE))

    assert shown == phony
    assert {"run", "test", "demo", "check", "help"} <= shown
