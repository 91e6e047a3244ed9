"""Normalising identifiers: the same person is written the same way everywhere."""

import hmac
from collections.abc import Callable

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared import identifiers
from shared.errors import ConfigError
from shared.events.vocabulary import Identifier, IdentifierKind
from shared.identifiers import AS_SAID
from shared.process import read_settings


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(" Jeanne@Example.COM ", "jeanne@example.com", id="case and blanks"),
        pytest.param("jose\u0301@example.com", "jos\u00e9@example.com", id="composed as NFC"),
        pytest.param("a@m\u00fcnchen.example", "a@xn--mnchen-3ya.example", id="IDN"),
        pytest.param("a@XN--MNCHEN-3YA.example", "a@xn--mnchen-3ya.example", id="IDN as A-label"),
        pytest.param("first+tag@example.com", "first+tag@example.com", id="plus address is kept"),
    ],
)
def test_addresses_of_one_mailbox_are_written_alike(raw: str, value: str) -> None:
    """Ingest's route and the segmenter's identity agree on the address."""
    found = AS_SAID.email(raw)

    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "raw", ["", "@", "a@", "@example.com", "a b@example.com", "a@b", "a@exa mple.com", "x" * 300]
)
def test_what_is_no_address_is_none(raw: str) -> None:
    """A refusal is the caller's to tell; nothing is guessed."""
    assert AS_SAID.email(raw) is None


@pytest.mark.parametrize(
    ("plus", "raw", "value"),
    [
        pytest.param("keep", "ana+shop@example.com", "ana+shop@example.com", id="kept"),
        pytest.param("ignore", "ana+shop@example.com", "ana@example.com", id="ignored"),
        pytest.param("ignore", "Ana+Shop+2@Example.com", "ana@example.com", id="from the first"),
        pytest.param("ignore", "+shop@example.com", "+shop@example.com", id="no name before it"),
        pytest.param("ignore", '"a+b"@example.com', '"a+b"@example.com', id="in quotation marks"),
        pytest.param("example.com", "ana+shop@example.com", "ana@example.com", id="listed"),
        pytest.param(
            "example.com", "ana+shop@example.org", "ana+shop@example.org", id="not listed"
        ),
        pytest.param(
            " Example.org , m\u00fcnchen.example",
            "ana+x@xn--mnchen-3ya.example",
            "ana@xn--mnchen-3ya.example",
            id="listed as IDN",
        ),
    ],
)
def test_what_a_plus_means_is_the_installations_choice(plus: str, raw: str, value: str) -> None:
    """By default two addresses: some people give their family one mailbox and a tag each."""
    assert identifiers.rules("", plus).email(raw) == Identifier(kind="email", value=value)


