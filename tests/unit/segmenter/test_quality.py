"""Suspected duplicates: which two customers may be one person, and how sure that is."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.segmenter.policy.quality import Quality
from services.segmenter.quality.quality import (
    Person,
    ReasonCode,
    keys_of,
    name_of,
    person,
    postal_code_of,
    stale_before,
    twins,
)
from shared.events.vocabulary import Value
from shared.identifiers import Rules
from tests.builders.facts import NOON, day

ONE, OTHER = UUID(int=1), UUID(int=2)
ELODIE = ("delacroix", "elodie")


def said(
    customer_id: UUID,
    *,
    name: tuple[str, ...] = (),
    postal_code: str = "",
    phones: tuple[str, ...] = (),
    emails: tuple[str, ...] = (),
    external_ids: tuple[str, ...] = (),
) -> Person:
    """A customer of whom this much is known."""
    return Person(
        customer_id,
        name=name,
        postal_code=postal_code,
        phones=frozenset(phones),
        emails=frozenset(emails),
        external_ids=frozenset(external_ids),
    )


@pytest.mark.parametrize(
    ("one", "other", "reasons", "confidence"),
    [
        pytest.param(
            said(ONE, name=ELODIE, postal_code="75011"),
            said(OTHER, name=ELODIE, postal_code="75011"),
            ("same_name_and_postal_code",),
            0.7,
            id="one name at one postal code",
        ),
        pytest.param(
            said(ONE, name=ELODIE, phones=("+33612345678", "+33140000000")),
            said(OTHER, name=ELODIE, phones=("+33612345678",)),
            ("same_name_and_phone",),
            0.95,
            id="one name and one telephone",
        ),
        pytest.param(
            said(ONE, emails=("elodie+shop@example.com",)),
            said(OTHER, emails=("elodie@example.com",)),
            ("plus_address",),
            0.9,
            id="with and without a tag",
        ),
        pytest.param(
            said(ONE, emails=("elodie+a@example.com",)),
            said(OTHER, emails=("elodie+b@example.com",)),
            ("plus_address",),
            0.9,
            id="two tags",
        ),
        pytest.param(
            said(ONE, name=ELODIE, emails=("d+a@example.com",)),
            said(OTHER, name=("delacroix", "paul"), emails=("d+b@example.com",)),
            ("plus_address",),
            0.45,
            id="a family's mailbox",
        ),
        pytest.param(
            said(ONE, external_ids=("C-17a",)),
            said(OTHER, external_ids=("c-17 A",)),
            ("external_id_case",),
            0.9,
            id="customer number in capitals or not",
        ),
        pytest.param(
            said(ONE, emails=("elodie.d@example.com",)),
            said(OTHER, emails=("elodie.d@example.org",)),
            ("same_local_part",),
            0.4,
            id="before two domains",
        ),
        pytest.param(
            said(ONE, name=ELODIE, emails=("elodie.d@example.com",)),
            said(OTHER, name=ELODIE, emails=("elodie.d@example.org",)),
            ("same_local_part",),
            0.8,
            id="before two domains, under one name",
        ),
        pytest.param(
            said(ONE, name=ELODIE, postal_code="75011", emails=("elodie@example.com",)),
            said(OTHER, name=ELODIE, postal_code="75011", emails=("elodie+x@example.com",)),
            ("plus_address", "same_name_and_postal_code"),
            0.97,
            id="two witnesses leave less doubt",
        ),
    ],
)
def test_two_customers_are_suspected_for_a_reason(
    one: Person, other: Person, reasons: tuple[ReasonCode, ...], confidence: float
) -> None:
    """The surest reason first; each leaves only its own doubt."""
    found = twins(one, other)

    assert found is not None
    assert (found.reasons, found.confidence) == (reasons, confidence)
    assert (found.one, found.other) == (ONE, OTHER)
    assert twins(other, one) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(said(ONE), said(OTHER), id="nothing is known"),
        pytest.param(said(ONE, name=ELODIE), said(OTHER, name=ELODIE), id="a name alone"),
        pytest.param(
            said(ONE, name=ELODIE, postal_code="75011"),
            said(OTHER, name=("delacroix", "paul"), postal_code="75011"),
            id="neighbours",
        ),
        pytest.param(
            said(ONE, phones=("+33612345678",)),
            said(OTHER, phones=("+33612345678",)),
            id="a telephone without names: a household",
        ),
        pytest.param(
            said(ONE, emails=("jean@example.com",)),
            said(OTHER, emails=("jean@example.org",)),
            id="a first name before two domains",
        ),
        pytest.param(
            said(ONE, emails=("accueil@example.com",)),
            said(OTHER, emails=("accueil@example.org",)),
            id="an office before two domains",
        ),
        pytest.param(
            said(ONE, external_ids=("1-23",)), said(OTHER, external_ids=("12-3",)), id="ids"
        ),
    ],
)
def test_two_customers_with_little_in_common_are_not_suspected(one: Person, other: Person) -> None:
    """A list of everybody's namesakes is read by nobody."""
    assert twins(one, other) is None


