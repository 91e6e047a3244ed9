"""Configuration files and secrets: every mistake names its place and its fix."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from shared.errors import ConfigError
from shared.process import read_access, read_settings
from shared.settings import Misplaced, SecretRef, Secrets, Strict, load_yaml


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
        pytest.param("- a\n", ":1: file: must hold keys of its own", id="a list"),
        pytest.param("plays: []\nzones:\n  a:\n", ":3: zones.a: must hold keys", id="no value"),
        pytest.param("plays: []\n? [a]\n: b\n", ":2: a key must be a plain text", id="list key"),
        pytest.param("plays: []\n#\x00\n", ":2: a control character", id="binary"),
        pytest.param("plays: []\n---\nplays: []\n", ":2: ", id="two documents"),
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


class Kinds(Strict):
    """One key of each kind that YAML easily makes another of."""

    count: Annotated[int, Field(ge=1, lt=10, strict=True)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1
    name: str = ""
    open: Annotated[bool, Field(strict=True)] = True
    kind: Literal["a", "b"] = "a"
    token: SecretRef = "env:NAME"


class Pair(Strict):
    """A whole whose parts must not be alike, as its validator alone can tell."""

    parts: tuple[int, ...]

    @model_validator(mode="after")
    def _differ(self) -> "Pair":
        if len(set(self.parts)) < len(self.parts):
            raise Misplaced("is there twice: remove it", "parts", 1)
        return self


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("count: '3'", "count: must be a whole number"),
        ("count: 0", "count: must be 1 or more"),
        ("count: 10", "count: must be less than 10"),
        ("share: much", "share: must be a number"),
        ("share: 0", "share: must be more than 0.0"),
        ("share: 2", "share: must be 1.0 or less"),
        ("name: 3", "name: must be a text: write it in quotes"),
        ("open: 'yes'", "open: must be true or false"),
        ("kind: c", "kind: must be 'a' or 'b'"),
        ("token: hush", "token: a secret is given by reference: env:NAME, or file:/path"),
    ],
)
def test_a_value_of_another_kind_is_told_as_what_to_write(
    tmp_path: Path, text: str, told: str
) -> None:
    """Not as what it is: that may be a secret."""
    with pytest.raises(ConfigError) as error:
        load_yaml(written(tmp_path, text), Kinds)

    assert str(error.value).endswith(f":1: {told}")


def test_the_validator_of_a_whole_may_name_the_part(tmp_path: Path) -> None:
    """Its line is told, and not that of the whole."""
    with pytest.raises(ConfigError, match=r":3: parts\.1: is there twice: remove it$"):
        load_yaml(written(tmp_path, "parts:\n  - 1\n  - 1\n"), Pair)


def test_what_only_follows_from_another_mistake_is_not_told(tmp_path: Path) -> None:
    """One mistake, one line: the outer list is only wrong because its item is."""
    path = written(tmp_path, "plays:\n  - {name: a, limit: x, more: 1}\n")

    with pytest.raises(ConfigError) as error:
        load_yaml(path, Book)

    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == [
        "plays.0.limit",
        "plays.0.more",
    ]


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    """Windows editors write Latin-1, and an accent is enough."""
    path = tmp_path / "book.yaml"
    path.write_bytes("plays: []\n# \u00e9t\u00e9\n".encode("latin-1"))

    with pytest.raises(ConfigError, match=r"book\.yaml:2: not UTF-8"):
        load_yaml(path, Book)


def test_a_problem_found_after_loading_is_told_in_the_same_form(tmp_path: Path) -> None:
    """`file:line: key: fix`, whoever finds it."""
    loaded = load_yaml(written(tmp_path, "plays:\n  - {name: a, limit: 1}\n"), Book)

    assert loaded.told(("plays", 0, "name"), "choose another").endswith(
        "book.yaml:2: plays.0.name: choose another"
    )


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


@pytest.mark.parametrize(
    ("servers", "right"),
    [
        pytest.param("broker:9092", True, id="one"),
        pytest.param("a:9092, b:9092", True, id="two with a blank"),
        pytest.param("broker", True, id="the usual port"),
        pytest.param("[::1]:9092", True, id="IPv6"),
        pytest.param("broker:port", False, id="no number"),
        pytest.param("a:9092,b:", False, id="no port after the colon"),
    ],
)
def test_brokers_are_host_and_port_number(servers: str, right: bool) -> None:
    """A mistyped port is told before anything connects."""
    if right:
        assert read_settings(kafka_bootstrap_servers=servers).kafka_bootstrap_servers == servers
    else:
        with pytest.raises(ConfigError, match="NPS_KAFKA_BOOTSTRAP_SERVERS: must be host:port"):
            read_settings(kafka_bootstrap_servers=servers)


@pytest.mark.parametrize(
    ("proxies", "right"),
    [
        pytest.param("", True, id="nobody"),
        pytest.param("10.0.0.0/8, 2001:db8::1", True, id="a network and an address"),
        pytest.param("*", False, id="everybody"),
        pytest.param("10.0.0.1/8", False, id="an address for a network"),
        pytest.param("proxy.example", False, id="a name"),
    ],
)
def test_trusted_proxies_are_addresses_and_networks(proxies: str, right: bool) -> None:
    """Believing a header of just anybody would let just anybody be an allowed address."""
    if right:
        assert read_settings(trusted_proxies=proxies).trusted_proxies == proxies
    else:
        with pytest.raises(ConfigError, match="NPS_TRUSTED_PROXIES: must be addresses"):
            read_settings(trusted_proxies=proxies)


def test_every_token_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    """All at once, by reference, never by value."""
    path = tmp_path / "access.yaml"
    path.write_text(
        "tokens:\n"
        "  - {name: a, scopes: [read], token: env:NPS_A}\n"
        "  - {name: b, scopes: [read], token: env:NPS_B}\n"
        "  - {name: c, scopes: [read], token: env:NPS_C}\n"
    )

    with pytest.raises(ConfigError) as error:
        read_access(path, Secrets({"NPS_B": "hunter2"}))

    first, second = str(error.value).splitlines()
    assert first.startswith(f"{path}:2: tokens.0.token: secret env:NPS_A is empty or not set")
    assert second.startswith(f"{path}:4: tokens.2.token: secret env:NPS_C is empty or not set")
