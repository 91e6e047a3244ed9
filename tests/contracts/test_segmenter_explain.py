"""`POST /v1/customers/explain` and `nps explain`: the whole of a customer, in plain words."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli import app as nps
from services.segmenter.api.customers import make_router
from services.segmenter.api.explain import make_explain_router
from shared.identifiers import Rules
from shared.times import iso
from tests.builders.facts import (
    ANNA,
    BEN,
    Shelf,
    answered,
    case,
    day,
    handler,
    ids_of,
    opted_out,
    received,
    rulebook,
    settled,
    updated,
)
from tests.builders.operating import answering, run, told
from tests.builders.segmenting import access, app_of

READ = {"Authorization": "Bearer reader"}
WHO = {"email": ANNA}
PATH = "/v1/customers/explain"


@pytest.fixture
def app(engine: AsyncEngine) -> FastAPI:
    """The segmenter's routes, as of three days after `NOON`."""
    may = access()
    rules = Rules(region="FR")
    routers = [
        make_router(engine, rulebook(), may, lambda: day(3), rules),
        make_explain_router(engine, rulebook(), may, lambda: day(3), rules),
    ]
    return app_of(*routers)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as client:
        yield client


async def anna(engine: AsyncEngine) -> UUID:
    """A detractor with a case, a delivery that was refused, and an opt-out."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 3, comment="Trop cher")))
    customer = shelf.decided()[0].customer_id
    await handler(engine, shelf, now=day(1))(
        received(
            settled(customer, "one", state="suppressed", at=day(0.5)),
            settled(customer, "two", at=day(0.6)),
            case("opened", at=day(0.2)),
            opted_out(at=day(0.7)),
        )
    )
    return customer


def sections(answer: httpx.Response) -> dict[str, list[dict[str, Any]]]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["lines"] for one in answer.json()["sections"]}


async def test_a_customer_is_explained_from_what_is_stored(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Decisions with their causes, permits, holds, deliveries, and what comes next."""
    customer = await anna(engine)
    found = sections(await client.post(PATH, json=WHO, headers=READ))
    assert list(found) == [
        "who", "decisions", "permits", "holds", "clocks", "surveys", "budgets", "cases",
        "contacts", "deliveries", "next",
    ]  # fmt: skip
    causes = [line["code"] for line in found["decisions"]]
    assert "trigger.received" in causes
    assert "trigger.case_opened" in causes
    assert {line["code"] for line in found["permits"]} >= {"permit.refused", "permit.open"}
    assert {line["code"] for line in found["holds"]} >= {"hold.open_case", "hold.marketing_rest"}
    assert [line["code"] for line in found["deliveries"]][::2] == [
        "delivery.accepted",
        "delivery.suppressed",
    ]
    dates = [line["at"] for line in found["next"]]
    assert dates == sorted(dates)
    assert iso(day(14)) in dates
    by_id = await client.post(PATH, json={"customer_id": str(customer)}, headers=READ)
    assert sections(by_id) == found


