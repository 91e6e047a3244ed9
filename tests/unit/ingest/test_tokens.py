"""A secret text instead of a signature: in each place, and every way to be refused."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.verify.settings import TokenCheck
from services.ingest.verify.tokens import token_checker, token_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = TokenCheck(kind="token", header="X-Token")
BEARER = TokenCheck(kind="token", header="Authorization", scheme="bearer")
BASIC = TokenCheck(kind="token", header="Authorization", scheme="basic")
QUERY = TokenCheck(kind="token", query="key")
FIELD = TokenCheck(kind="token", field="meta.token")
PATH = TokenCheck(kind="token", path=True)


def place(
    check: TokenCheck, inbound: Inbound, tree: object = None, secrets: tuple[str, ...] = ("new",)
) -> int | None:
    """Which of the secrets the message brought."""
    tokens = [token_of(check, secret) for secret in secrets]
    return token_checker(check, tokens)(inbound, tree, NOW)


def sent(name: str, *values: str) -> Inbound:
    """A message with these values under one header name, as bytes in UTF-8."""
    return Inbound(b"{}", SentHeaders([(name.lower().encode(), v.encode()) for v in values]))


@pytest.mark.parametrize(
    ("check", "values", "expected"),
    [
        pytest.param(HEADER, ["new"], 0, id="plain"),
        pytest.param(HEADER, ["Bearer old"], 1, id="bearer, second secret"),
        pytest.param(HEADER, ["bearer new"], 0, id="the scheme's word in any case"),
        pytest.param(HEADER, ["wrong"], None, id="wrong"),
        pytest.param(HEADER, ["new "], 0, id="spaces around"),
        pytest.param(HEADER, ["newer"], None, id="longer"),
        pytest.param(HEADER, ["ne"], None, id="cut"),
        pytest.param(HEADER, [""], None, id="empty"),
        pytest.param(HEADER, ["Bearer "], None, id="only the word"),
        pytest.param(HEADER, [], None, id="missing"),
        pytest.param(HEADER, ["new", "new"], None, id="doubled"),
        pytest.param(HEADER, ["clé"], 2, id="beyond ASCII"),
        pytest.param(BEARER, ["Bearer new"], 0, id="bearer where it is asked"),
        pytest.param(BEARER, ["new"], None, id="no bearer where it is asked"),
        pytest.param(BEARER, ["Basic new"], None, id="another scheme"),
    ],
)
def test_a_token_in_a_header_is_compared_whole(
    check: TokenCheck, values: list[str], expected: int | None
) -> None:
    """It matches one of the secrets exactly, with or without `Bearer`, and comes once."""
    inbound = sent(str(check.header), *values)
    assert place(check, inbound, secrets=("new", "old", "clé")) == expected


@pytest.mark.parametrize("value", ["Bearer new", "new"])
def test_a_secret_may_be_written_with_its_bearer(value: str) -> None:
    """Some platforms ask for the whole text of the header, and so it is copied."""
    for check in (HEADER, BEARER):
        assert place(check, sent(str(check.header), "Bearer new"), secrets=(value,)) == 0
    assert place(QUERY, Inbound(b"", query=b"key=new"), secrets=("Bearer new",)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("user:new", 0, id="newest"),
        pytest.param("user:old", 1, id="old"),
        pytest.param("other:new", None, id="another user"),
        pytest.param("user:", None, id="no password"),
    ],
)
def test_basic_authentication_takes_user_and_password(text: str, expected: int | None) -> None:
    """The secret is `user:password`, as RFC 7617 joins them."""
    header = "Basic " + base64.b64encode(text.encode()).decode()
    secrets = ("user:new", "user:old")
    assert place(BASIC, sent("Authorization", header), secrets=secrets) == expected
    assert place(BASIC, sent("Authorization", text), secrets=secrets) is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(b"key=new", 0, id="alone"),
        pytest.param(b"a=1&key=old&b=", 1, id="among others"),
        pytest.param(b"k%65y=n%65w", 0, id="escaped"),
        pytest.param(b"key=new&key=new", None, id="doubled"),
        pytest.param(b"key=new&k%65y=x", None, id="doubled under an escaped name"),
        pytest.param(b"key=", None, id="empty"),
        pytest.param(b"key", None, id="no value"),
        pytest.param(b"", None, id="missing"),
        pytest.param(b"Key=new", None, id="another name"),
        pytest.param(b"key=%ff%zz", None, id="broken escapes"),
    ],
)
def test_a_token_in_the_query_comes_once(query: bytes, expected: int | None) -> None:
    """A parameter given twice says two things, so it is refused."""
    assert place(QUERY, Inbound(b"{}", query=query), secrets=("new", "old")) == expected


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        pytest.param({"meta": {"token": "new"}}, 0, id="there"),
        pytest.param({"meta": {"token": 7}}, 1, id="a number is its digits"),
        pytest.param({"meta": {"token": ["new", "new"]}}, None, id="a doubled form field"),
        pytest.param({"meta": {"token": True}}, None, id="a boolean"),
        pytest.param({"meta": {"token": None}}, None, id="null"),
        pytest.param({"meta": "new"}, None, id="elsewhere"),
        pytest.param([{"meta": {"token": "new"}}], None, id="a list"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_token_in_the_body_is_one_text(tree: object, expected: int | None) -> None:
    """It is read at its path of the decoded body."""
    assert place(FIELD, Inbound(b""), tree, secrets=("new", "7")) == expected
    assert FIELD.reads_fields
    assert not PATH.reads_fields


@pytest.mark.parametrize(
    ("rest", "expected"),
    [("new", 0), ("/new", 0), ("old/", 1), ("", None), ("new/new", None), ("NEW", None)],
)
def test_a_token_in_the_address_is_all_that_follows_the_source(
    rest: str, expected: int | None
) -> None:
    """For tools that can keep a secret nowhere else; a slash at either end is not part of it."""
    assert place(PATH, Inbound(b"{}", rest=rest), secrets=("new", "old")) == expected


@pytest.mark.parametrize(
    ("check", "secret", "says"),
    [
        pytest.param(BASIC, "password", "user:password", id="basic without a user"),
        pytest.param(HEADER, "Bearer ", "is empty", id="nothing after Bearer"),
        pytest.param(QUERY, "", "is empty", id="empty: a message could bring nothing"),
        pytest.param(FIELD, "", "is empty", id="empty field"),
        pytest.param(PATH, "a/b", "address", id="slash in an address"),
        pytest.param(PATH, "a b", "address", id="space in an address"),
        pytest.param(PATH, "clé", "address", id="accent in an address"),
    ],
)
def test_a_secret_that_cannot_stand_there_is_refused_at_start(
    check: TokenCheck, secret: str, says: str
) -> None:
    """A wrong secret is found when it is configured, not when a webhook comes."""
    with pytest.raises(ValueError, match=says):
        token_of(check, secret)


@given(text=st.text(st.characters(max_codepoint=255)))
@settings(max_examples=60)
def test_nothing_that_a_stranger_sends_makes_the_check_raise(text: str) -> None:
    """Whatever comes instead of a token is refused quietly."""
    raw = text.encode("latin-1")
    inbound = Inbound(b"", SentHeaders([(b"x-token", raw)]), rest=text, query=b"key=" + raw)
    for check in (HEADER, QUERY, FIELD, PATH):
        assert (
            place(
                check,
                inbound,
                {"meta": {"token": text + "\ud800"}},
                ("sent-by-nobody-in-this-test",),
            )
            is None
        )
