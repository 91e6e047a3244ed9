"""Without any way to a Kafka its tests are skipped loudly; in CI that is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
#: A test that needs Kafka and, being only collected, none of the other fixtures.
NEEDS_KAFKA = "tests/journeys/test_canary.py"


def run(path: Path, workers: int, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one Kafka test on a machine without Java, Maven and Docker."""
    options = ["-q", "-p", "no:cacheprovider", "-n", str(workers)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, NEEDS_KAFKA],
        cwd=ROOT,
        env={"PATH": str(path), "HOME": os.environ.get("HOME", "/"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ci", [False, True])
def test_without_java_maven_and_docker(tmp_path: Path, ci: bool, workers: int) -> None:
    """One line says what to install; a green CI must not hide what did not run."""
    ended = run(tmp_path, workers, **({"CI": "true"} if ci else {}))
    told = [line for line in (ended.stdout + ended.stderr).splitlines() if "Maven" in line]

    assert ended.returncode == (1 if ci else 0)
    assert len(told) == 1
    assert "KAFKA_BOOTSTRAP_SERVERS" in told[0]
