"""Who signed: every recipe, every way to be refused."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.verify.signature_check import checker
from services.ingest.verify.signatures import (
    KeyRecipe,
    Scheme,
    TimeUnit,
    key_of,
    public_key_of,
    sign,
)

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
PUBLIC = Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key().public_bytes_raw()


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


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RIGHT = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


@pytest.mark.parametrize(
    ("secret", "signature", "holds"),
    [
        pytest.param(SECRET, RIGHT, True, id="as published"),
        pytest.param(SECRET.removeprefix("whsec_"), RIGHT, True, id="secret without its prefix"),
        pytest.param(SECRET, RIGHT.replace("1OE=", "1OA="), False, id="last byte changed"),
        pytest.param(
            SECRET, f"v1,{OTHER} v2,{OTHER} {RIGHT} v1,{OTHER}", True, id="one of several"
        ),
        pytest.param(SECRET, RIGHT.replace("v1,", "v2,"), False, id="of another version"),
        pytest.param(SECRET, "v1,", False, id="empty signature"),
    ],
)
def test_the_published_standard_webhooks_vectors_hold(
    secret: str, signature: str, holds: bool
) -> None:
    """The scheme agrees with the vectors that the reference libraries publish."""
    headers = sent(
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    )
    key = key_of(secret, "whsec")
    then = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    assert (verify(STANDARD, [key], body, headers, then) == 0) is holds
    assert verify(STANDARD, [key], body + b" ", headers, then) is None


def test_an_asymmetric_standard_webhook_verifies() -> None:
    """`v1a` of Standard Webhooks, under a key pair that a public test-suite prints."""
    scheme = replace(STANDARD, algorithm="ed25519", prefix="v1a,", key="plain")
    body = b'{"test": 2432232314}'
    public = public_key_of("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
    private = base64.b64decode(
        "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    )[:32]
    then = datetime.fromtimestamp(1614265330, UTC)
    made = sign(scheme, private, body, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", now=then)
    signature = (
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5B"
        "dqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    )
    assert made["webhook-signature"] == signature
    several = {**made, "webhook-signature": f"{RIGHT} v1a,AAAA {signature}"}
    assert verify(scheme, [bytes(32), public], body, sent(*several.items()), then) == 1
    assert verify(scheme, [public], body + b" ", sent(*several.items()), then) is None


def test_a_signature_in_a_field_over_a_field_verifies() -> None:
    """Qualtrics' recipe, with the vector of a public gateway: HMAC over the decoded `MSG`."""
    scheme = Scheme(field="HMAC", algorithm="sha512", signed="{field:MSG}")
    message = (
        '{"Status":"Complete","SurveyID":"SV_1AmkKSDmoZ4XlQx","ResponseID":"R_0B7IcnXszjEUHLP",'
        '"CompletedDate":"2019-06-25 07:58:25","BrandID":"sapdevelopment"}'
    )
    signature = (
        "c2c585a404c239aa3063b462cc33551d3ed3ed2de0899f58d456fc0ef7ebef6f"
        "3c3af44957989bd0592603e41edde9528f7d9ed09ee128bf719aa12f46e5c598"
    )
    tree = {"MSG": message, "HMAC": signature, "Topic": "not signed"}
    assert sign(scheme, b"kyma4ever", b"", tree={"MSG": message}) == {"HMAC": signature}
    check = checker(scheme, [b"kyma4ever"])
    assert check(Inbound(b""), tree, NOW) == 0
    for changed in (
        {**tree, "MSG": message + " "},
        {**tree, "MSG": [message, message]},
        {**tree, "HMAC": [signature, signature]},
        {**tree, "HMAC": ""},
        {"MSG": message},
        {"HMAC": signature},
        [tree],
        None,
    ):
        assert check(Inbound(b""), changed, NOW) is None


def test_a_key_of_two_parts_is_their_text() -> None:
    """SurveyMonkey's recipe: `api_key&api_secret`, as one plain secret, base64 of SHA-1."""
    scheme = Scheme(header="Sm-Signature", algorithm="sha1", encoding="base64")
    key = key_of("research-api-key&research-api-secret", "plain")
    expected = base64.b64encode(
        hmac.new(b"research-api-key&research-api-secret", BODY, hashlib.sha1).digest()
    ).decode()
    headers = sent(("Sm-Apikey", "research-api-key"), ("Sm-Signature", expected))
    assert sign(scheme, key, BODY) == {"Sm-Signature": expected}
    assert verify(scheme, [key], BODY, headers, NOW) == 0


