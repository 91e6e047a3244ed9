"""Signatures by the Standard Webhooks specification."""

import base64
import hashlib

import pytest

from services.dispatcher.platforms.signing import signature_headers, webhook_key
from tests.builders.platforms import SECRET, SECRET_BEFORE


def expected(secret: str, message: bytes) -> str:
    """Compute a signature from the specification's sentence, by other means than the product's."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()
    return "v1," + base64.b64encode(outer).decode()


def test_the_specifications_own_example_verifies() -> None:
    """The vector that the specification's libraries publish."""
    key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_one_secret_makes_one_signature() -> None:
    """Over id, time and the raw body, joined by dots."""
    body = '{"name": "Zoé"}'.encode()
    assert signature_headers([webhook_key(SECRET)], "id-1", 1795291200, body) == {
        "webhook-id": "id-1",
        "webhook-timestamp": "1795291200",
        "webhook-signature": expected(SECRET, b"id-1.1795291200." + body),
    }


def test_two_secrets_make_two_signatures() -> None:
    """So that the receiver may change over at its own time."""
    keys = [webhook_key(SECRET), webhook_key(SECRET_BEFORE)]
    told = signature_headers(keys, "id-1", 5, b"{}")["webhook-signature"].split(" ")
    assert told == [expected(s, b"id-1.5.{}") for s in (SECRET, SECRET_BEFORE)]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_%%%",
        "whsec_c2hvcnQ=",
        SECRET.removeprefix("whsec_"),
        "hush_" + "A" * 44,
    ],
)
def test_what_is_no_secret_is_refused_without_repeating_it(secret: str) -> None:
    """Too short, not base64, no prefix."""
    with pytest.raises(ValueError, match="not a whsec_") as refusal:
        webhook_key(secret)
    assert not secret or secret == "whsec_" or secret not in str(refusal.value)
