"""The Dockerfile, without a Docker engine: hadolint's rules, and ours as a table."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.builders.dockerfile import context, read

ROOT = Path(__file__).resolve().parent.parent.parent.parent
TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
STAGES = read(TEXT)
LAST = STAGES[-1]
EVERY = [step for stage in STAGES for step in stage.steps]
PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")
SECRET = re.compile(r"secret|token|password|passwd|credential|_key\b", re.IGNORECASE)


def test_hadolint_finds_nothing(hadolint: Path) -> None:
    """The rules that everybody's Dockerfiles are held to, its shell parts included."""
    found = subprocess.run(
        [hadolint, "--format", "json", "--failure-threshold", "style", ROOT / "deploy/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(found.stdout) == []


def test_hadolint_would_find_something(hadolint: Path) -> None:
    """A linter that reads nothing finds nothing, too."""
    found = subprocess.run(
        [hadolint, "--format", "json", "-"],
        input="FROM python:latest\nRUN cd /tmp && pip install six\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert {"DL3007", "DL3013"} <= {rule["code"] for rule in json.loads(found.stdout)}


def _copied_from_here() -> list[str]:
    """Name what is copied out of the repository."""
    copies = [step.copied for stage in STAGES for step in stage.all("COPY")]
    return [source for stage, sources, _ in copies if not stage for source in sources]


@pytest.mark.parametrize(
    "holds",
    [
        pytest.param(
            all(
                PINNED.fullmatch(stage.base) or stage.base in {s.name for s in STAGES}
                for stage in STAGES
            ),
            id="each base is pinned by a whole version and its digest",
        ),
        pytest.param(
            [step.text for step in LAST.all("USER")] == ["10001:10001"],
            id="it runs as a numbered user that is not root",
        ),
        pytest.param(
            not any(SECRET.search(step.text) for step in EVERY if step.word in {"ENV", "ARG"}),
            id="no secret is set or asked for while it is built",
        ),
        pytest.param("HEALTHCHECK " not in "\n".join(map(str, EVERY)), id="no HEALTHCHECK"),
        pytest.param(
            sorted(_copied_from_here()) == sorted(p for p in context(ROOT) if "*" not in p),
            id="what is copied is what .dockerignore lets through, nothing more or less",
        ),
        pytest.param(
            all((ROOT / path).exists() for path in _copied_from_here()),
            id="all that is copied exists",
        ),
        pytest.param(
            all(
                "--require-hashes" in step.text and "--only-binary=:all:" in step.text
                for step in EVERY
                if step.word == "RUN" and "install" in step.text
            ),
            id="what is installed comes as a wheel and by its hash",
        ),
        pytest.param(
            not LAST.all("RUN") and all(step.copied[0] for step in LAST.all("COPY")),
            id="nothing of building is left in the last stage",
        ),
        pytest.param(
            [step.words for step in (*LAST.all("ENTRYPOINT"), *LAST.all("CMD"))]
            == [["python", "-m"], ["services"]],
            id="signals reach Python: no shell stands before it",
        ),
    ],
)
def test_the_image_keeps_our_rule(holds: bool) -> None:
    """One line per rule; the id says which was broken."""
    assert holds


@pytest.mark.parametrize("name", ["title", "description", "version", "revision", "created"])
def test_the_image_says_what_it_is(name: str) -> None:
    """By the names of the OCI, which registries and scanners read."""
    labels = LAST.all("LABEL")[0].pairs
    told = labels[f"org.opencontainers.image.{name}"]
    argument = told.removeprefix("$")

    assert told
    assert not told.startswith("$") or any(argument in s.pairs for s in LAST.all("ARG"))


@pytest.mark.parametrize("command", ["ingest", "segmenter", "dispatcher", "sandbox"])
def test_each_command_of_the_image_is_a_module_that_it_holds(command: str) -> None:
    """`docker run IMAGE services.<name>`."""
    assert importlib.util.find_spec(f"services.{command}.__main__")


def test_the_image_installs_neither_the_embedded_database_nor_tools() -> None:
    """What is not in its lock file does not get in."""
    lock = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8")

    assert not re.search(r"^(pixeltable|pytest|ruff|mypy|hadolint|cyclonedx)", lock, re.MULTILINE)
    assert "aiokafka==" in lock


def test_an_instruction_that_nobody_knows_here_is_not_left_out() -> None:
    """The replay of the image would else leave out a step without a word."""
    with pytest.raises(ValueError, match="ONBUILD"):
        read("FROM scratch\nONBUILD RUN true\n")
