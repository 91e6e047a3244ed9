"""Cases by a person: opened, resolved and reopened through the API, known by the bus."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.cases import make_case_router
from services.segmenter.api.customers import make_router
from services.segmenter.profile.profile import KEPT_CASES
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.identifiers import Rules
from shared.settings import Secrets
from tests.builders.auditing import trail
from tests.builders.facts import Shelf, answered, case, day, handler, received, rulebook

READ = {"Authorization": "Bearer reader"}
OPERATE = {"Authorization": "Bearer operator"}
ANSWER = {"source": "demo", "survey": "nps", "response_id": "r1"}
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
OURS = f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r1'))}"


@pytest.fixture
def shelf() -> Shelf:
    """What the routes tell the bus."""
    return Shelf()


@pytest.fixture
async def client(engine: AsyncEngine, shelf: Shelf) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the segmenter's routes, as of a day after `NOON`."""
    tokens = AccessConfig(
        tokens=(
            Token(name="reader", scopes=frozenset({"read"}), token="env:NPS_TOKEN_READER"),
            Token(name="operator", scopes=frozenset({"operate"}), token="env:NPS_TOKEN_OPERATOR"),
        )
    )
    secrets = Secrets({"NPS_TOKEN_READER": "reader", "NPS_TOKEN_OPERATOR": "operator"})
    access = Access(tokens, secrets)
    routers = [
        make_router(engine, rulebook(), access, lambda: day(1), Rules(region="FR")),
        make_case_router(
            engine, rulebook(), access, lambda: day(1), shelf, trail=trail("segmenter")
        ),
    ]
    app = make_app([Part(name="segmenter", routers=routers)], CollectorRegistry())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as client:
        yield client


async def known(engine: AsyncEngine) -> UUID:
    """A passive customer with one answer."""
    decided = Shelf()
    await handler(engine, decided)(received(answered("r1", 8)))
    return decided.decided()[0].customer_id


async def test_a_person_opens_resolves_and_reopens_a_case(
    engine: AsyncEngine, client: httpx.AsyncClient, shelf: Shelf
) -> None:
    """Each is an event, told once however often it is asked; the customer shows what came of it."""
    customer = await known(engine)
    handle = handler(engine, Shelf(), now=day(1))
    cases = f"/v1/customers/{customer}/cases"
    first, again = [
        await client.post(cases, headers=OPERATE, json={"response": ANSWER}) for _ in range(2)
    ]
    assert (first.status_code, first.json()) == (202, again.json())
    case_id = first.json()["case_id"]
    assert case_id.startswith("nps/")
    await handle(received(*shelf.events()))
    named = {"case_id": case_id}
    for step, state in (("resolve", "resolved"), ("reopen", "reopened")):
        told = await client.post(f"{cases}/{step}", headers=OPERATE, json=named)
        twice = await client.post(f"{cases}/{step}", headers=OPERATE, json=named)
        assert (told.status_code, told.json()) == (202, twice.json())
        await handle(received(shelf.events()[-1]))
        shown = (await client.get(f"/v1/customers/{customer}", headers=READ)).json()
        assert [(c["case_id"], c["step"]) for c in shown["cases"]] == [(case_id, state)]
    (seen,) = shown["cases"]
    assert (seen["open"], seen["response"], seen["replaced"]) == (True, "demo/nps/r1", False)
    assert (seen["first_score"], seen["second_score"]) == (None, None)


async def test_the_scores_around_a_case_are_shown(
    engine: AsyncEngine, client: httpx.AsyncClient, shelf: Shelf
) -> None:
    """The one before it and, once she answered, the one after."""
    customer = await known(engine)
    cases = f"/v1/customers/{customer}/cases"
    handle = handler(engine, Shelf(), now=day(30))
    opened = await client.post(cases, headers=OPERATE, json={"response": ANSWER})
    await handle(received(*shelf.events()))
    await client.post(
        f"{cases}/resolve", headers=OPERATE, json={"case_id": opened.json()["case_id"]}
    )
    await handle(received(shelf.events()[-1], answered("r2", 10, at=day(17))))
    shown = (await client.get(f"/v1/customers/{customer}", headers=READ)).json()
    (seen,) = shown["cases"]
    assert (seen["step"], seen["first_score"], seen["second_score"]) == ("resolved", 8, 10)
    assert shown["profile"]["recovered_from"] == 8


async def test_a_case_about_no_answer_finds_its_customer(
    engine: AsyncEngine, client: httpx.AsyncClient, shelf: Shelf
) -> None:
    """A call that somebody took is a case, too; a second one is another."""
    customer = await known(engine)
    handle, decided = handler(engine, found := Shelf(), now=day(1)), []
    for _ in range(2):
        told = await client.post(f"/v1/customers/{customer}/cases", headers=OPERATE, json={})
        await handle(received(shelf.events()[-1]))
        decided.append(told.json()["case_id"])
    assert len(set(decided)) == 2
    assert {one.customer_id for one in found.decided()} == {customer}