MADE = Inbound(BODY, method="POST", url="https://hooks.example.com/v1/webhooks/s?x=1")
WHOLE = Scheme(header="S", signed="{method}{url}{body}{timestamp}", timestamp_header="T")


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(replace(WHOLE, encoding="base64", timestamp_unit="ms"), id="milliseconds"),
        pytest.param(replace(WHOLE, algorithm="sha512", timestamp_unit="iso"), id="ISO time"),
        pytest.param(replace(WHOLE, algorithm="sha1"), id="seconds"),
        pytest.param(replace(WHOLE, algorithm="ed25519"), id="public key"),
        pytest.param(
            replace(WHOLE, timestamp_header="", timestamp_prefix="t=", prefix="v1=", separator=","),
            id="time and signature as elements",
        ),
    ],
)
def test_everything_that_is_signed_is_covered(scheme: Scheme) -> None:
    """Method, address, body and time: another of any of them is refused."""
    key = b"k" * 32
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    check = checker(scheme, [public if scheme.algorithm == "ed25519" else key])
    made = sign(scheme, key, BODY, now=NOW, method=MADE.method, url=MADE.url)
    good = replace(MADE, headers=sent(*made.items()))
    assert check(good, None, NOW) == 0
    assert check(replace(good, method="PUT"), None, NOW) is None
    assert check(replace(good, url=MADE.url + "2"), None, NOW) is None
    assert check(replace(good, body=BODY + b" "), None, NOW) is None
    assert check(good, None, NOW + timedelta(seconds=301)) is None
    later = sign(scheme, key, BODY, now=NOW + timedelta(seconds=1), url=MADE.url)
    mixed = {**made, **{name: later[name] for name in later if name != "S"}}
    if scheme.timestamp_prefix:
        mixed = {"S": made["S"].replace("t=", "t=1")}
    assert check(replace(good, headers=sent(*mixed.items())), None, NOW) is None


def test_elements_are_read_whatever_stands_around_them() -> None:
    """Spaces, unknown versions and order do not matter; a doubled time does."""
    scheme = Scheme(
        header="S", signed="{timestamp}.{body}", timestamp_prefix="t=", prefix="v1=", separator=","
    )
    made = sign(scheme, b"k", BODY, now=NOW)["S"]
    time, signature = made.split(",")
    for text in (made, f"v0=x, {signature} ,{time}", f"{time},v1=00,{signature}"):
        assert verify(scheme, [b"k"], BODY, sent(("S", text)), NOW) == 0
    for text in (f"{time},{made}", signature, time, ",", ""):
        assert verify(scheme, [b"k"], BODY, sent(("S", text)), NOW) is None


@pytest.mark.parametrize("stamp", ["1795348800", 1795348800])
def test_a_time_and_a_token_of_the_body_may_be_all_that_is_signed(stamp: str | int) -> None:
    """As mail platforms do it: signature, time and token in one object of the JSON body."""
    scheme = Scheme(
        field="signature.signature",
        signed="{timestamp}{field:signature.token}",
        timestamp_field="signature.timestamp",
    )
    then = datetime.fromtimestamp(1795348800, UTC)
    tree = {"signature": {"timestamp": stamp, "token": "abc"}}
    made = sign(scheme, b"k", b"", tree=tree)["signature.signature"]
    assert made == hmac.new(b"k", b"1795348800abc", hashlib.sha256).hexdigest()
    check = checker(scheme, [b"k"])
    signed = {"signature": {**tree["signature"], "signature": made}}
    assert check(Inbound(b""), signed, then) == 0
    assert check(Inbound(b""), signed, then + timedelta(seconds=301)) is None
    other = {"signature": {**signed["signature"], "token": "abd"}}
    assert check(Inbound(b""), other, then) is None


def test_signing_says_what_it_lacks() -> None:
    """A test that forgets the time or the field is told so."""
    with pytest.raises(ValueError, match="give `now`"):
        sign(STANDARD, b"k", BODY)
    with pytest.raises(ValueError, match="field"):
        sign(Scheme(field="HMAC", signed="{field:MSG}"), b"k", b"", tree={})


@pytest.mark.parametrize("unit", ["s", "ms", "iso"])
@pytest.mark.parametrize(
    ("seconds", "holds"),
    [(-301, False), (-300, True), (0, True), (300, True), (301, False)],
)
def test_the_time_is_tolerated_both_ways(seconds: int, holds: bool, unit: TimeUnit) -> None:
    """Five minutes into the past and the future, and not a second more."""
    scheme = replace(STANDARD, timestamp_unit=unit)
    at = NOW + timedelta(seconds=seconds)
    headers = sign(scheme, b"k", BODY, message_id="m", now=at)
    assert (verify(scheme, [b"k"], BODY, sent(*headers.items()), NOW) == 0) is holds


