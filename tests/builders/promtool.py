"""Prometheus's own checker for the tests: `promtool`, of 2.42 or newer.

In this order: the one on the PATH; one fetched before into the ignored folder .tools/; Debian's
package `prometheus`, fetched and unpacked there once (apt, no root). With none of them the tests
that ask for it are skipped with one line; with `CI=true` they fail with it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

INSTALL: Final = (
    "PROMTOOL TESTS NOT RUN: put promtool 2.42 or newer on the PATH (Debian's package prometheus)"
)
#: `keep_firing_for` came with it.
_LEAST: Final = (2, 42)
_TOOLS: Final = Path(__file__).resolve().parent.parent.parent / ".tools"
_FETCH_S: Final = 120
_APT: Final = ("apt-get", "--quiet")


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Give a promtool that reads our rules."""
    found = _found()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(INSTALL, pytrace=False)
        pytest.skip(INSTALL)
    return found


def _found() -> Path | None:
    on_path = shutil.which("promtool")
    candidates = [Path(on_path)] if on_path else []
    candidates.append(_TOOLS / "prometheus" / "usr" / "bin" / "promtool")
    for candidate in candidates:
        if candidate.exists() and _version(candidate) >= _LEAST:
            return candidate
    fetched = _fetch()
    return fetched if fetched and _version(fetched) >= _LEAST else None


def _version(tool: Path) -> tuple[int, ...]:
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    numbers = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return tuple(int(number) for number in numbers.groups()) if numbers else ()


def _fetch() -> Path | None:
    """Unpack Debian's package; a worker beside us may do the same, so it is moved when whole."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return None
    place = _TOOLS / f"prometheus-{os.getpid()}"
    for folder in ("lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    try:
        if not _ran(place, *_APT, "download", "prometheus"):
            # A new machine has no lists yet. Ours are our own, for which nobody need be root.
            own = ("-o", f"Dir::State::Lists={place}/lists", "-o", f"Dir::Cache={place}/cache")
            _ran(place, *_APT, *own, "update")
            _ran(place, *_APT, *own, "download", "prometheus")
        unpacked = _ran(place, "sh", "-c", "dpkg -x prometheus_*.deb . && rm -rf *.deb lists cache")
        if unpacked and not (_TOOLS / "prometheus").exists():
            place.rename(_TOOLS / "prometheus")
    except (OSError, subprocess.SubprocessError):
        pass
    finally:
        shutil.rmtree(place, ignore_errors=True)
    tool = _TOOLS / "prometheus" / "usr" / "bin" / "promtool"
    return tool if tool.exists() else None


def _ran(place: Path, *command: str) -> bool:
    """Run a command in a folder; tells whether it worked."""
    ran = subprocess.run(command, cwd=place, capture_output=True, check=False, timeout=_FETCH_S)
    return ran.returncode == 0
