"""Who signed: every recipe, every way to be refused."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.inbound import Inbound, SentHeaders
from services.ingest.signatures import Scheme, checker, key_of, sign

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = b'{"score": 0}'
STANDARD = Scheme(
    header="webhook-signature",
    encoding="base64",
    prefix="v1,",
    separator=" ",
    signed="{id}.{timestamp}.{body}",
    key="whsec",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
)
PLAIN = Scheme(header="X-Signature", prefix="sha256=")


def sent(*headers: tuple[str, str]) -> SentHeaders:
    """Headers as a request carries them, doubles included."""
    return SentHeaders([(k.lower().encode(), v.encode("latin-1")) for k, v in headers])


def verify(
    scheme: Scheme, keys: Sequence[bytes], body: bytes, headers: SentHeaders, now: datetime
) -> int | None:
    """What the check of a scheme says of a message that is nothing but body and headers."""
    return checker(scheme, keys)(Inbound(body, headers), None, now)


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        pytest.param(
            Scheme(header="h", algorithm="sha1", encoding="base64"),
            base64.b64encode(hmac.new(b"k", BODY, hashlib.sha1).digest()).decode(),
            id="sha1 base64",
        ),
        pytest.param(
            Scheme(header="h", algorithm="sha512"),
            hmac.new(b"k", BODY, hashlib.sha512).hexdigest(),
            id="sha512 hex",
        ),
        pytest.param(
            Scheme(header="h", prefix="sha256="),
            "sha256=" + hmac.new(b"k", BODY, hashlib.sha256).hexdigest(),
            id="sha256 hex with prefix",
        ),
        pytest.param(
            Scheme(header="h", signed="v0:{body}:end"),
            hmac.new(b"k", b"v0:" + BODY + b":end", hashlib.sha256).hexdigest(),
            id="text around the body",
        ),
    ],
)
def test_a_signature_is_what_the_recipe_says(scheme: Scheme, expected: str) -> None:
    """Signing follows the configured algorithm, encoding, prefix and text."""
    headers = sign(scheme, b"k", BODY)
    assert headers == {"h": expected}
    assert verify(scheme, [b"k"], BODY, sent(*headers.items()), NOW) == 0


def test_the_published_standard_webhooks_example_verifies() -> None:
    """The scheme agrees with the vector that the reference libraries publish."""
    headers = sent(
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    )
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec")
    then = datetime.fromtimestamp(1614265330, UTC)
    assert verify(STANDARD, [key], b'{"test": 2432232314}', headers, then) == 0
    assert verify(STANDARD, [key], b'{"test": 2432232315}', headers, then) is None


@pytest.mark.parametrize(
    ("seconds", "holds"),
    [(-301, False), (-300, True), (0, True), (300, True), (301, False)],
)
def test_the_time_is_tolerated_both_ways(seconds: int, holds: bool) -> None:
    """Five minutes into the past and the future, and not a second more."""
    at = NOW + timedelta(seconds=seconds)
    headers = sign(STANDARD, b"k", BODY, message_id="m", now=at)
    assert (verify(STANDARD, [b"k"], BODY, sent(*headers.items()), NOW) == 0) is holds


@pytest.mark.parametrize(
    "timestamp", ["", "hello", "-1", "1e9", " 1795262400", "1795262400.5", "9" * 5000, "\u0661"]
)
def test_a_time_that_is_no_whole_second_is_refused(timestamp: str) -> None:
    """Nothing but plain digits is a time of a signature."""
    headers = sign(STANDARD, b"k", BODY, message_id="m", now=NOW)
    pairs = [(k.encode(), v.encode()) for k, v in headers.items() if k != "webhook-timestamp"]
    given_ = SentHeaders([*pairs, (b"webhook-timestamp", timestamp.encode())])
    assert verify(STANDARD, [b"k"], BODY, given_, NOW) is None


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("times", [0, 2])
def test_missing_and_doubled_headers_are_refused(name: str, times: int) -> None:
    """Each header that the scheme reads must come exactly once."""
    headers = sign(STANDARD, b"k", BODY, message_id="m", now=NOW)
    pairs = [(k, v) for k, v in headers.items() if k != name] + [(name, headers[name])] * times
    assert verify(STANDARD, [b"k"], BODY, sent(*pairs), NOW) is None


def test_one_of_several_signatures_and_secrets_is_enough() -> None:
    """While secrets change, either side may have two; which of ours matched is told."""
    old = sign(STANDARD, b"old", BODY, message_id="m", now=NOW)
    new = sign(STANDARD, b"new", BODY, message_id="m", now=NOW)
    both = " ".join(["v1a,other", old["webhook-signature"], new["webhook-signature"]])
    headers = sent(*{**new, "webhook-signature": both}.items())
    assert verify(STANDARD, [b"new"], BODY, headers, NOW) == 0
    assert verify(STANDARD, [b"next", b"old"], BODY, headers, NOW) == 1
    assert verify(STANDARD, [b"next"], BODY, headers, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda h: h.replace("sha256=", ""), id="prefix missing"),
        pytest.param(lambda h: h.replace("sha256=", "sha512="), id="another prefix"),
        pytest.param(lambda h: h[:-1], id="cut"),
        pytest.param(lambda h: h + "0", id="longer"),
        pytest.param(lambda _: "sha256=", id="empty"),
        pytest.param(lambda _: "sha256=é", id="not ascii"),
        pytest.param(lambda h: f"{h} {h}", id="several where one is sent"),
    ],
)
def test_a_signature_in_another_form_is_refused(change: object) -> None:
    """Nothing near the right text passes, and nothing raises."""
    assert callable(change)
    header = change(sign(PLAIN, b"k", BODY)["X-Signature"])
    assert verify(PLAIN, [b"k"], BODY, sent(("X-Signature", header)), NOW) is None


def test_hex_may_be_in_capitals() -> None:
    """Some senders write hex in capitals; base64 keeps its case."""
    header = "sha256=" + sign(PLAIN, b"k", BODY)["X-Signature"].removeprefix("sha256=").upper()
    assert verify(PLAIN, [b"k"], BODY, sent(("X-Signature", header)), NOW) == 0


@given(body=st.binary(), other=st.binary(), key=st.binary(min_size=1), wrong=st.binary(min_size=1))
def test_only_the_signed_bytes_under_the_key_verify(
    body: bytes, other: bytes, key: bytes, wrong: bytes
) -> None:
    """For any body and key: signed verifies; another body or key does not."""
    headers = sent(*sign(STANDARD, key, body, message_id="m", now=NOW).items())
    assert verify(STANDARD, [key], body, headers, NOW) == 0
    assert (verify(STANDARD, [key], other, headers, NOW) == 0) is (other == body)
    # HMAC fills short keys up with zeros: those are one key.
    same = wrong.ljust(64, b"\0") == key.ljust(64, b"\0")
    if max(len(wrong), len(key)) <= 64:
        assert (verify(STANDARD, [wrong], body, headers, NOW) == 0) is same


@given(header=st.text(alphabet=st.characters(max_codepoint=255)))
def test_no_header_makes_the_verifier_raise(header: str) -> None:
    """Whatever a stranger writes into the header, it is refused quietly."""
    assert verify(PLAIN, [b"k"], BODY, sent(("x-signature", header)), NOW) is None


@pytest.mark.parametrize(
    ("secret", "recipe", "expected"),
    [
        pytest.param("whsec_aGVsbG8=", "plain", b"whsec_aGVsbG8=", id="plain is the text"),
        pytest.param("whsec_aGVsbG8=", "whsec", b"hello", id="with prefix"),
        pytest.param("aGVsbG8=", "whsec", b"hello", id="without prefix"),
        pytest.param("whsec_aGVsbG8", "whsec", b"hello", id="without padding"),
    ],
)
def test_a_key_is_made_by_its_recipe(secret: str, recipe: str, expected: bytes) -> None:
    """`whsec` decodes, `plain` takes the text with all that stands before it."""
    assert key_of(secret, recipe) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_an_empty_or_broken_secret_is_refused_at_start(secret: str) -> None:
    """A wrong secret is found when it is configured, not when a webhook comes."""
    with pytest.raises(ValueError, match=r"empty|base64"):
        key_of(secret, "whsec")
