"""Normalising identifiers: the same person is written the same way everywhere."""

from collections.abc import Callable

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared import identifiers
from shared.events.vocabulary import Identifier


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
    found = identifiers.email(raw)

    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "raw", ["", "@", "a@", "@example.com", "a b@example.com", "a@b", "a@exa mple.com", "x" * 300]
)
def test_what_is_no_address_is_none(raw: str) -> None:
    """A refusal is the caller's to tell; nothing is guessed."""
    assert identifiers.email(raw) is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param("+33 6 12 34 56 78", "+33612345678", id="blanks"),
        pytest.param("+33 (0)612345678", "+330612345678", id="digits are not judged"),
        pytest.param("0612345678", None, id="no country"),
        pytest.param("+12", None, id="too short"),
        pytest.param("+1234567890123456", None, id="too long"),
        pytest.param("+33six", None, id="letters"),
    ],
)
def test_phones_are_taken_in_e164_only(raw: str, value: str | None) -> None:
    """A number without its country would join strangers."""
    found = identifiers.phone(raw)

    assert (found and found.value) == value


def test_the_route_is_made_of_the_first_identifier_and_the_key() -> None:
    """Adding weaker identifiers keeps a person on her partition; another key tells nothing."""
    external = identifiers.external_id("cust-17")
    address = identifiers.email("a@example.com")
    assert external
    assert address
    both = identifiers.route(b"k", [address, external])

    assert both == identifiers.route(b"k", [external])
    assert both != identifiers.route(b"other", [external])
    assert "cust-17" not in both


@given(st.emails())
def test_normalising_an_address_again_changes_nothing(raw: str) -> None:
    """A stored identifier found again is the same row."""
    once = identifiers.email(raw)
    if once is not None:
        assert identifiers.email(once.value) == once


@given(st.text(alphabet="abXZ09-._x", max_size=12) | st.from_regex(r"[a-z0-9-]{1,70}\.[a-z]{2}\Z"))
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
    found = identifiers.email(f"a@{domain}")
    if "." in domain and expected and len(expected) <= 252:
        assert found == Identifier(kind="email", value=f"a@{expected}")
    else:
        assert found is None


@pytest.mark.parametrize(
    "raw", ["a@" + "\u00e9" * 1_000_000 + ".example", "a" * 1_000_000 + "@b.c"]
)
def test_a_flood_is_no_address(raw: str) -> None:
    """What somebody pastes into a form is looked at within bounds."""
    assert identifiers.email(raw) is None


@pytest.mark.parametrize("read", [identifiers.email, identifiers.external_id])
def test_a_text_built_to_be_slow_to_normalise_is_none_at_once(
    read: Callable[[str], Identifier | None],
) -> None:
    """A megabyte of accents on one letter would stop the process for hours."""
    assert read("a" + "\u0301\u0316" * 250_000 + "@example.com") is None


def test_responses_of_two_surveys_are_never_one() -> None:
    """Where a survey's id holds a slash, two customers must not become one by it."""
    assert identifiers.response("tool", "a/b", "c") != identifiers.response("tool", "a", "b/c")
    assert identifiers.response("tool", "a", "b/c").value == "tool/a/b/c"
