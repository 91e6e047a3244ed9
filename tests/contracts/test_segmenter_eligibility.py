"""May she be asked? The route: found by any identifier, one answer each, nothing echoed."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.eligibility import make_eligibility_router
from services.segmenter.policy.asking import Worth
from shared.events.feedback import ResponseLink
from shared.events.vocabulary import Value
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
    invited,
    opted_out,
    received,
    rulebook,
    shipped_policy,
    updated,
)
from tests.builders.segmenting import access, client_of

#: National numbers are French, and a mailbox is itself whatever follows its plus.
RULES = Rules(region="FR", plus="ignore")
READ = {"Authorization": "Bearer reader"}
PATH = "/v1/survey-eligibility"


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the route, as of ten days after `NOON`; of store visits one in two is asked."""
    policy = shipped_policy().value.model_copy(
        update={"worth_asking": (Worth(kind="store_visit", share=0.5),)}
    )
    router = make_eligibility_router(engine, rulebook(policy), access(), lambda: day(10), RULES)
    async with client_of(router) as client:
        yield client


async def ask(client: httpx.AsyncClient, *customers: dict[str, Any], **asked: Any) -> list[Any]:
    """The answers about these people, asked the survey `nps` unless told otherwise."""
    body = {"survey": "nps", "customers": customers, **asked}
    answer = await client.post(PATH, json=body, headers=READ)
    assert answer.status_code == 200, answer.text
    found = answer.json()["customers"]
    assert len(found) == len(customers)
    return list(found)


