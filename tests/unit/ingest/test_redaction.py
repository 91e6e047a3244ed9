"""Striking out secrets: every way a sender may write one."""

import base64
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings, strategies

from services.ingest.keep.redaction import redacted, redacted_headers, redacted_text

SECRET = 'pä/ss+w"ord=1'


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(SECRET.encode(), id="plain"),
        pytest.param(quote(SECRET).encode(), id="in a path"),
        pytest.param(quote(SECRET, safe="").encode(), id="in a query"),
        pytest.param(quote(SECRET, safe="").lower().encode(), id="in lower-case escapes"),
        pytest.param(quote_plus(SECRET).encode(), id="in a form"),
        pytest.param(json.dumps(SECRET)[1:-1].encode(), id="JSON in ASCII"),
        pytest.param(json.dumps(SECRET, ensure_ascii=False)[1:-1].encode(), id="JSON in UTF-8"),
        pytest.param(json.dumps(SECRET)[1:-1].replace("/", "\\/").encode(), id="JSON from PHP"),
    ],
)
def test_every_spelling_is_struck_out(written: bytes) -> None:
    """The rest of the body stays as it was."""
    assert redacted(b"before " + written + b" after", [SECRET.encode()]) == b"before *** after"


def test_every_secret_is_struck_out_wherever_it_stands() -> None:
    """Both active secrets, as often as they occur."""
    assert redacted(b"a s1 b s2 s1", [b"s1", b"s2"]) == b"a *** b *** ***"


@pytest.mark.parametrize("user", ["a", "ab", "abc"])
def test_a_password_in_basic_authorisation_is_not_left_readable(user: str) -> None:
    """Whatever the length of the name before it shifts it to."""
    sent = base64.b64encode(f"{user}:correct-horse-battery".encode())
    struck = redacted(b"Basic " + sent, [b"correct-horse-battery"])
    assert b"***" in struck
    left = struck.removeprefix(b"Basic ").replace(b"***", b"")
    assert b"horse" not in base64.b64decode(left + b"=" * (-len(left) % 4))


@pytest.mark.parametrize(
    ("secret", "body", "struck"),
    [
        pytest.param(b"whsec_c2VjcmV0LWtleQ==", b"c2VjcmV0LWtleQ==", b"***", id="no prefix"),
        pytest.param(b"api-key-1&api-secret-2", b"x api-secret-2", b"x ***", id="half of a pair"),
        pytest.param(b"user:long-password", b"long-password", b"***", id="the password alone"),
        pytest.param(b"me:long-password", b"tell me", b"tell me", id="a short name stays"),
        pytest.param(b"secret", b"", b"", id="nothing"),
    ],
)
def test_parts_that_are_secrets_by_themselves_count(
    secret: bytes, body: bytes, struck: bytes
) -> None:
    """But no part so short that it would spoil what people wrote."""
    assert redacted(body, [secret]) == struck


def test_headers_and_queries_are_struck_out_as_text() -> None:
    """Equal headers give equal JSON; NUL, which PostgreSQL refuses, is gone."""
    secrets = [b"t0ken-value"]
    assert redacted_text(urlencode({"t": "t0ken-value", "s": "é"}), secrets) == "t=***&s=%C3%A9"
    assert redacted_headers({"b": "t0ken-value", "a": "x\x00"}, secrets) == '{"a":"x","b":"***"}'
    assert redacted_headers({}, secrets) == "{}"


@settings(max_examples=60)
@given(
    secret=strategies.binary(min_size=1, max_size=40).filter(lambda secret: b"*" not in secret),
    before=strategies.binary(max_size=20),
    after=strategies.binary(max_size=20),
)
def test_no_secret_stays_whatever_its_bytes(secret: bytes, before: bytes, after: bytes) -> None:
    """Also one that is no text, and in any surroundings."""
    assert secret not in redacted(before + secret + after, [secret])
