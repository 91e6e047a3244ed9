"""Configuration files and secrets: every mistake names its place and its fix."""

from pathlib import Path

import pytest
from pydantic import Field

from shared.errors import ConfigError
from shared.process import read_settings
from shared.settings import Secrets, Strict, load_yaml


class Play(Strict):
    """An example of a nested value."""

    name: str
    limit: int


class Book(Strict):
    """An example of a file."""

    plays: tuple[Play, ...]
    zones: dict[str, Play] = Field(default_factory=dict)


def written(folder: Path, text: str) -> Path:
    path = folder / "book.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_right_file_becomes_its_value_with_the_hash_of_its_text(tmp_path: Path) -> None:
    """The version changes with the text and with nothing else."""
    path = written(tmp_path, "plays:\n  - {name: a, limit: 1}\n")
    first, again = load_yaml(path, Book), load_yaml(path, Book)
    other = load_yaml(written(tmp_path, "plays: []\n"), Book)

    assert first.value == Book(plays=(Play(name="a", limit=1),))
    assert first.version == again.version != other.version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("plays:\n  - name: a\n    limit: x\n", ":3: plays.0.limit: ", id="wrong type"),
        pytest.param(
            "plays:\n  - name: a\n", ":2: plays.0.limit: missing: add it", id="missing key"
        ),
        pytest.param(
            "plays: []\nplayz: 1\n",
            ":2: playz: unknown key: remove it or correct its spelling",
            id="misspelt key",
        ),
        pytest.param("plays: [\n", ":2: ", id="no YAML"),
        pytest.param("plays: []\nplays: []\n", ":2: key 'plays' is given twice", id="given twice"),
        pytest.param("", ":1: plays: missing: add it", id="empty file"),
        pytest.param(
            "plays: []\nzones:\n  paris:\n    name: a\n    limit: 1\n    more: 2\n",
            ":6: zones.paris.more: unknown key",
            id="deep in a map",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_fix(tmp_path: Path, text: str, told: str) -> None:
    """The operator opens the file at the line that is named."""
    path = written(tmp_path, text)

    with pytest.raises(ConfigError) as error:
        load_yaml(path, Book)

    assert str(error.value).startswith(str(path))
    assert told in str(error.value)


def test_a_missing_file_is_told_with_the_fix(tmp_path: Path) -> None:
    """NPS_CONFIG may point to the wrong folder."""
    with pytest.raises(
        ConfigError, match="No such file or directory: create it, or set NPS_CONFIG"
    ):
        load_yaml(tmp_path / "none.yaml", Book)


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """Line ends around it do not count: most editors add one."""
    file = tmp_path / "token"
    file.write_text("from-file\n")
    secrets = Secrets({"NPS_A": "from-env"})

    assert secrets.get("env:NPS_A") == "from-env"
    assert secrets.get(f"file:{file}") == "from-file"


@pytest.mark.parametrize("reference", ["env:NPS_NONE", "file:/nowhere/token", "env:NPS_EMPTY"])
def test_a_secret_that_is_not_there_is_named_by_its_reference(reference: str) -> None:
    """An empty secret would make every signature valid for whoever guesses that it is empty."""
    with pytest.raises(ConfigError, match=f"secret {reference}"):
        Secrets({"NPS_EMPTY": " "}).get(reference)


def test_a_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is the name the operator wrote, not a field of ours."""
    monkeypatch.setenv("NPS_PORT", "many")

    with pytest.raises(ConfigError, match="NPS_PORT: "):
        read_settings()