async def test_of_more_cases_than_are_kept_each_new_one_is_another(
    engine: AsyncEngine, client: httpx.AsyncClient, shelf: Shelf
) -> None:
    """A customer of many tickets: asked twice it is one case, told and asked again a new one."""
    customer = await known(engine)
    handle = handler(engine, Shelf(), now=day(1))
    await handle(received(*(case("opened", f"helpdesk/{n}") for n in range(KEPT_CASES - 1))))
    named = []
    for _ in range(3):
        first, again = [
            await client.post(f"/v1/customers/{customer}/cases", headers=OPERATE, json={})
            for _ in range(2)
        ]
        assert (first.status_code, first.json()) == (202, again.json())
        await handle(received(shelf.events()[-1]))
        named.append(first.json()["case_id"])
    assert len(set(named)) == 3


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        pytest.param([], 409, id="the policy's own is open"),
        pytest.param([case("resolved", OURS, email=None, at=day(0.5))], 202, id="it is over"),
        pytest.param([case("opened", response=LINK, at=day(0.5))], 409, id="the helpdesk's is"),
        pytest.param(
            [case("opened", response=LINK, at=day(0.5)), case("resolved", at=day(0.6))],
            409,
            id="the helpdesk's is over, and may be reopened",
        ),
        pytest.param([case("opened", at=day(0.5))], 409, id="beside one about no answer"),
        pytest.param([answered("r1", 9, revision=2)], 202, id="she meant a 9: its case is none"),
    ],
)
async def test_an_answer_has_one_case_that_says_how_it_stands(
    engine: AsyncEngine,
    client: httpx.AsyncClient,
    shelf: Shelf,
    steps: list[Event],
    status: int,
) -> None:
    """Nobody should have to close two; what a person then opens holds her, whatever the score."""
    decided, handle = Shelf(), handler(engine, found := Shelf(), now=day(1))
    await handler(engine, decided)(received(answered("r1", 3)))
    opened, _ = decided.events()
    await handle(received(opened, *steps))
    cases = f"/v1/customers/{decided.decided()[0].customer_id}/cases"
    answer = await client.post(cases, headers=OPERATE, json={"response": ANSWER})
    assert answer.status_code == status
    if status == 409:
        assert answer.json()["type"].endswith("known-case")
        assert shelf.messages == []
        return
    assert "open_case" not in {hold.rule for hold in found.decided()[-1].holds}
    await handle(received(*shelf.events()))
    assert "open_case" in {hold.rule for hold in found.decided()[-1].holds}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        pytest.param("", {}, READ, 403, "forbidden", id="may only read"),
        pytest.param("", {}, {}, 401, "unauthorized", id="nobody"),
        pytest.param(
            "",
            {"response": {**ANSWER, "response_id": "other"}},
            OPERATE,
            404,
            "unknown-response",
            id="no answer of hers",
        ),
        pytest.param(
            "/resolve", {"case_id": "helpdesk/1"}, OPERATE, 404, "unknown-case", id="no such case"
        ),
        pytest.param("/resolve", {"case": "x"}, OPERATE, 422, None, id="misspelt"),
    ],
)
async def test_what_cannot_be_done_is_said(
    engine: AsyncEngine,
    client: httpx.AsyncClient,
    shelf: Shelf,
    path: str,
    body: dict[str, object],
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    """A problem that names what to do; nothing is told."""
    customer = await known(engine)
    answer = await client.post(f"/v1/customers/{customer}/cases{path}", headers=headers, json=body)
    assert answer.status_code == status
    assert code is None or answer.json()["type"].endswith(code)
    assert shelf.messages == []


async def test_a_step_that_is_so_already_is_refused(
    engine: AsyncEngine, client: httpx.AsyncClient, shelf: Shelf
) -> None:
    """An open case is not opened again; one of nobody is nobody's."""
    customer = await known(engine)
    cases = f"/v1/customers/{customer}/cases"
    opened = await client.post(cases, headers=OPERATE, json={"response": ANSWER})
    await handler(engine, Shelf(), now=day(1))(received(*shelf.events()))
    named = {"case_id": opened.json()["case_id"]}
    again = await client.post(cases, headers=OPERATE, json={"response": ANSWER})
    reopened = await client.post(f"{cases}/reopen", headers=OPERATE, json=named)
    nobody = await client.post(f"/v1/customers/{uuid4()}/cases", headers=OPERATE, json={})
    assert [again.status_code, reopened.status_code, nobody.status_code] == [409, 409, 404]