_WORDS = st.sampled_from(["elodie", "delacroix", "e", "accueil", "contact"])
_ADDRESSES = st.builds(
    lambda local, tag, domain: f"{local}{tag}@example.{domain}",
    _WORDS,
    st.sampled_from(["", "+a", "+b"]),
    st.sampled_from(["com", "org"]),
)


def anybody(customer_id: UUID) -> st.SearchStrategy[Person]:
    """A customer drawn from so few words that two are often alike."""
    return st.builds(
        said,
        st.just(customer_id),
        name=st.sampled_from([(), ELODIE, ("delacroix", "paul")]),
        postal_code=st.sampled_from(["", "75011", "69001"]),
        phones=st.lists(st.sampled_from(["+33612345678", "+33140000000"]), max_size=2).map(tuple),
        emails=st.lists(_ADDRESSES, max_size=2).map(tuple),
        external_ids=st.lists(st.sampled_from(["C-1", "c-1", "C 2"]), max_size=2).map(tuple),
    )


@given(anybody(ONE), anybody(OTHER))
def test_whoever_is_suspected_shares_a_key(one: Person, other: Person) -> None:
    """So nobody needs to be compared with everybody; and who shares none is no twin."""
    assert (twins(one, other) is not None) == bool(keys_of(one) & keys_of(other))


def test_an_event_that_named_both_needs_no_key() -> None:
    """Only their consents kept the policy from believing it."""
    found = twins(said(ONE), said(OTHER), refused=True)

    assert found is not None
    assert (found.reasons, found.confidence) == (("merge_refused",), 0.95)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        pytest.param("Élodie", "DELACROIX", ELODIE, id="accents and case"),
        pytest.param("Delacroix", "Elodie", ELODIE, id="the other way round"),
        pytest.param("E\u0301lo-die", "De La Croix", ELODIE, id="blanks, hyphen, accent alone"),
        pytest.param("Élodie", None, (), id="no last name"),
        pytest.param("", "Delacroix", (), id="an empty first name"),
        pytest.param(7, "Delacroix", (), id="no text"),
        pytest.param("—", "Delacroix", (), id="no letter"),
    ],
)
def test_a_name_is_compared_without_its_spelling(
    first: object, last: object, name: tuple[str, ...]
) -> None:
    """Two clerks write one person's name in two ways."""
    assert name_of(first, last) == name


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_are_alike_in_either_order(first: str, last: str) -> None:
    """Forms ask for them in either order."""
    assert name_of(first, last) == name_of(last, first)


def test_a_stored_profile_is_read_as_a_person() -> None:
    """Telephones of attributes are normalised as those that are identifiers."""
    attributes: dict[str, Value] = {
        "first_name": "Élodie",
        "last_name": "Delacroix",
        "postal_code": 75011,
        "mobile": "06 12 34 56 78",
        "phone": "unknown",
    }
    known = ["email:e@example.com", "phone:+33140000000", "external_id:C:1"]

    assert person(ONE, attributes, known, Quality(), Rules(region="FR")) == Person(
        ONE,
        name=ELODIE,
        postal_code="75011",
        phones=frozenset({"+33140000000", "+33612345678"}),
        emails=frozenset({"e@example.com"}),
        external_ids=frozenset({"C:1"}),
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param("sw1a 1aa", "SW1A1AA", id="blanks and case"),
        pytest.param(None, "", id="none"),
        pytest.param(True, "", id="a flag"),
    ],
)
def test_a_postal_code_is_compared_without_its_spelling(value: object, code: str) -> None:
    """Blanks and case are the clerk's."""
    assert postal_code_of(value) == code


def test_a_yes_is_old_after_two_years() -> None:
    """By the default of the policy."""
    assert stale_before(Quality(), NOON) == day(-730)