@pytest.mark.parametrize(
    ("region", "plus", "fix"),
    [
        pytest.param("France", "keep", "two letters of a country", id="no region"),
        pytest.param("ZZ", "keep", "two letters of a country", id="unknown region"),
        pytest.param("FR", "drop", "keep, ignore, or domains", id="no policy"),
        pytest.param("FR", "example.com, ana@example.com", "keep, ignore", id="an address"),
        pytest.param("FR", "example.com,", "keep, ignore", id="an empty domain"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_fix(region: str, plus: str, fix: str) -> None:
    """A typing mistake must not silently write everybody's address otherwise."""
    with pytest.raises(ValueError, match=fix):
        identifiers.rules(region, plus)


def test_somebody_is_found_under_every_way_her_address_was_ever_written() -> None:
    """What was kept before the plus policy changed is erased as well."""
    found = identifiers.Rules(plus="ignore").spellings("email", "Ana+Shop@example.com")

    assert [one.value for one in found] == ["ana+shop@example.com", "ana@example.com"]
    assert AS_SAID.spellings("email", "Ana@example.com") == (
        Identifier(kind="email", value="ana@example.com"),
    )
    assert AS_SAID.spellings("phone", "0612345678") == ()


def test_settings_with_a_wrong_region_end_the_start() -> None:
    """The line names the variable and the fix."""
    with pytest.raises(ConfigError, match="NPS_DEFAULT_REGION: must be the two letters"):
        read_settings(default_region="Paris")
    with pytest.raises(ConfigError, match="NPS_PLUS_ADDRESSES: must be keep, ignore"):
        read_settings(plus_addresses="strip")


@given(key=st.binary(min_size=1, max_size=200), name=st.text(max_size=80))
def test_what_is_kept_of_an_identifier_is_its_hmac(key: bytes, name: str) -> None:
    """Made from prepared hashes, it is what RFC 2104 says, for keys of any length."""
    wanted = hmac.digest(key, f"email:{name}".encode(), "sha256").hex()

    assert identifiers.hashed_name(key, "email", name) == wanted


def test_the_route_is_made_of_the_first_identifier_and_the_key() -> None:
    """Adding weaker identifiers keeps a person on her partition; another key tells nothing."""
    external = identifiers.external_id("cust-17")
    address = AS_SAID.email("a@example.com")
    assert external
    assert address
    both = identifiers.route(b"k", [address, external])

    assert both == identifiers.route(b"k", [external])
    assert both != identifiers.route(b"other", [external])
    assert "cust-17" not in both


@given(
    st.one_of(
        st.tuples(
            st.just("email"),
            st.emails() | st.from_regex(r"[a-z+\".]{1,8}@a\.example", fullmatch=True),
        ),
        st.tuples(st.just("phone"), st.from_regex(r"(\+|00)?[0-9 ()./-]{6,18}", fullmatch=True)),
        st.tuples(st.just("external_id"), st.text(max_size=40)),
    ),
    st.sampled_from([None, "FR", "US", "IT", "AR", "MX", "RU"]),
    st.sampled_from(["keep", "ignore", "a.example"]),
)
@example(("phone", "+330612345678"), "FR", "keep")
@example(("phone", "0039 06 1234567"), "IT", "keep")
@example(("phone", "+54 0 11 15 1234 5678"), "AR", "keep")
def test_normalising_again_changes_nothing(
    said: tuple[IdentifierKind, str], region: str | None, plus: str
) -> None:
    """A stored identifier found again is the same row, in whichever service."""
    kind, raw = said
    rules = identifiers.rules(region or "", plus)
    once = rules.identifier(kind, raw)
    if once is not None:
        assert rules.identifier(kind, once.value) == once


@given(
    st.text(alphabet="abXZ09-._x", max_size=12)
    | st.from_regex(r"[a-z0-9-]{1,70}\.[a-z]{2}", fullmatch=True)
)
@example("xn--a.example")
@example("ab--c.example")
@example("-a.example")
@example("a..example")
@example(f"{'a' * 64}.example")
@example(".".join(["a" * 61] * 4))
@example(".".join(["a" * 63] * 3) + "." + "a" * 62)
@example("example.com.")
def test_a_plain_domain_is_written_as_idna_would(domain: str) -> None:
    """The short way for what nearly everybody has differs in nothing but its cost."""
    try:
        expected = idna.encode(domain.lower(), uts46=True).decode()
    except idna.IDNAError:
        expected = ""
    found = AS_SAID.email(f"a@{domain}")
    if "." in domain and expected and len(expected) <= 252:
        assert found == Identifier(kind="email", value=f"a@{expected}")
    else:
        assert found is None


@pytest.mark.parametrize(
    "raw", ["a@" + "\u00e9" * 1_000_000 + ".example", "a" * 1_000_000 + "@b.c"]
)
def test_a_flood_is_no_address(raw: str) -> None:
    """What somebody pastes into a form is looked at within bounds."""
    assert AS_SAID.email(raw) is None


@pytest.mark.parametrize("read", [AS_SAID.email, identifiers.external_id])
def test_a_text_built_to_be_slow_to_normalise_is_none_at_once(
    read: Callable[[str], Identifier | None],
) -> None:
    """A megabyte of accents on one letter would stop the process for hours."""
    assert read("a" + "\u0301\u0316" * 250_000 + "@example.com") is None


def test_responses_of_two_surveys_are_never_one() -> None:
    """Where a survey's id holds a slash, two customers must not become one by it."""
    assert identifiers.response("tool", "a/b", "c") != identifiers.response("tool", "a", "b/c")
    assert identifiers.response("tool", "a", "b/c").value == "tool/a/b/c"
