"""Erasure and access as a person asks for them: previewed, told, done, with a receipt."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from services.segmenter.erase.request import Requests
from shared.bus.topics import declared
from shared.database import connect
from shared.events import feedback
from shared.events.envelope import FEEDBACK
from tests.builders.asking import Place
from tests.builders.auditing import trail
from tests.builders.facts import (
    ANNA,
    BEN,
    ROUTE_KEY,
    Shelf,
    answered,
    case,
    day,
    ids_of,
    updated,
)
from tests.builders.forgetting import (
    PARTS,
    confirmed,
    erased,
    erasing_app,
    people_of,
    texts,
    traces,
)
from tests.builders.merging import count, merge_asked, profiles, tell

MARK = "Écharpe de Zénobie"
PHONE = "+33612345678"


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    engine, shelf, asked = connect(database, "segmenter"), Shelf(), Shelf()
    await tell(
        engine,
        shelf,
        answered("r1", 9, comment=MARK),
        answered("r2", 3, email=BEN, at=day(0.5)),
        updated(*ids_of(ANNA, "K-7", PHONE), at=day(1), attributes={"first_name": "Zénobie"}),
    )
    anna, ben = shelf.decided()[0].customer_id, shelf.decided()[1].customer_id
    yield Place(erasing_app(engine, asked), "eraser", asked, engine, shelf, anna, ben)
    await engine.dispose()


async def test_an_erasure_is_previewed_and_nothing_is_changed(place: Place) -> None:
    """How many rows of each table would go, and of whom; no identifier in the answer."""
    before = await profiles(place.engine)
    answer = await place.post("erase", email=ANNA, preview=True)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["customer_ids"] == [str(place.anna)]
    counts = {name: shown["counts"][name] for name in ("facts", "identifiers", "answers")}
    assert counts == {"facts": 2, "identifiers": 4, "answers": 1}
    assert ANNA not in answer.text
    assert await profiles(place.engine) == before
    assert place.asked.messages == []
    assert await count(place.engine, "SELECT count(*) FROM erasures") == 0


async def test_asked_told_done_and_the_receipt(place: Place) -> None:
    """From the request to the receipt: plain text is kept until it is done, and no longer."""
    answer = await place.post("erase", email=f" {ANNA.upper()} ")
    assert answer.status_code == 202
    erasure_id = answer.json()["erasure_id"]
    assert answer.json() == {"erasure_id": erasure_id, "receipt": f"/v1/erasures/{erasure_id}"}
    asked = (await place.get(f"erasures/{erasure_id}")).json()
    assert (asked["state"], asked["done_at"], asked["counts"]) == ("asked", None, {})
    (told,) = place.asked.events()
    assert isinstance(told.data, feedback.ErasureRequested)
    assert told.data.customer_ids == (place.anna,)
    assert told.data.people == people_of(*ids_of(ANNA, "K-7", PHONE))
    assert (told.data.erased_before, told.data.asked_by) == (day(5), "eraser")
    assert (place.asked.messages[0].topic, place.asked.messages[0].key) == (
        FEEDBACK,
        str(place.anna),
    )
    assert ANNA.encode() not in place.asked.messages[0].value
    assert "erasures: " + ANNA in await traces(place.engine, ANNA)
    await place.done()
    assert await traces(place.engine, ANNA, "K-7", PHONE, MARK, "Zénobie") == []
    receipt = (await place.get(f"erasures/{erasure_id}")).json()
    assert (receipt["state"], receipt["asked_by"]) == ("done", "eraser")
    assert receipt["counts"]["facts"] == 2
    assert receipt["customer_ids"] == [str(place.anna)]
    assert {*receipt["elsewhere"]} == {"ingest", "dispatcher"}
    kept = max(topic.retention + topic.segment for topic in declared())
    assert datetime.fromisoformat(receipt["topics_forget_at"]) == day(6) + kept
    assert kept == timedelta(days=8)
    assert [one.customer_ids for one in erased(place.shelf)] == [(place.anna,)]


async def test_whoever_any_identifier_leads_to_is_forgotten(place: Place) -> None:
    """Two customers by two names of hers; somebody else stays."""
    await tell(place.engine, place.shelf, answered("c1", 9, email="chloe@example.net"))
    chloe = place.shelf.decided()[-1].customer_id
    await place.post("erase", email=BEN, external_id="K-7")
    await place.done()
    assert {*await profiles(place.engine)} == {chloe}


async def test_somebody_unknown_gets_the_same_answer(place: Place) -> None:
    """The answer tells nothing; tombstones stand, and the others are told."""
    known = await place.post("erase", email=ANNA)
    unknown = await place.post("erase", email="nobody@example.net")
    assert (unknown.status_code, {*unknown.json()}) == (known.status_code, {*known.json()})
    await place.done()
    later = answered("n1", 3, email="nobody@example.net", at=day(4))
    told = len(place.shelf.messages)
    await tell(place.engine, place.shelf, later, now=day(7))
    assert len(place.shelf.messages) == told
    assert await traces(place.engine, "nobody@example.net") == []


async def test_asked_twice_is_a_new_erasure_and_harmless(place: Place) -> None:
    """Each has its receipt; by her old id it is told again, so that others do it again."""
    first = (await place.post("erase", customer_id=str(place.anna))).json()["erasure_id"]
    await place.done()
    second = (await place.post("erase", customer_id=str(place.anna))).json()["erasure_id"]
    await place.done()
    assert first != second
    assert [one.customer_ids for one in erased(place.shelf)] == [(place.anna,), (place.anna,)]
    receipt = (await place.get(f"erasures/{second}")).json()
    assert (receipt["state"], set(receipt["counts"].values())) == ("done", {0})


async def test_a_request_outlives_a_bus_that_is_away(place: Place) -> None:
    """Written down it is asked for; it is told when the bus is back, and again until all have."""
    place.asked.away = 1
    answer = await place.post("erase", email=ANNA)
    assert answer.status_code == 202
    erasure_id = answer.json()["erasure_id"]
    assert place.asked.messages == []
    clock = [day(5)]
    requests = Requests(
        place.engine, place.asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: clock[0]
    )
    assert await requests.tell() == 1
    assert await requests.tell() == 0
    clock[0] += timedelta(minutes=11)
    assert await requests.tell() == 1
    first, again = place.asked.events()
    assert first == again
    await place.done()
    await tell(place.engine, place.shelf, *(confirmed(erasure_id, part) for part in PARTS))
    clock[0] += timedelta(days=11)
    assert await requests.tell() == 0
    assert await profiles(place.engine) == {place.ben: (await profiles(place.engine))[place.ben]}


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        pytest.param({}, 422, id="nobody named"),
        pytest.param({"email": "no address"}, 422, id="no address"),
        pytest.param({"customer_id": "7"}, 422, id="no id"),
        pytest.param({"email": ANNA, "name": "Anna"}, 422, id="a field that is none"),
    ],
)
async def test_a_wish_that_names_nobody_is_refused_without_repeating_it(
    place: Place, wish: dict[str, str], status: int
) -> None:
    """A problem in words of ours."""
    answer = await place.post("erase", **wish)
    assert answer.status_code == status
    assert "no address" not in answer.text
    assert await count(place.engine, "SELECT count(*) FROM erasures") == 0


async def test_only_who_may_forget_may_ask(place: Place) -> None:
    """The scopes `read` and `operate` are not enough, for none of the routes."""
    assert (await place.post("erase", token="reader", email=ANNA)).status_code == 403
    assert (await place.post("export", token="reader", email=ANNA)).status_code == 403
    assert (await place.get(f"erasures/{uuid4()}", token="reader")).status_code == 403
    assert (await place.get(f"erasures/{uuid4()}", token="nobody")).status_code == 401
    assert (await place.get(f"erasures/{uuid4()}")).status_code == 404


async def test_an_export_has_every_row_of_hers_and_none_of_others(place: Place) -> None:
    """Facts with their bodies, decisions with their events, of all ids that stand for her."""
    await tell(place.engine, place.shelf, case("opened", at=day(2)))
    await tell(place.engine, place.shelf, merge_asked(place.anna, place.ben))
    await tell(place.engine, place.shelf, answered("c1", 9, email="chloe@example.net"))
    answer = await place.post("export", email=ANNA)
    assert answer.status_code == 200
    found = answer.json()
    assert {*found["customer_ids"]} == {str(place.anna), str(place.ben)}
    named = {(one["kind"], one["value"]) for one in found["identifiers"]}
    assert {("email", ANNA), ("email", BEN), ("external_id", "K-7"), ("phone", PHONE)} <= named
    rows = found["rows"]
    assert [len(rows[name]) for name in ("facts", "profiles", "answers")] == [4, 2, 2]
    assert MARK in answer.text
    told = [event for one in rows["decisions"] for event in one["events"] or ()]
    assert {event["type"] for event in told} >= {"customer.decided", "customer.merged"}
    assert "chloe" not in answer.text
    tables = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'segmenter' "
    tables += "AND column_name = 'customer_id'"
    derived = {"people", "people_said", "people_keys", "suspects", "changed_customers"}
    derived |= {"told_answers", "told_cases", "told_invitations"}
    shown_otherwise = {"identifiers"}
    assert {*await texts(place.engine, tables)} - derived - shown_otherwise == {*rows}


async def test_an_export_of_nobody_known_is_empty(place: Place) -> None:
    """Another service may keep something all the same."""
    found = (await place.post("export", email="nobody@example.net")).json()
    assert (found["customer_ids"], found["identifiers"]) == ([], [])
    assert not any(found["rows"].values())
