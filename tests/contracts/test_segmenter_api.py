"""The read API: who she is and why, by id, or found by an identifier in the body."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.customers import make_router
from shared.identifiers import Rules
from tests.builders.facts import (
    ANNA,
    Shelf,
    answered,
    case,
    completed,
    day,
    handler,
    ids_of,
    received,
    rulebook,
    says,
    settled,
    updated,
)
from tests.builders.segmenting import access, client_of

READ = {"Authorization": "Bearer reader"}


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the segmenter's routes, as of a day after `NOON`."""
    router = make_router(engine, rulebook(), access(), lambda: day(1), Rules(region="FR"))
    async with client_of(router) as client:
        yield client


async def test_a_customer_is_shown_whole(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    """Profile, answers with their moves, consents, contacts, next dates, decisions with reasons."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    first = answered("r1", 9, at=day(-100), consents=(says(granted=True),))
    await handle(received(first, answered("r2", 3, comment="Trop cher")))
    customer = shelf.decided()[0].customer_id
    await handle(received(settled(customer, at=day(0.5))))
    answer = await client.get(f"/v1/customers/{customer}", headers=READ)
    shown = answer.json()
    assert answer.status_code == 200
    assert shown["identifiers"] == [{"kind": "email", "value": ANNA}]
    assert shown["profile"]["segment"] == "detractor"
    assert shown["profile"]["previous_segment"] == "promoter"
    assert [(r["response_id"], r["move"]["kind"]) for r in shown["responses"]] == [
        ("r2", "down"),
        ("r1", "first"),
    ]
    assert {
        (c["channel"], c["state"]) for c in shown["consents"] if c["purpose"] == "marketing"
    } == {
        ("email", "granted"),
        ("sms", "unknown"),
        ("call", "unknown"),
        ("post", "unknown"),
        ("chat", "unknown"),
    }
    assert [contact["origin"] for contact in shown["contacts"]] == ["ours"]
    assert "marketing_rest" in {hold["rule"] for hold in shown["holds"]}
    assert "after_contact" in {line["rule"] for line in shown["next"]}
    assert [d["version"] for d in shown["decisions"]] == [3, 2, 1]
    assert all(decision["trace"] for decision in shown["decisions"])


async def test_cases_and_what_she_completed_are_shown(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """And of each answer its metric, and whether it was imported."""
    shelf = Shelf()
    told = (
        answered("r1", 4, metric="csat", history=True),
        case("opened"),
        case("resolved", "helpdesk/2", at=day(0.5)),
        completed("referral"),
    )
    await handler(engine, shelf, now=day(1))(received(*told))
    customer = shelf.decided()[0].customer_id
    shown = (await client.get(f"/v1/customers/{customer}", headers=READ)).json()
    assert [(c["case_id"], c["open"], c["step"]) for c in shown["cases"]] == [
        ("helpdesk/2", False, "resolved"),
        ("helpdesk/1", True, "opened"),
    ]
    assert list(shown["completed"]) == ["referral"]
    (response,) = shown["responses"]
    assert (response["metric"], response["history"], response["score"]) == ("csat", True, None)
    assert response["answers"]["score"] == 4
    assert "open_case" in {hold["rule"] for hold in shown["holds"]}


async def test_a_merged_id_answers_with_the_survivor(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Old links keep working, and the survivor lists what was merged into it."""
    shelf = Shelf()
    told = (
        answered("r1", 9),
        updated(*ids_of(external_id="C-1")),
        updated(*ids_of(ANNA, external_id="C-1"), at=day(1)),
    )
    for hour, one in enumerate(told):
        await handler(engine, shelf, now=day(hour / 24))(received(one))
    (merged,) = shelf.merged()
    shown = (await client.get(f"/v1/customers/{merged.merged_id}", headers=READ)).json()
    assert shown["customer_id"] == str(merged.customer_id)
    assert shown["aliases"] == [str(merged.merged_id)]
    # Also what was decided about her under the old id, in the order of time.
    types = [decision["event_type"] for decision in shown["decisions"]]
    assert types == ["customer.updated", "customer.updated", "survey.response.received"]
    (found,) = (
        await client.post("/v1/customers/search", json={"external_id": "C-1"}, headers=READ)
    ).json()["customers"]
    assert found["customer_id"] == str(merged.customer_id)


async def test_somebody_without_a_personal_identifier_is_no_customer(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """An anonymous answer is kept as a fact and answered with 404, like an unknown id."""
    shelf = Shelf()
    made = uuid4()
    handle = handler(engine, shelf, new_id=lambda: made)
    await handle(received(answered("r1", 9, email=None)))
    for customer in (made, uuid4()):
        answer = await client.get(f"/v1/customers/{customer}", headers=READ)
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:nps:problem:unknown-customer"


async def test_a_search_finds_by_any_identifier_however_it_is_written(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Identifiers are normalised as on the way in; nobody found is an empty list."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(answered("r1", 9), updated(*ids_of(ANNA, phone="+33612345678"))))
    customer = str(shelf.decided()[0].customer_id)
    for wanted in ({"email": " ANNA@Example.COM "}, {"phone": "+33 6 12 34 56 78"}):
        answer = await client.post("/v1/customers/search", json=wanted, headers=READ)
        (found,) = answer.json()["customers"]
        assert (found["customer_id"], found["segment"]) == (customer, "promoter")
    nobody = await client.post("/v1/customers/search", json={"external_id": "C-9"}, headers=READ)
    assert nobody.json() == {"customers": []}


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({}, id="nothing to look for"),
        pytest.param({"email": "canary-nowhere"}, id="no address"),
        pytest.param({"phone": "canary"}, id="no number"),
        pytest.param({"external_id": "canary\x00"}, id="a NUL character"),
        pytest.param({"name": "canary"}, id="an unknown field"),
    ],
)
async def test_a_search_that_cannot_be_is_refused_without_an_echo(
    client: httpx.AsyncClient, wanted: dict[str, str]
) -> None:
    """A problem names the fix, not what was sent."""
    answer = await client.post("/v1/customers/search", json=wanted, headers=READ)
    assert answer.status_code == 422
    assert "canary" not in answer.text


async def test_two_identifiers_may_find_two_customers(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """A customer is found by any of them, each one once."""
    shelf = Shelf()
    await handler(engine, shelf)(
        received(answered("r1", 9), updated(*ids_of(external_id="C-1", phone="+33612345678")))
    )
    wanted = {"email": ANNA, "external_id": "C-1", "phone": "+33612345678"}
    answer = await client.post("/v1/customers/search", json=wanted, headers=READ)
    found = {one["customer_id"] for one in answer.json()["customers"]}
    assert len(answer.json()["customers"]) == 2
    assert found == {str(decided.customer_id) for decided in shelf.decided()}


async def test_an_id_that_is_none_is_refused_without_an_echo(client: httpx.AsyncClient) -> None:
    """Who puts an address into a path by mistake does not read it again in the answer."""
    answer = await client.get("/v1/customers/canary-at-example", headers=READ)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "canary" not in answer.text


async def test_the_routes_need_the_scope_read(client: httpx.AsyncClient) -> None:
    """No token: 401; a token without the scope: 403."""
    path = f"/v1/customers/{uuid4()}"
    assert (await client.get(path)).status_code == 401
    other = {"Authorization": "Bearer writer"}
    assert (await client.get(path, headers=other)).status_code == 403
    assert (await client.post("/v1/customers/search", json={}, headers=other)).status_code == 403
