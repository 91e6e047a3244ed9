"""The keys `verify:`: what makes a check, and every contradiction with its fix."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from services.ingest.verify.settings import Check, SignatureCheck, TokenCheck

CHECK: TypeAdapter[SignatureCheck | TokenCheck] = TypeAdapter(Check)
ROOT = Path(__file__).resolve().parents[3]
PRESETS = ROOT / "services" / "ingest" / "sources"
REFERENCE = ROOT / "deploy" / "config" / "sources.yaml"


def read(text: str) -> SignatureCheck | TokenCheck:
    """Read the value of `verify:` from YAML."""
    return CHECK.validate_python(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "reads_fields"),
    [
        pytest.param("{header: X-Signature}", False, id="hex SHA-256 of the body"),
        pytest.param(
            "{header: S, algorithm: ed25519, encoding: base64, signed: '{timestamp}{body}',"
            " timestamp_header: T, timestamp_unit: iso}",
            False,
            id="public key over an ISO time",
        ),
        pytest.param(
            "{header: S, separator: ',', prefix: v1=, timestamp_prefix: t=,"
            " signed: '{timestamp}.{body}', tolerance_s: 60}",
            False,
            id="elements",
        ),
        pytest.param(
            "{header: S, signed: '{method}{url}{body}{timestamp}', timestamp_header: T,"
            " timestamp_unit: ms}",
            False,
            id="the whole request",
        ),
        pytest.param(
            "{field: HMAC, algorithm: sha512, signed: '{field:MSG}'}", True, id="field over a field"
        ),
        pytest.param("{header: S, signed: '{field:a.b}'}", True, id="header over a field"),
        pytest.param(
            "{header: S, timestamp_field: sent_at}", True, id="a time within the signed body"
        ),
        pytest.param(
            "{field: s.sig, signed: '{timestamp}{field:s.token}', timestamp_field: s.at}",
            True,
            id="time and token of the body",
        ),
        pytest.param("{kind: token, header: Authorization}", False, id="token in a header"),
        pytest.param(
            "{kind: token, header: Authorization, scheme: basic}", False, id="user and password"
        ),
        pytest.param("{kind: token, query: access_token}", False, id="token in the query"),
        pytest.param("{kind: token, path: true}", False, id="token in the address"),
        pytest.param("{kind: token, field: meta.token}", True, id="token in the body"),
    ],
)
def test_each_way_to_sign_can_be_said(text: str, reads_fields: bool) -> None:
    """It reads, and says whether the body must be decoded before it is verified."""
    assert read(text).reads_fields is reads_fields


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_preset_says_how_its_platform_proves_itself(preset: Path) -> None:
    """A preset without `verify` leaves it to the entry; none opens a source by itself."""
    content = yaml.safe_load(preset.read_text(encoding="utf-8"))
    assert "unsigned" not in content
    assert content.get("verify") is None or CHECK.validate_python(content["verify"]).kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{}", "either `header` or `field`", id="no place"),
        pytest.param("{header: S, field: f}", "either `header` or `field`", id="two places"),
        pytest.param("{header: 'S S'}", "pattern", id="no header name"),
        pytest.param("{field: 'a..b', signed: '{field:c}'}", "character 3", id="no path"),
        pytest.param(
            "{field: 'header:S', signed: '{field:c}'}", "a field of the body", id="header"
        ),
        pytest.param("{field: f}", "cannot hold its own signature", id="body signs itself"),
        pytest.param(
            "{header: S, signed: '{url}{method}'}", "must contain {body} or a {field", id="no body"
        ),
        pytest.param("{header: S, signed: '{bodies}'}", "{bodies} means nothing", id="misspelt"),
        pytest.param("{header: S, signed: '{body'}", "a brace without", id="open brace"),
        pytest.param("{header: S, signed: '{body}}'}", "a brace without", id="closing brace"),
        pytest.param("{header: S, signed: '{field:}{body}'}", "expected a key", id="no field name"),
        pytest.param("{header: S, signed: '{id}{body}'}", "`id_header` and {id}", id="no id"),
        pytest.param("{header: S, id_header: I}", "`id_header` and {id}", id="id not signed"),
        pytest.param(
            "{header: S, signed: '{timestamp}{body}'}", "`timestamp_header` and", id="no time"
        ),
        pytest.param(
            "{header: S, timestamp_header: T}", "`timestamp_header` and", id="time not signed"
        ),
        pytest.param(
            "{field: f, signed: '{field:g}', timestamp_field: t}",
            "`timestamp_header` and",
            id="a field's time not signed",
        ),
        pytest.param(
            "{header: S, signed: '{timestamp}{body}', timestamp_header: T, timestamp_prefix: t=}",
            "the time is in one place",
            id="two times",
        ),
        pytest.param(
            "{header: S, signed: '{timestamp}{body}', timestamp_prefix: t=}",
            "give `separator`",
            id="elements without a separator",
        ),
        pytest.param("{header: S, tolerance_s: 60}", "needs a time", id="tolerance of nothing"),
        pytest.param("{header: S, timestamp_unit: ms}", "needs a time", id="unit of nothing"),
        pytest.param(
            "{header: S, algorithm: ed25519, key: whsec}", "shows by itself", id="key recipe"
        ),
        pytest.param("{header: S, algorithm: md5}", "sha256", id="algorithm"),
        pytest.param("{header: S, secret: s}", "not permitted", id="unknown key"),
        pytest.param("{kind: token}", "say where the token is", id="token nowhere"),
        pytest.param(
            "{kind: token, header: H, query: q}", "say where the token is", id="token twice"
        ),
        pytest.param("{kind: token, path: false}", "True", id="path false"),
        pytest.param(
            "{kind: token, query: q, scheme: basic}", "goes with `header`", id="scheme of a query"
        ),
    ],
)
def test_a_contradiction_is_told_with_its_fix(text: str, says: str) -> None:
    """A check that would verify too little, or nothing ever, does not start."""
    with pytest.raises(ValidationError) as caught:
        read(text)
    assert says in str(caught.value)


@pytest.mark.parametrize("value", [None, "token", 1, ["header"], {"kind": "magic"}])
def test_what_is_no_check_is_refused(value: Any) -> None:
    """Only a map with a known kind reads."""
    with pytest.raises(ValidationError):
        CHECK.validate_python(value)


def test_the_commented_reference_names_every_key() -> None:
    """An operator finds in `sources.yaml` whatever may be said."""
    comments = " ".join(
        line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    )
    for name in {*SignatureCheck.model_fields, *TokenCheck.model_fields}:
        assert re.search(rf"\b{name}\b", comments), name
