"""The Helm chart, rendered by a real Helm, built once from the pinned module in deploy/tools.

Where Go is missing the tests that render are skipped with one line; with `CI=true` they fail.
"""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.builders.tools import missing

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CHART: Final = ROOT / "deploy" / "helm" / "nps-connector"
TOOLS: Final = ROOT / ".tools"
PROFILES: Final = ("small", "standard", "large")
#: The oldest that the chart supports; a test holds it to Chart.yaml.
OLDEST: Final = "1.27"
#: Versions of resources of Kubernetes itself; all others are operators'.
OWN: Final = ("v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1")
INSTALL: Final = "CHART TESTS NOT RUN: install Go 1.26 or newer (it builds Helm from deploy/tools)"

Document = dict[str, Any]
#: In C where the machine has it: a render of a thousand lines takes 0.02 s and not 0.3.
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Helm:
    """A Helm that renders this chart; knows no cluster."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._rendered: dict[tuple[str, ...], list[Document]] = {}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Helm with its own settings only, from the chart's folder."""
        return subprocess.run(
            [str(self._binary), *arguments],
            cwd=CHART,
            env={"PATH": os.environ["PATH"], "HOME": str(TOOLS)},
            capture_output=True,
            text=True,
            check=False,
        )

    def text(self, profile: str, *arguments: str, chart: Path = CHART) -> str:
        """Render a profile as text; raises with Helm's words where it refuses."""
        rendered = self.refused(profile, *arguments, chart=chart)
        if rendered.returncode:
            raise AssertionError(rendered.stderr)
        return rendered.stdout

    def refused(
        self, profile: str, *arguments: str, chart: Path = CHART
    ) -> "subprocess.CompletedProcess[str]":
        """Render a profile without asking whether it worked."""
        values = str(CHART / "ci" / f"{profile}-values.yaml")
        common = ("template", "nps", str(chart), "--namespace", "nps", "--kube-version", OLDEST)
        return self.run(*common, "--values", values, *arguments)

    def render(
        self, profile: str, values: Mapping[str, object] | None = None, *arguments: str
    ) -> list[Document]:
        """Render a profile with some values changed; keys may be dotted (`ingest.replicas`).

        What it gives is shared by all who ask for the same: not to be changed.
        """
        changes = [f"{name}={json.dumps(value)}" for name, value in (values or {}).items()]
        asked = (*[word for change in changes for word in ("--set-json", change)], *arguments)
        key = (profile, *asked)
        if key not in self._rendered:
            parsed = yaml.load_all(self.text(profile, *asked), Loader=LOADER)
            self._rendered[key] = [document for document in parsed if document]
        return self._rendered[key]


def of_kind(documents: Sequence[Document], kind: str) -> dict[str, Document]:
    """Gather the resources of one kind by what is left of their names after the release's."""
    return {
        document["metadata"]["name"].removeprefix("nps-nps-connector-"): document
        for document in documents
        if document["kind"] == kind
    }


def go() -> str | None:
    """Find Go, on the PATH or where its own archive puts it."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


def tool(name: str) -> Path:
    """Build one of the pinned tools, or take what was built; workers take turns."""
    program = go()
    binary = TOOLS / "bin" / name
    if program is None:
        missing(INSTALL)
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "turn").open("ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        built = subprocess.run(
            ["make", "--no-print-directory", f"GO={program}", f".tools/bin/{name}"],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")},
            capture_output=True,
            text=True,
            check=False,
        )
    if built.returncode:
        pytest.fail(f"{name} could not be built: {built.stderr[-2000:]}")
    return binary


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Give a real Helm."""
    return Helm(tool("helm"))


@pytest.fixture(scope="session")
def kube_score() -> Path:
    """Give kube-score, which knows what reviewers of manifests look for."""
    return tool("kube-score")
