"""Identity: whom an event is about, and who turns out to be one."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest

from services.segmenter.identity.identity import Candidate, Subject, assign, survivor
from services.segmenter.profile.facts import Key, make
from shared.events.feedback import ResponseReceived
from shared.events.vocabulary import Identifier
from tests.builders.facts import NOON, answered

EMAIL: Key = ("email", "anna@example.com")
NUMBER: Key = ("external_id", "C-1")
PHONE: Key = ("phone", "+33612345678")
ANSWER: Key = ("response", "demo/nps/r1")
OLD, OTHER = UUID(int=90), UUID(int=91)
E1, E2, E3 = UUID(int=1), UUID(int=2), UUID(int=3)


def new_ids() -> Callable[[], UUID]:
    numbers = count(100)
    return lambda: UUID(int=next(numbers))


def test_a_new_address_makes_a_customer() -> None:
    """All keys of one event lead to one new customer."""
    found = assign([Subject(E1, (EMAIL, ANSWER))], {}, (), new_ids())
    assert found.created == [UUID(int=100)]
    assert found.added == {EMAIL: UUID(int=100), ANSWER: UUID(int=100)}
    assert found.owner == {E1: UUID(int=100)}


def test_a_known_key_leads_to_its_customer_and_takes_the_new_ones_along() -> None:
    """Nobody is created who is known already."""
    found = assign([Subject(E1, (NUMBER, EMAIL))], {EMAIL: OLD}, (), new_ids())
    assert (found.created, found.added, found.owner) == ([], {NUMBER: OLD}, {E1: OLD})


def test_an_event_links_customers_and_belongs_to_its_first_key() -> None:
    """Keys stay with their customers; the link is told beside."""
    found = assign([Subject(E1, (NUMBER, EMAIL))], {EMAIL: OLD, NUMBER: OTHER}, (), new_ids())
    assert found.added == {}
    assert found.owner == {E1: OTHER}
    assert set(found.linked[E1]) == {OLD, OTHER}


@pytest.mark.parametrize(
    ("said", "owner"),
    [
        pytest.param((NUMBER, EMAIL, PHONE, ANSWER), NUMBER, id="the customer number"),
        pytest.param((EMAIL, PHONE, ANSWER), EMAIL, id="the address"),
        pytest.param((PHONE, ANSWER), PHONE, id="the telephone"),
        pytest.param((ANSWER,), ANSWER, id="the answer"),
    ],
)
def test_the_first_key_in_order_that_is_said_decides(said: tuple[Key, ...], owner: Key) -> None:
    """External id, e-mail, phone, response: each is known as somebody else, in whatever order."""
    known = {NUMBER: UUID(int=81), EMAIL: UUID(int=82), PHONE: UUID(int=83), ANSWER: UUID(int=84)}
    named = tuple(
        Identifier.model_validate({"kind": kind, "value": value})
        for kind, value in reversed(said)
        if kind != "response"
    )
    response = ANSWER[1].split("/")
    told = answered("r1", 9, email=None)
    data = told.data.model_copy(
        update={
            "identifiers": named,
            "source": response[0],
            "survey": response[1],
            "response_id": response[2],
        }
    )
    assert isinstance(data, ResponseReceived)
    keys = make(E1, data, NOON).keys

    assert keys == said
    assert assign([Subject(E1, keys)], known, (), new_ids()).owner == {E1: known[owner]}


def test_a_first_key_that_is_new_yields_to_one_that_is_known() -> None:
    """A customer number told for the first time joins her whom the address knows already."""
    found = assign([Subject(E1, (NUMBER, EMAIL, PHONE))], {PHONE: OTHER}, (), new_ids())
    assert found.owner == {E1: OTHER}
    assert found.added == {NUMBER: OTHER, EMAIL: OTHER}


def test_events_of_one_batch_see_what_those_before_them_added() -> None:
    """Two strangers first, one person then."""
    subjects = [Subject(E1, (EMAIL,)), Subject(E2, (NUMBER,)), Subject(E3, (NUMBER, EMAIL))]
    found = assign(subjects, {}, (), new_ids())
    assert len(found.created) == 2
    assert set(found.linked[E3]) == set(found.created)


def test_an_id_of_ours_is_believed_only_if_it_exists() -> None:
    """A delivery leads to its customer; an unknown id makes nobody of itself."""
    key: Key = ("delivery", "d1")
    known = assign([Subject(E1, (key,), OLD)], {}, {OLD}, new_ids())
    assert (known.added, known.created) == ({key: OLD}, [])
    unknown = assign([Subject(E1, (key,), OLD)], {}, (), new_ids())
    assert unknown.owner[E1] != OLD


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            Candidate(OTHER, True, NOON),
            Candidate(OLD, False, NOON - timedelta(days=1)),
            id="somebody known, before an older anonymous answer",
        ),
        pytest.param(
            Candidate(OTHER, True, NOON - timedelta(days=1)),
            Candidate(OLD, True, NOON),
            id="the older",
        ),
        pytest.param(
            Candidate(OLD, True, NOON), Candidate(OTHER, True, NOON), id="else the lower id"
        ),
    ],
)
def test_who_survives_a_merge(first: Candidate, second: Candidate) -> None:
    """The same one, in whatever order they are named."""
    assert survivor([first, second]) == survivor([second, first]) == first.customer_id
