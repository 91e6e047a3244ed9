"""The file of sources: the shipped one loads, a wrong one says file, line and fix."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.catalogue import Catalogue, load_catalogue
from services.ingest.examples import GENERIC
from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.verify.signatures import sign
from services.ingest.verify.verifier import Verifier
from shared.errors import ConfigError
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from tests.builders.responses import SECRETS

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "sources.yaml"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
GOOD = "survey: s\n    response_id: id\n    answers: {score: score}\n"


def load(tmp_path: Path, text: str) -> Catalogue:
    """Load a file with this text."""
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path, Secrets({**SECRETS, "NPS_SECRET_BAD": "whsec_***"}), AS_SAID)


def test_the_shipped_file_loads() -> None:
    """The commented reference is a working configuration with its three sources."""
    catalogue = load_catalogue(SHIPPED, Secrets(SECRETS), AS_SAID)
    assert set(catalogue.sources) == {"typeform-nps", "formbricks-nps", "shop"}
    assert all(source.mapping.kinds[0].complete is True for source in catalogue.sources.values())
    assert catalogue.body_bytes == 1 << 20
    assert catalogue.quarantine_for.days == 30


def test_an_entry_is_laid_over_its_preset(tmp_path: Path) -> None:
    """Fields are laid over one by one, null takes one away, other keys replace."""
    catalogue = load(
        tmp_path,
        "sources:\n  s:\n    preset: generic\n    secrets: [env:NPS_SECRET_SHOP]\n"
        "    identifiers: {phone: null, email: mail}\n    answers: {why: reason}\n"
        "    consents: []\n",
    )
    mapping = catalogue.sources["s"].mapping.kinds[0]
    assert [(kind, reader.path) for kind, reader in mapping.identifiers] == [
        ("email", "mail"),
        ("external_id", "external_id"),
    ]
    assert [name for name, _, _ in mapping.answers] == [
        "score",
        "comment",
        "callback_requested",
        "panel_opt_in",
        "language",
        "why",
    ]
    assert mapping.consents == ()


def test_unsigned_must_be_said(tmp_path: Path) -> None:
    """It is the operator's word that opens a source, never the absence of a secret."""
    text = f"sources:\n  s:\n    unsigned: true\n    {GOOD}"
    assert load(tmp_path, text).sources["s"].verifier == Verifier(None)


def test_two_secrets_may_be_active(tmp_path: Path) -> None:
    """The old and the new one are both known while they change."""
    catalogue = load(
        tmp_path,
        "sources:\n  s:\n    preset: generic\n"
        "    secrets: [env:NPS_SECRET_SHOP, env:NPS_SECRET_TYPEFORM_NPS]\n",
    )
    verifier = catalogue.sources["s"].verifier
    for place, name in enumerate(["NPS_SECRET_SHOP", "NPS_SECRET_TYPEFORM_NPS"]):
        headers = SentHeaders.of(sign(GENERIC, SECRETS[name].encode(), b"{}"))
        assert verifier.vouch(Inbound(b"{}", headers), None, NOW) == place


@pytest.mark.parametrize(
    ("entry", "line", "says"),
    [
        pytest.param("preset: typefrom", 3, "unknown preset: choose one of brevo", id="preset"),
        pytest.param("preset: generic", 2, "secrets: missing: give a reference", id="no secret"),
        pytest.param(
            "preset: generic\n    secrets: [env:NPS_SECRET_ABSENT]", 4, "not set", id="not set"
        ),
        pytest.param(
            "preset: formbricks\n    secrets: [env:NPS_SECRET_BAD]", 4, "not base64", id="recipe"
        ),
        pytest.param(
            "preset: generic\n    unsigned: true\n    secrets: [env:NPS_SECRET_SHOP]",
            4,
            "remove `secrets`",
            id="unsigned with a secret",
        ),
        pytest.param("survey: s", 2, "response_id: missing: say where", id="no response id"),
        pytest.param(f"{GOOD}", 2, "verify: missing: say how it signs", id="no verifier"),
        pytest.param("preset: generic\n    answer: {}", 4, "unknown key", id="misspelt"),
        pytest.param(
            "preset: generic\n    answers:\n      comment: 'a..b'", 5, "character 3", id="path"
        ),
        pytest.param(
            "preset: typeform\n    answers:\n      score: quest:nps",
            5,
            "unknown shorthand 'quest' (this source knows: hidden:…, question:…)",
            id="shorthand",
        ),
        pytest.param("preset: generic\n    zone: Paris", 4, "not an IANA time zone", id="zone"),
        pytest.param(
            "preset: generic\n    survey: {from: a, constant: b}", 4, "either `from`", id="origin"
        ),
        pytest.param(
            "preset: generic\n    verify: {header: X, signed: '{id}'}",
            4,
            "must contain {body}",
            id="signed text without the body",
        ),
        pytest.param(
            "preset: generic\n    verify: {header: X, signed: '{timestamp}{body}'}",
            4,
            "`timestamp_header` and {timestamp}",
            id="time without its header",
        ),
        pytest.param(
            "preset: generic\n    secrets: [env:NPS_SECRET_SHOP]\n    consents:\n"
            "      - {channel: email, purpose: marketing, from: c, granted: [x], refused: [x]}",
            6,
            "cannot both grant and refuse",
            id="consent",
        ),
        pytest.param(
            "preset: generic\n    secrets: [hunter2]",
            4,
            "a secret is given by reference",
            id="secret in place",
        ),
    ],
)
def test_a_wrong_entry_is_told_with_file_line_and_fix(
    tmp_path: Path, entry: str, line: int, says: str
) -> None:
    """The start fails, naming where and what to do; no secret is repeated."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"sources:\n  s:\n    {entry}\n")
    text = str(caught.value)
    assert says in text
    assert "hunter2" not in text
    assert f"sources.yaml:{line}: sources.s" in text


@pytest.mark.parametrize("name", ["unknown", "events", "Shop", "a/b", "-x", "x" * 65])
def test_a_source_name_is_a_plain_word_of_its_own(tmp_path: Path, name: str) -> None:
    """It stands in addresses and metric labels."""
    with pytest.raises(ConfigError, match=r"sources\.yaml:2: sources"):
        load(tmp_path, f"sources:\n  {name}: {{preset: generic}}\n")


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """One start, all lines to correct."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "sources:\n  a: {survey: s}\n  b: {preset: none}\n")
    assert len(str(caught.value).splitlines()) == 3
