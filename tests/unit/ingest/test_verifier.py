"""Whether a message is authentic: which secret, from which address, and what a source needs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest import examples
from services.ingest.examples import GENERIC, TYPEFORM
from services.ingest.mapper.needs import MappingErrors
from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.verify.settings import SignatureCheck, TokenCheck
from services.ingest.verify.signatures import Scheme, key_of, sign
from services.ingest.verify.verifier import NOBODY, Verifier, compile_verifier, scheme_of

PRESETS = Path(__file__).resolve().parents[3] / "services" / "ingest" / "sources"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEX = SignatureCheck(header="X-Signature")
STANDARD = SignatureCheck(
    header="webhook-signature",
    encoding="base64",
    prefix="v1,",
    separator=" ",
    signed="{id}.{timestamp}.{body}",
    key="whsec",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
)
ED25519 = SignatureCheck(header="X-Signature", algorithm="ed25519")
FIELD = SignatureCheck(field="HMAC", algorithm="sha512", signed="{field:MSG}")
TOKEN = TokenCheck(kind="token", header="X-Token")


def signed(check: SignatureCheck, secret: str, body: bytes = b"{}") -> Inbound:
    """A message signed with this secret."""
    scheme = scheme_of(check)
    made = sign(scheme, key_of(secret, scheme.key), body, message_id="m", now=NOW)
    return Inbound(body, SentHeaders.of(made))


@pytest.mark.parametrize(
    ("check", "new", "old", "other"),
    [
        pytest.param(HEX, "new", "old", "other", id="plain"),
        pytest.param(STANDARD, "whsec_bmV3", "whsec_b2xk", "whsec_b3RoZXI=", id="standard"),
    ],
)
def test_the_place_of_the_secret_that_signed_is_told(
    check: SignatureCheck, new: str, old: str, other: str
) -> None:
    """0 for the newest, 1 for the old one: its last use shows in a metric."""
    verifier = compile_verifier(check, [new, old])
    assert verifier.vouch(signed(check, new), None, NOW) == 0
    assert verifier.vouch(signed(check, old), None, NOW) == 1
    assert verifier.vouch(signed(check, other), None, NOW) is None
    assert verifier.vouch(replace(signed(check, new), body=b"{ }"), None, NOW) is None
    assert verifier.vouch(Inbound(b"{}"), None, NOW) is None


@pytest.mark.parametrize(
    ("preset", "scheme"),
    [("typeform", TYPEFORM), ("formbricks", examples.STANDARD), ("generic", GENERIC)],
)
def test_the_examples_sign_as_the_presets_verify(preset: str, scheme: Scheme) -> None:
    """The demo and the printed `curl` would be refused otherwise."""
    text = (PRESETS / f"{preset}.yaml").read_text(encoding="utf-8")
    check = SignatureCheck.model_validate(yaml.safe_load(text)["verify"])
    assert scheme_of(check) == scheme


def test_a_body_field_is_read_from_the_decoded_body() -> None:
    """The verifier says beforehand that it needs the body decoded."""
    verifier = compile_verifier(FIELD, ["secret"])
    tree = {"MSG": "hello"}
    tree |= sign(scheme_of(FIELD), b"secret", b"", tree=tree)
    assert verifier.reads_fields
    assert verifier.vouch(Inbound(b""), tree, NOW) == 0
    assert verifier.vouch(Inbound(b""), {**tree, "MSG": "hello "}, NOW) is None
    assert not compile_verifier(HEX, ["secret"]).reads_fields


def test_a_public_key_is_a_secret_like_another() -> None:
    """It stands under `secrets` and is changed in the same way."""
    public = [
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "AQ" + "A" * 41 + "=",
    ]
    verifier = compile_verifier(ED25519, public)
    # The second test vector of RFC 8032: the message is one byte.
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    inbound = Inbound(b"\x72", SentHeaders.of({"X-Signature": signature}))
    assert verifier.vouch(inbound, None, NOW) == 0
    assert verifier.vouch(replace(inbound, body=b"\x73"), None, NOW) is None


NETWORKS = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("client", "within"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.3.7", False),
        ("", False),
        ("hooks.example.com", False),
        ("192.0.2.7, 10.0.0.1", False),
    ],
)
def test_an_address_is_a_further_condition(client: str, within: bool) -> None:
    """A listed network alone opens nothing, and a good signature from elsewhere neither."""
    verifier = compile_verifier(HEX, ["secret"], NETWORKS)
    good = replace(signed(HEX, "secret"), client=client)
    assert (verifier.vouch(good, None, NOW) == 0) is within
    assert verifier.vouch(replace(good, body=b"x"), None, NOW) is None
    open_to_them = compile_verifier(None, [], NETWORKS, unsigned=True)
    assert (open_to_them.vouch(Inbound(b"x", client=client), None, NOW) == 0) is within


def test_unsigned_is_the_operators_word() -> None:
    """Then every message is taken, whatever the preset says about signatures."""
    for check in (None, HEX):
        verifier = compile_verifier(check, [], unsigned=True)
        assert verifier == Verifier(None)
        assert verifier.vouch(Inbound(b"x"), None, NOW) == 0


@pytest.mark.parametrize(
    ("check", "secrets", "unsigned", "at", "says"),
    [
        pytest.param(None, [], False, ("verify",), "say how it signs", id="nothing"),
        pytest.param(None, ["s"], False, ("verify",), "say how it signs", id="only a secret"),
        pytest.param(HEX, [], False, ("secrets",), "give a reference", id="no secret"),
        pytest.param(TOKEN, [], False, ("secrets",), "give a reference", id="no token"),
        pytest.param(HEX, ["s"], True, ("unsigned",), "remove `secrets`", id="unsigned and signed"),
        pytest.param(
            STANDARD, ["whsec_bmV3", "***"], False, ("secrets", 1), "not base64", id="broken secret"
        ),
        pytest.param(ED25519, ["s"], False, ("secrets", 0), "no Ed25519", id="no public key"),
        pytest.param(
            TokenCheck(kind="token", header="A", scheme="basic"),
            ["s"],
            False,
            ("secrets", 0),
            "user:password",
            id="no user",
        ),
    ],
)
def test_what_a_source_lacks_is_told_with_its_key(
    check: SignatureCheck | TokenCheck | None,
    secrets: Sequence[str],
    unsigned: bool,
    at: tuple[str | int, ...],
    says: str,
) -> None:
    """The key at fault and the thing to do; never the secret."""
    with pytest.raises(MappingErrors) as caught:
        compile_verifier(check, secrets, unsigned=unsigned)
    ((place, fix),) = caught.value.problems
    assert place == at
    assert says in fix
    assert "***" not in fix


def test_both_broken_secrets_are_told_at_once() -> None:
    """One start, all lines to correct."""
    with pytest.raises(MappingErrors) as caught:
        compile_verifier(STANDARD, ["***", "whsec_"])
    assert [place for place, _ in caught.value.problems] == [("secrets", 0), ("secrets", 1)]


@settings(max_examples=60)
@given(body=st.binary(), header=st.text(st.characters(max_codepoint=255)), client=st.text())
def test_a_source_that_does_not_exist_takes_nothing(body: bytes, header: str, client: str) -> None:
    """No signature is right for it, at the price of an HMAC."""
    inbound = Inbound(body, SentHeaders.of({"x-signature": header}), client=client)
    assert NOBODY.vouch(inbound, None, NOW) is None
    assert compile_verifier(HEX, ["secret"], NETWORKS).vouch(inbound, None, NOW) is None