@pytest.mark.parametrize(
    ("unit", "timestamp"),
    [
        *[
            ("s", text)
            for text in (
                "",
                "hello",
                "-1",
                "1e9",
                " 1795262400",
                "1795262400.5",
                "9" * 5000,
                "\u0661",
            )
        ],
        ("ms", "1795262400"),
        ("s", "1795262400000"),
        ("iso", "1795262400"),
        ("iso", "2026-11-21T12:00:00"),
        ("iso", "2026-11-21"),
        ("iso", "2026-11-31T12:00:00Z"),
        ("iso", "2026-11-21T12:00:00+99:99"),
        ("iso", "2026-11-21T12:00:00Z" + " " * 5000),
    ],
)
def test_a_time_in_another_form_is_refused(unit: TimeUnit, timestamp: str) -> None:
    """Nothing but plain digits, or an ISO moment with its offset, is a time of a signature."""
    scheme = Scheme(
        header="S", signed="{timestamp}{body}", timestamp_header="T", timestamp_unit=unit
    )
    text = timestamp.encode() + BODY
    signature = hmac.new(b"k", text, hashlib.sha256).hexdigest()
    headers = SentHeaders([(b"s", signature.encode()), (b"t", timestamp.encode())])
    assert verify(scheme, [b"k"], BODY, headers, NOW) is None


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.123456789Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21 07:00:00.5-0500",
    ],
)
def test_a_time_may_be_an_iso_moment_of_any_offset(timestamp: str) -> None:
    """Some sign the moment as ISO text, and that text is what is signed."""
    scheme = Scheme(
        header="S", signed="{timestamp}{body}", timestamp_header="T", timestamp_unit="iso"
    )
    signature = hmac.new(b"k", timestamp.encode() + BODY, hashlib.sha256).hexdigest()
    assert verify(scheme, [b"k"], BODY, sent(("S", signature), ("T", timestamp)), NOW) == 0


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


@settings(max_examples=60)
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


@settings(max_examples=60)
@given(text=st.text(max_size=40), raw=st.text(st.characters(max_codepoint=255), max_size=40))
@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param(PLAIN, id="hex"),
        pytest.param(Scheme(header="x-signature", algorithm="ed25519"), id="public key, hex"),
        pytest.param(
            Scheme(header="x-signature", algorithm="ed25519", encoding="base64"),
            id="public key, base64",
        ),
        pytest.param(
            Scheme(
                header="x-signature",
                prefix="v",
                separator=",",
                timestamp_prefix="t",
                timestamp_unit="iso",
                signed="{timestamp}{id}{url}{body}",
                id_header="x-signature",
            ),
            id="elements",
        ),
        pytest.param(
            Scheme(field="a", signed="{field:a.b}{timestamp}", timestamp_field="a"), id="fields"
        ),
        pytest.param(Scheme(field="a", encoding="base64", signed="{field:b}"), id="field base64"),
    ],
)
def test_nothing_that_a_stranger_sends_makes_the_check_raise(
    scheme: Scheme, text: str, raw: str
) -> None:
    """Whatever stands where the signature should be, it is refused quietly."""
    check = checker(scheme, [PUBLIC])
    inbound = Inbound(BODY, sent(("x-signature", raw)), url=text)
    for tree in ({"a": text, "b": text}, {"a": [text]}, text, [text]):
        assert check(inbound, tree, NOW) is None


@pytest.mark.parametrize(
    ("secret", "recipe", "expected"),
    [
        pytest.param("whsec_aGVsbG8=", "plain", b"whsec_aGVsbG8=", id="plain is the text"),
        pytest.param("whsec_aGVsbG8=", "whsec", b"hello", id="with prefix"),
        pytest.param("aGVsbG8=", "whsec", b"hello", id="without prefix"),
        pytest.param("whsec_aGVsbG8", "whsec", b"hello", id="without padding"),
        pytest.param("68656C6c6f", "hex", b"hello", id="hex"),
    ],
)
def test_a_key_is_made_by_its_recipe(secret: str, recipe: KeyRecipe, expected: bytes) -> None:
    """`whsec` decodes, `plain` takes the text with all that stands before it."""
    assert key_of(secret, recipe) == expected


@pytest.mark.parametrize(
    ("secret", "recipe"),
    [
        ("", "whsec"),
        ("whsec_", "whsec"),
        ("whsec_not base64!", "whsec"),
        ("whsec_é", "whsec"),
        ("hello", "hex"),
        ("", "hex"),
    ],
)
def test_an_empty_or_broken_secret_is_refused_at_start(secret: str, recipe: KeyRecipe) -> None:
    """A wrong secret is found when it is configured, not when a webhook comes."""
    with pytest.raises(ValueError, match=r"empty|base64|hex"):
        key_of(secret, recipe)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PUBLIC.hex(), id="hex"),
        pytest.param(PUBLIC.hex().upper(), id="hex in capitals"),
        pytest.param(base64.b64encode(PUBLIC).decode(), id="base64"),
        pytest.param(base64.b64encode(PUBLIC).decode().rstrip("="), id="base64 without padding"),
        pytest.param("whpk_" + base64.b64encode(PUBLIC).decode(), id="whpk"),
    ],
)
def test_a_public_key_shows_its_form_by_itself(text: str) -> None:
    """Hex or base64, with or without the prefix of Standard Webhooks."""
    assert public_key_of(text) == PUBLIC


@pytest.mark.parametrize(
    "text", ["", "whpk_", PUBLIC.hex()[:-2], "whpk_AAAA", "é" * 44, "00" * 32, "A" * 43]
)
def test_what_is_no_public_key_is_refused_at_start(text: str) -> None:
    """The error says what a key looks like and repeats nothing of it."""
    with pytest.raises(ValueError, match="is no Ed25519 public key: 32 bytes"):
        public_key_of(text)