async def test_it_is_said_in_french(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    """The same codes and values, other sentences."""
    await anna(engine)
    english, french = [
        (await client.post(PATH, json={**WHO, "lang": lang}, headers=READ)).json()
        for lang in ("en", "fr")
    ]
    assert french["sections"][0]["title"] == "Qui elle est aujourd'hui"
    for one, other in zip(english["sections"], french["sections"], strict=True):
        assert [line["values"] for line in one["lines"]] == [
            line["values"] for line in other["lines"]
        ]
    assert "Trop cher" not in str(french)
    assert ANNA not in str(french)


async def test_a_survey_about_an_experience_is_judged(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Too early for an order of yesterday, with the day from which on it is not."""
    await handler(engine, Shelf())(received(updated(*ids_of(BEN))))
    order = {"kind": "order", "at": iso(day(2))}
    asked = {"email": BEN, "survey": "after-delivery", "experience": order}
    found = sections(await client.post(PATH, json=asked, headers=READ))["surveys"]
    assert [(line["code"], line["values"].get("rule")) for line in found] == [
        ("survey.may_not", None),
        ("survey.waits", "ask_window"),
        ("survey.next", None),
    ]
    assert found[1]["at"] == iso(day(5))


async def test_the_customer_shows_budgets_deliveries_and_what_is_due(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Beside profile, answers, moves, decisions with reasons, contacts and cases: in one call."""
    customer = await anna(engine)
    shown = (await client.get(f"/v1/customers/{customer}", headers=READ)).json()
    assert {one["state"] for one in shown["deliveries"]} == {"accepted", "suppressed"}
    assert {one["name"] for one in shown["budgets"]} >= {"email-16h", "email-week"}
    assert [(one["kind"], one["at"]) for one in shown["due"]] == [
        ("hold_end", iso(day(7.6)).replace(".000000", "")),
        ("lapse", iso(day(365)).replace(".000000", "")),
    ]
    about = {one["case"]["reason"] for one in shown["decisions"] if one["case"]}
    assert "opened" in about


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        pytest.param({"email": BEN}, READ, 404, "unknown-customer", id="nobody"),
        pytest.param({}, READ, 422, "invalid-request", id="nobody named"),
        pytest.param({"email": "canary"}, READ, 422, "invalid-identifier", id="no address"),
        pytest.param({**WHO, "lang": "de"}, READ, 422, "invalid-request", id="language"),
        pytest.param(
            {**WHO, "experience": {"kind": "order", "at": iso(day(0))}},
            READ,
            422,
            "invalid-request",
            id="an experience of no survey",
        ),
        pytest.param(
            {
                **WHO,
                "survey": "nps",
                "experience": {"kind": "order", "at": "1900-01-01T00:00:00Z"},
            },
            READ,
            422,
            "invalid-request",
            id="long ago",
        ),
        pytest.param(WHO, {}, 401, "unauthorized", id="no token"),
        pytest.param(WHO, {"Authorization": "Bearer writer"}, 403, "forbidden", id="no scope"),
    ],
)
async def test_what_cannot_be_explained_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str], status: int, code: str
) -> None:
    """A problem document that names the fix and nobody."""
    answer = await client.post(PATH, json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:nps:problem:{code}")
    assert "canary" not in answer.text


async def test_two_customers_behind_one_question_are_not_mixed(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """An address of one and a number of another: say which."""
    await handler(engine, Shelf())(
        received(updated(*ids_of(ANNA)), updated(*ids_of(external_id="C-1")))
    )
    asked = {**WHO, "external_id": "C-1"}
    answer = await client.post(PATH, json=asked, headers=READ)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:nps:problem:several-customers")


async def test_the_command_says_it_in_words_and_as_json(engine: AsyncEngine, app: FastAPI) -> None:
    """Titles and sentences for a person, one object for a program; exit code 1 for nobody."""
    await anna(engine)
    reader = {"NPS_TOKEN": "reader"}
    async with answering(app) as url:
        asked = ["explain", f"email:{ANNA}"]
        words = await run(nps, *asked, "--lang", "fr", url=url, environ=reader)
        assert words.exit_code == 0, words.output
        assert "La suite, si rien d'autre n'arrive" in words.stdout
        assert ANNA not in words.stdout
        found = told(await run(nps, *asked, "--survey", "nps", "--json", url=url, environ=reader))
        assert {one["name"] for one in found["sections"]} >= {"who", "next"}
        nobody = await run(nps, "explain", f"email:{BEN}", url=url, environ=reader)
        assert (nobody.exit_code, "no customer is known" in nobody.stderr) == (1, True)
        early = ["--survey", "nps", "--kind", "order"]
        wrong = await run(nps, *asked, *early, url=url, environ=reader)
        assert (wrong.exit_code, "--at" in wrong.stderr) == (2, True)
        unnamed = await run(nps, "explain", "canary", url=url, environ=reader)
        assert (unnamed.exit_code, "name a customer by" in unnamed.stderr) == (2, True)