async def test_each_is_answered_in_order_with_reasons_and_the_next_date(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Who was asked ten days ago waits; who is unknown may be asked."""
    shelf = Shelf()
    await handler(engine, shelf)(received(invited()))
    anna, ben = await ask(client, {"email": " ANNA@Example.COM "}, {"email": BEN})
    assert not anna["eligible"]
    assert anna["customer_id"] == str(shelf.decided()[0].customer_id)
    assert [(r["rule"], r["until"]) for r in anna["reasons"]] == [
        ("any_survey", iso(day(30))),
        ("this_survey", iso(day(30))),
        ("survey_family", iso(day(90))),
    ]
    assert anna["reason"] == anna["reasons"][0]
    assert anna["next_at"] == iso(day(90))
    assert (ben["eligible"], ben["reason"], ben["next_at"], ben["customer_id"]) == (
        True,
        None,
        None,
        None,
    )


async def test_what_is_known_is_told_so_that_nobody_is_asked_twice(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Names, language, the attributes wanted, and the newest answers to surveys of this family."""
    known: dict[str, Value] = {"first_name": "Anna", "tone": "vous", "store": "Lille", "orders": 3}
    told = (
        answered("r1", 9, comment="Parfait", cleared=("why",), language="fr", attributes=known),
        answered("r2", 5, survey="after-delivery", at=day(1)),
    )
    await handler(engine, Shelf())(received(*told))
    (anna,) = await ask(client, {"email": ANNA}, attributes=["store", "size"])
    assert anna["attributes"] == {
        "language": "fr",
        "tone": "vous",
        "first_name": "Anna",
        "store": "Lille",
    }
    assert anna["answered"]["survey"] == "nps"
    assert anna["answered"]["answers"] == {"score": 9, "comment": "Parfait", "language": "fr"}
    (anna,) = await ask(client, {"email": ANNA}, survey="after-claim")
    assert anna["answered"]["answers"] == {"score": 5}


async def test_of_two_identifiers_that_disagree_the_external_id_wins(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """And the answer says which of them leads to somebody else."""
    shelf = Shelf()
    told = (answered("r1", 9), updated(*ids_of(external_id="C-1", phone="+33612345678")))
    await handler(engine, shelf)(received(*told))
    by_rule = {one.identifiers[0].kind: str(one.customer_id) for one in shelf.decided()}
    (both,) = await ask(client, {"email": ANNA, "phone": "+33612345678", "id": "C-1"})
    assert both["customer_id"] == by_rule["external_id"]
    assert (both["known_by"], both["disagreeing"]) == ("external_id", ["email"])
    # The survey may reach either: whoever of them was asked holds both.
    assert (both["eligible"], both["reason"]["rule"]) == (False, "any_survey")
    assert (await ask(client, {"id": "C-1"}))[0]["eligible"]
    (one,) = await ask(client, {"email": ANNA, "id": "C-2"})
    assert (one["customer_id"], one["known_by"]) == (by_rule["email"], "email")


async def test_a_person_is_found_however_she_is_written(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """By the installation's rules, and also as she was kept before they changed."""
    tagged = "anna+shop@example.com"
    told = (updated(*ids_of(tagged)), updated(*ids_of(BEN, phone="+33612345678")))
    await handler(engine, Shelf())(received(*told))
    asked = [{"email": tagged}, {"email": "ben+x@example.org"}, {"phone": "06 12 34 56 78"}]
    anna, ben, number = await ask(client, *asked)
    assert anna["known_by"] == ben["known_by"] == "email"
    assert (anna["disagreeing"], ben["customer_id"]) == ([], number["customer_id"])


async def test_who_was_merged_waits_for_what_the_other_was_asked(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """An old identifier leads to the survivor."""
    handle = handler(engine, Shelf())
    for told in (
        updated(*ids_of(BEN)),
        invited(ANNA),
        updated(*ids_of(BEN, external_id="C-1"), at=day(0.1)),
        updated(*ids_of(ANNA, external_id="C-1"), at=day(0.2)),
    ):
        await handle(received(told))
    anna, ben, third = await ask(client, {"email": ANNA}, {"email": BEN}, {"id": "C-1"})
    assert anna["customer_id"] == ben["customer_id"] == third["customer_id"]
    assert "survey_family" in {reason["rule"] for reason in ben["reasons"]}


@pytest.mark.parametrize(
    ("customer", "fix"),
    [
        pytest.param({"email": "canary-nowhere"}, "correct `email`", id="no address"),
        pytest.param({"phone": "canary"}, "correct `phone`", id="no number"),
        pytest.param({"id": "canary\x00"}, "correct `id`", id="a NUL character"),
        pytest.param({}, "give id, email or phone", id="nothing to look for"),
        pytest.param({"email": None}, "give id, email or phone", id="nothing but null"),
        pytest.param(
            {"email": ANNA, "phone": "canary"}, "correct `phone`", id="one right and one wrong"
        ),
        pytest.param(
            {"email": ANNA, "experience": {"kind": "order", "at": "0001-01-01T00:00:00Z"}},
            "correct `experience.at`",
            id="before there were computers",
        ),
        pytest.param(
            {"email": ANNA, "experience": {"kind": "order", "at": "9999-12-31T23:59:59Z"}},
            "correct `experience.at`",
            id="for ever",
        ),
    ],
)
async def test_one_bad_entry_is_an_error_of_its_own(
    client: httpx.AsyncClient, customer: dict[str, Any], fix: str
) -> None:
    """It says what to correct without an echo, and the others are answered."""
    body = {"survey": "nps", "customers": [customer, {"email": BEN}]}
    answer = await client.post(PATH, json=body, headers=READ)
    assert answer.status_code == 200
    assert "canary" not in answer.text
    wrong, right = answer.json()["customers"]
    assert not wrong["eligible"]
    assert wrong["error"].startswith(fix)
    assert (right["eligible"], right["error"]) == (True, None)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"survey": "nps", "customers": []}, id="nobody"),
        pytest.param({"survey": "nps", "customers": [{"email": ANNA}] * 1001}, id="1 001 people"),
        pytest.param({"customers": [{"email": ANNA}]}, id="no survey"),
        pytest.param({"survey": "", "customers": [{"email": ANNA}]}, id="a survey without a name"),
        pytest.param({"survey": "nps", "customers": [{"mail": "canary"}]}, id="a misspelt field"),
        pytest.param(
            {"survey": "nps", "channel": "canary", "customers": [{"email": ANNA}]}, id="a channel"
        ),
        pytest.param(
            {
                "survey": "nps",
                "customers": [
                    {"email": ANNA, "experience": {"kind": "order", "at": "2026-03-10T12:00:00"}}
                ],
            },
            id="a moment without a zone",
        ),
    ],
)
async def test_a_request_that_cannot_be_is_refused_without_an_echo(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """As everywhere: a problem that names the field."""
    answer = await client.post(PATH, json=body, headers=READ)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "canary" not in answer.text


async def test_a_thousand_are_answered_at_once(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Each with her own answer, in the order asked; the same person twice is answered twice."""
    told = [invited(f"c{number}@example.com") for number in range(0, 999, 2)]
    await handler(engine, Shelf())(received(*told))
    people = [{"email": f"c{number}@example.com"} for number in range(999)]
    found = await ask(client, *people, people[0])
    assert [one["eligible"] for one in found] == [number % 2 == 1 for number in range(999)] + [
        False
    ]


async def test_an_opt_out_is_a_no_without_a_date(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """On every channel, and where none is named."""
    await handler(engine, Shelf())(received(opted_out(at=day(-200))))
    for asked in ({}, {"channel": "email"}, {"channel": "sms"}):
        (anna,) = await ask(client, {"email": ANNA}, **asked)
        assert [reason["rule"] for reason in anna["reasons"]] == ["consent"]
        assert (anna["eligible"], anna["next_at"]) == (False, None)


async def test_asking_again_draws_no_second_lot(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Of store visits one in two is asked about: the same ones each time, known or not."""
    await handler(engine, Shelf())(received(updated(*ids_of(ANNA))))
    visits: list[dict[str, Any]] = [
        {
            "email": email,
            "experience": {"kind": "store_visit", "at": iso(day(0)), "id": f"{number}"},
        }
        for number in range(100)
        for email in (ANNA, BEN)
    ]
    first = [one["eligible"] for one in await ask(client, *visits)]
    assert first == [one["eligible"] for one in await ask(client, *visits)]
    assert 60 < sum(first) < 140


async def test_the_route_needs_the_scope_read(client: httpx.AsyncClient) -> None:
    """No token: 401; a token without the scope: 403."""
    body = {"survey": "nps", "customers": [{"email": ANNA}]}
    assert (await client.post(PATH, json=body)).status_code == 401
    other = {"Authorization": "Bearer writer"}
    assert (await client.post(PATH, json=body, headers=other)).status_code == 403


async def test_the_question_after_a_resolved_case_is_eligible_and_says_why(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """The clocks would hold her for a quarter; sixteen days ago her case was resolved."""
    link = ResponseLink(source="demo", survey="nps", response_id="r1")
    await handler(engine, Shelf())(
        received(
            answered("r1", 3, at=day(-10)),
            case("opened", at=day(-10), response=link),
            case("resolved", at=day(-6)),
        )
    )
    (anna,) = await ask(client, {"email": ANNA})
    assert (anna["eligible"], anna["reasons"], anna["next_at"]) == (True, [], None)
    assert anna["exempt"] == "re-survey of a resolved case: the survey clocks do not hold it"
