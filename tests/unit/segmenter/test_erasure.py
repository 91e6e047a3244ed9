"""What is dropped of somebody forgotten, and what is told of it: a table of cases."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from services.segmenter.erase import erasure
from services.segmenter.erase.erasure import Erasure, Group, Tombstones
from services.segmenter.profile.facts import Key
from shared.events import feedback, ids, outcomes
from shared.events.decisions import CustomerErased
from shared.events.envelope import Event, decode
from shared.identifiers import hashed_name
from tests.builders.facts import (
    ANNA,
    BEN,
    ROUTE_KEY,
    answered,
    case,
    day,
    fact,
    ids_of,
    reported,
    settled,
    updated,
)

HER = UUID(int=7)
EMAIL: Key = ("email", ANNA)
ANSWER: Key = ("response", "demo/nps/r1")
DELIVERY: Key = ("delivery", str(ids.name_id("delivery", "d1")))
CASE: Key = ("case", "helpdesk/1")


def hashes(known: Mapping[Key, datetime | None]) -> Tombstones:
    return {hashed_name(ROUTE_KEY, *key): until for key, until in known.items()}


def dropped(known: Tombstones, *events: Event) -> list[bool]:
    """Tell of each event whether it is dropped."""
    facts = [erasure.named(fact(one), ROUTE_KEY) for one in events]
    gone, _ = erasure.dropped(facts, known)
    return [one.id in gone for one in events]


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        pytest.param({}, answered("r1", 9), False, id="nobody is forgotten"),
        pytest.param({EMAIL: day(1)}, answered("r1", 9), True, id="told before"),
        pytest.param({EMAIL: day(0)}, answered("r1", 9), True, id="told at that moment"),
        pytest.param({EMAIL: day(-1)}, answered("r1", 9), False, id="an answer given later"),
        pytest.param(
            {EMAIL: day(1)},
            answered("r1", 9, at=day(1.01), received=day(0.9)),
            True,
            id="received before, by a platform whose clock is ahead",
        ),
        pytest.param(
            {EMAIL: day(1)},
            answered("r1", 9, at=day(0.5), received=day(3)),
            True,
            id="given before, imported later",
        ),
        pytest.param({EMAIL: day(1)}, answered("r1", 9, email=BEN), False, id="somebody else"),
        pytest.param(
            {EMAIL: day(1)}, updated(*ids_of(BEN, "K-1")), False, id="an update of somebody else"
        ),
        pytest.param(
            {EMAIL: day(1)}, updated(*ids_of(ANNA, "K-1")), True, id="any of its keys is hers"
        ),
        pytest.param(
            {ANSWER: None}, answered("r1", 9, email=None, at=day(9)), True, id="her answer, later"
        ),
        pytest.param({ANSWER: None}, answered("r2", 9, at=day(9)), False, id="another answer"),
        pytest.param({CASE: None}, case("resolved", email=None, at=day(9)), True, id="her case"),
        pytest.param(
            {DELIVERY: None},
            reported(outcomes.MessageOpened, email=None, delivery="d1", at=day(9)),
            True,
            id="a report on a delivery of hers",
        ),
        pytest.param(
            {("customer", str(HER)): None},
            settled(HER, "never told before", at=day(9)),
            True,
            id="a delivery to her that was never told before",
        ),
        pytest.param(
            {EMAIL: day(1)},
            replace(reported(outcomes.MessageUnsubscribed, at=day(2)), time=day(2)),
            False,
            id="she unsubscribes later: that must be known",
        ),
    ],
)
def test_a_fact_is_dropped_whole_if_it_is_hers(
    known: Mapping[Key, datetime | None], told: Event, expected: bool
) -> None:
    """An address is hers up to the erasure, an answer, a case or a delivery for ever."""
    assert dropped(hashes(known), told) == [expected]


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the other way round"])
def test_what_a_dropped_fact_names_is_hers_for_ever(turned: bool) -> None:
    """An old answer dropped for its address drops its later revision without an address, too."""
    events = [answered("r1", 9), answered("r1", 8, email=None, at=day(9), revision=2)]
    if turned:
        events.reverse()
    assert dropped(hashes({EMAIL: day(1)}), *events) == [True, True]


def test_what_a_living_customer_has_is_not_taken_from_her() -> None:
    """A dropped fact may name the answer of somebody who is kept apart: that stays."""
    told = answered("r1", 9)
    living = hashed_name(ROUTE_KEY, *ANSWER)
    facts = [erasure.named(fact(told), ROUTE_KEY)]
    gone, further = erasure.dropped(facts, hashes({EMAIL: day(1)}), living={living})
    assert (gone, further) == ({told.id}, set())


def command(**changes: object) -> Erasure:
    data = feedback.ErasureRequested(
        erasure_id=UUID(int=1),
        people=("asked",),
        erased_before=day(1),
        asked_by="operator",
    )
    return Erasure(UUID(int=2), data.model_copy(update=changes))


def told(group: Group) -> list[CustomerErased]:
    payload = erasure.told(command(), group, day(2), ROUTE_KEY).payload
    assert payload is not None
    data = [decode(line.encode()).data for line in payload.split("\n")]
    assert all(isinstance(one, CustomerErased) for one in data)
    return [one for one in data if isinstance(one, CustomerErased)]


def test_it_tells_addresses_and_answers_and_nothing_of_our_own() -> None:
    """Others know neither our names of cases and deliveries nor need them."""
    (erased,) = told(Group((HER,), (EMAIL, ANSWER, CASE, DELIVERY)))
    hers = {hashed_name(ROUTE_KEY, *key) for key in (EMAIL, ANSWER)}
    assert {*erased.people} == {"asked", *hers}


def test_somebody_unknown_is_told_under_the_erasure() -> None:
    """Nobody is known here; another service may still keep something."""
    (erased,) = told(Group((), ()))
    assert (erased.customer_id, erased.customer_ids, erased.people) == (
        UUID(int=1),
        (),
        ("asked",),
    )


def test_many_answers_are_told_in_several_events() -> None:
    """No record is larger than the bus takes, and none repeats another's id."""
    keys = tuple(("response", f"demo/nps/{number}") for number in range(12_000))
    parts = told(Group((HER, uuid4()), keys))
    assert [len(one.people) for one in parts] == [5000, 5000, 2001]
    assert len({person for one in parts for person in one.people}) == 12_001
    payload = erasure.told(command(), Group((HER,), keys), day(2), ROUTE_KEY).payload or ""
    lines = payload.encode().split(b"\n")
    assert max(map(len, lines)) < 500_000
    assert len({decode(line).id for line in lines}) == 3


def test_tombstones_stand_for_addresses_until_then_and_for_things_for_ever() -> None:
    """An address may be given again to a new customer; an answer, a case, an id never."""
    found = erasure.tombstones(Group((HER,), (EMAIL, ANSWER)), command().data, ROUTE_KEY)
    assert found == {
        "asked": day(1),
        hashed_name(ROUTE_KEY, *EMAIL): day(1),
        hashed_name(ROUTE_KEY, *ANSWER): None,
        erasure.customer_hash(HER, ROUTE_KEY): None,
    }
