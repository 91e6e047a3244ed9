"""Data quality on real PostgreSQL: counted, listed page by page, duplicates with their reasons."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli import app
from services.segmenter.api.quality import make_quality_router
from shared.events import outcomes
from shared.events.envelope import EventData
from shared.events.vocabulary import Identifier
from shared.identifiers import AS_SAID
from tests.builders.facts import (
    NOON,
    Shelf,
    day,
    event,
    handler,
    ids_of,
    received,
    rulebook,
    says,
    updated,
)
from tests.builders.merging import merge_asked
from tests.builders.operating import answering, run, told
from tests.builders.segmenting import access, app_of
from tests.builders.sweeping import sweep

READ = {"Authorization": "Bearer reader"}
#: Of whom nothing is missing.
WHOLE = {"tone": "vous", "first_name": "Ana", "last_name": "Silva", "language": "fr"}


def served(engine: AsyncEngine) -> Any:
    """The routes, as of a day after `NOON`."""
    router = make_quality_router(engine, rulebook(), access(), lambda: day(1))
    return app_of(router)


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes."""
    transport = httpx.ASGITransport(app=served(engine))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://nps.test", headers=READ
    ) as client:
        yield client


async def made(engine: AsyncEngine, who: tuple[Identifier, ...], **attributes: Any) -> UUID:
    """A customer of whom a CRM tells this; gives her id."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    await handle(received(updated(*who, attributes={**WHOLE, **attributes})))
    return shelf.decided()[-1].customer_id


async def swept(engine: AsyncEngine, *, most: int = 500) -> None:
    """Let whoever changed be read, and everybody be counted."""
    await sweep(engine, lambda: day(1), most=most).catch_up()


async def of_kind(client: httpx.AsyncClient, kind: str, **query: Any) -> list[str]:
    """Whom a list names, all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        asked = {**query, **({"cursor": cursor} if cursor else {})}
        page = (await client.get(f"/v1/data-quality/{kind}", params=asked)).json()
        found += page["customers"]
        cursor = page["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        pytest.param("missing_tone", {"tone": None}, id="tone cleared"),
        pytest.param("missing_tone", {"tone": "polite"}, id="no tone we know"),
        pytest.param("missing_name", {"first_name": None, "last_name": " "}, id="name"),
        pytest.param("missing_language", {"language": ""}, id="language"),
        pytest.param("invalid_phone", {"mobile": "ask her"}, id="words for a number"),
        pytest.param("invalid_phone", {"phone": "0612"}, id="too few digits"),
        pytest.param("invalid_phone", {"phone": 1234567890123456}, id="too many digits"),
        pytest.param("invalid_phone", {"unread_phone": True}, id="marked by ingest"),
    ],
)
async def test_what_is_missing_or_wrong_is_counted_and_listed(
    engine: AsyncEngine, client: httpx.AsyncClient, kind: str, attributes: dict[str, Any]
) -> None:
    """One customer has it and another has not: one is counted, under one kind only."""
    hers = await made(engine, ids_of("ana@example.com"), **attributes)
    await made(engine, ids_of("bea@example.com"))
    await swept(engine)
    counted = (await client.get("/v1/data-quality")).json()

    assert counted["customers"] == 2
    assert {name: n for name, n in counted["counts"].items() if n} == {kind: 1}
    assert await of_kind(client, kind) == [str(hers)]


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"first_name": None}, id="a last name is a name"),
        pytest.param({"tone": "VOUS"}, id="a tone in capitals"),
        pytest.param({"mobile": "06 12 34 56 78"}, id="a national number"),
        pytest.param({"mobile": "+33 (0)6.12.34.56.78 poste 12"}, id="with its extension"),
        pytest.param({"mobile": None, "phone": None}, id="cleared"),
        pytest.param({"unread_phone": None}, id="the mark was cleared"),
    ],
)
async def test_what_is_right_is_not_listed(
    engine: AsyncEngine, client: httpx.AsyncClient, attributes: dict[str, Any]
) -> None:
    """A list with what is right in it is not looked at twice."""
    await made(engine, ids_of("ana@example.com"), **attributes)
    await swept(engine)

    assert not any((await client.get("/v1/data-quality")).json()["counts"].values())


async def test_a_number_read_later_mends_an_unread_one(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """The mark stays in her profile; she has a number now."""
    handle = handler(engine, Shelf(), now=day(2))
    await handle(received(updated(*ids_of("ana@example.com"), attributes={"unread_phone": True})))
    await swept(engine)
    assert len(await of_kind(client, "invalid_phone")) == 1
    await handle(received(updated(*ids_of("ana@example.com", phone="+33612345678"), at=day(1))))
    await swept(engine)

    assert await of_kind(client, "invalid_phone") == []


async def test_a_bounced_address_is_listed(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    """Nothing reaches her there any more."""
    hers = await made(engine, ids_of("ana@example.com"))
    report = outcomes.MessageBounced(
        identifiers=ids_of("ana@example.com"), channel="email", occurred_at=NOON
    )
    await handler(engine, Shelf(), now=day(1))(received(event(report)))
    await swept(engine)

    assert await of_kind(client, "bounced_address") == [str(hers)]


@pytest.mark.parametrize(
    "mended",
    [
        pytest.param(
            outcomes.MessageDelivered(
                identifiers=ids_of("ana@example.com"), channel="email", occurred_at=day(1)
            ),
            id="by an arrival",
        ),
        pytest.param(
            outcomes.MessageOpened(
                identifiers=ids_of("ana@example.com"), channel="email", occurred_at=day(1)
            ),
            id="by an opening",
        ),
        pytest.param(
            updated(*ids_of("ana@example.org", external_id="C-1"), at=day(1)).data,
            id="by a new address",
        ),
    ],
)
async def test_a_bounced_address_is_mended(
    engine: AsyncEngine, client: httpx.AsyncClient, mended: EventData
) -> None:
    """What works now is no work for anybody, and her channel is open again."""
    await made(engine, ids_of("ana@example.com", external_id="C-1"))
    report = outcomes.MessageBounced(
        identifiers=ids_of("ana@example.com"), channel="email", occurred_at=NOON
    )
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(1))
    for data, flagged in ((report, 1), (mended, 0)):
        await handle(received(event(data)))
        await swept(engine)
        assert len(await of_kind(client, "bounced_address")) == flagged
        service = [
            p.allowed
            for p in shelf.decided()[-1].permits
            if (p.contact_class, p.channel) == ("service", "email")
        ]
        assert service == [not flagged]


async def test_a_yes_older_than_the_policy_says_is_listed_until_it_is_renewed(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """A refusal is never old: it needs no renewal."""
    handle = handler(engine, Shelf(), now=day(1))
    for name, granted in (("ana", True), ("bea", False)):
        who = ids_of(f"{name}@example.com")
        await handle(received(updated(*who, consents=(says(granted=granted, at=day(-731)),))))
    await swept(engine)
    counted = (await client.get("/v1/data-quality")).json()
    assert (counted["counts"]["stale_consent"], counted["customers"]) == (1, 2)
    assert len(await of_kind(client, "stale_consent")) == 1
    renewed = updated(*ids_of("ana@example.com"), consents=(says(granted=True, at=day(-10)),))
    await handle(received(renewed))
    await swept(engine)

    assert await of_kind(client, "stale_consent") == []


@pytest.mark.parametrize("most", [1, 5, 500], ids=lambda most: f"{most} a step")
async def test_pages_and_steps_follow_each_other_without_gap_or_repetition(
    engine: AsyncEngine, client: httpx.AsyncClient, most: int
) -> None:
    """Whatever ends a page (its limit) or a step, all come, once."""
    handle = handler(engine, Shelf(), now=day(1))
    names = [f"c{number}@example.com" for number in range(13)]
    # Every third has a language, so that pages end in the middle of steps.
    told = [
        updated(*ids_of(name), attributes={"language": "fr"} if place % 3 == 0 else {})
        for place, name in enumerate(names)
    ]
    await handle(received(*told))
    await swept(engine, most=most)
    found = await of_kind(client, "missing_language", limit=2)
    counted = (await client.get("/v1/data-quality")).json()

    assert len(found) == len(set(found)) == 8
    assert found == sorted(found)
    assert (counted["customers"], counted["counts"]["missing_language"]) == (13, 8)


async def test_before_everybody_was_read_the_answer_says_what_is_missing(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """503 with how far it is and what to do: no figure of half the customers."""
    for name in ("ana", "bea", "cleo"):
        await made(engine, ids_of(f"{name}@example.com"))
    reader = sweep(engine, lambda: day(1), most=2)
    paths = ("", "/missing_tone", "/duplicates")
    early = [await client.get(f"/v1/data-quality{path}") for path in paths]
    await reader.step()
    halfway = [await client.get(f"/v1/data-quality{path}") for path in paths]
    await reader.catch_up()
    done = [await client.get(f"/v1/data-quality{path}") for path in paths]

    assert [one.status_code for one in (*early, *halfway, *done)] == [503] * 6 + [200] * 3
    assert {one.json()["type"] for one in halfway} == {"urn:nps:problem:not-counted-yet"}
    assert all("2 are read so far" in one.json()["detail"] for one in halfway)
    assert all(one.json()["as_of"] == "2026-03-11T12:00:00Z" for one in done)


async def test_under_other_rules_everybody_is_read_anew(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """A number that is none by the old region's rules may be one by the new one's."""
    await made(engine, ids_of("a1@example.com", phone="+33612345678"))
    await made(engine, ids_of("b2@example.com"), mobile="06 12 34 56 78")
    await sweep(engine, lambda: day(1), rules=AS_SAID).catch_up()
    before = await duplicates(client)
    await swept(engine)

    assert (before, len(await duplicates(client))) == ([], 1)


async def duplicates(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All pairs, one a page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        asked = {"limit": 1, **query, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/data-quality/duplicates", params=asked)).json()
        found += page["pairs"]
        cursor = page["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        pytest.param(
            (ids_of("a1@example.com"), {"first_name": "Zoé", "postal_code": "75011"}),
            (
                ids_of("b2@example.com"),
                {"first_name": "SILVA", "last_name": "zoe", "postal_code": 75011},
            ),
            "same_name_and_postal_code",
            id="name and postal code",
        ),
        pytest.param(
            (ids_of("a1@example.com", phone="+33612345678"), {}),
            (ids_of("b2@example.com"), {"mobile": "06 12 34 56 78"}),
            "same_name_and_phone",
            id="name and telephone",
        ),
        pytest.param(
            (ids_of("ana+shop@example.com"), {}),
            (ids_of("ana@example.com"), {}),
            "plus_address",
            id="plus",
        ),
        pytest.param(
            (ids_of(external_id="C-17a"), {}),
            (ids_of(external_id="c-17A"), {}),
            "external_id_case",
            id="customer number",
        ),
        pytest.param(
            (ids_of("ana.silva@example.com"), {}),
            (ids_of("ana.silva@example.org"), {}),
            "same_local_part",
            id="local part",
        ),
    ],
)
async def test_suspected_duplicates_are_found_with_their_reason(
    engine: AsyncEngine,
    client: httpx.AsyncClient,
    one: tuple[tuple[Identifier, ...], dict[str, Any]],
    other: tuple[tuple[Identifier, ...], dict[str, Any]],
    code: str,
) -> None:
    """Each with the request that shows what a merge would bring; nobody else is suspected."""
    both = sorted([await made(engine, one[0], **one[1]), await made(engine, other[0], **other[1])])
    await made(engine, ids_of("zz@example.net"), first_name="Zacharie")
    await swept(engine)
    assert (await client.get("/v1/data-quality")).json()["suspected_duplicates"] == 1
    (pair,) = await duplicates(client)

    assert pair["customers"] == [str(each) for each in both]
    assert [reason["code"] for reason in pair["reasons"]] == [code]
    assert pair["preview"]["path"] == "/v1/customers/merge"
    assert pair["preview"]["body"]["a"] == {"customer_id": str(both[0])}
    assert pair["outcome"] is None
    assert await duplicates(client, least=0.99) == []
    (previewed,) = await duplicates(client, preview=True)
    outcome = previewed["outcome"]
    assert [side["customer_id"] for side in outcome["before"]] == pair["customers"]
    (after,) = outcome["after"]
    assert sum(after["identifiers"].values()) == len(one[0]) + len(other[0])
    assert not any(name in json.dumps(previewed).lower() for name in ("ana", "c-17", "3361"))


async def test_a_page_with_previews_is_short(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Each folds two histories: twenty a page, however many are asked for, and all in the end."""
    for number in range(22):
        await made(engine, ids_of(f"shop{number:02}+a@example.com"))
        await made(engine, ids_of(f"shop{number:02}@example.com"))
    await swept(engine)
    path = "/v1/data-quality/duplicates"
    page = (await client.get(path, params={"preview": True, "limit": 200})).json()

    assert len(page["pairs"]) == 20
    assert all(pair["outcome"]["action"] == "merge" for pair in page["pairs"])
    rest = await client.get(path, params={"preview": True, "cursor": page["next"]})
    assert len(rest.json()["pairs"]) == 2


async def test_a_pair_that_became_one_meanwhile_has_no_preview(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """The list is as of the last sweep, the preview as of now; neither fails the page."""
    one = await made(engine, ids_of("ana+shop@example.com"))
    other = await made(engine, ids_of("ana@example.com"))
    await swept(engine)
    await handler(engine, Shelf(), now=day(1))(received(merge_asked(one, other)))
    (pair,) = await duplicates(client, preview=True)

    assert set(pair["customers"]) == {str(one), str(other)}
    assert pair["outcome"] is None


async def test_each_pair_is_listed_once_whatever_makes_it_alike(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Three customers of one name and one mailbox are three pairs, on pages of one."""
    for number in range(3):
        await made(engine, ids_of(f"ana.silva+{number}@example.com"), postal_code="75011")
    await swept(engine)
    found = await duplicates(client)

    assert len({tuple(pair["customers"]) for pair in found}) == len(found) == 3
    assert all(len(pair["reasons"]) == 2 for pair in found)


async def test_what_very_many_share_is_no_reason(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """Eleven of one local part say nothing about any two of them; ten still do."""
    handle = handler(engine, Shelf(), now=day(1))
    everybody = [updated(*ids_of(f"bureau@c{number}.example")) for number in range(11)]
    found = []
    for some in (everybody[:10], everybody[10:]):
        await handle(received(*some))
        await swept(engine)
        found.append(len(await duplicates(client, limit=200)))
    one = updated(*ids_of("bureau@c0.example", external_id="C-1"))
    other = updated(*ids_of("bureau@c1.example", external_id="C-1"), at=day(0.1))
    await handle(received(one, other))
    await swept(engine)

    assert found == [45, 0]
    assert len(await duplicates(client, limit=200)) == 45, "two of them were one: ten are left"


async def test_whom_a_person_took_apart_is_not_suspected_again(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """She has judged it."""
    one = await made(engine, ids_of("ana+shop@example.com"))
    other = await made(engine, ids_of("ana@example.com"))
    async with engine.begin() as connection:
        for pair in ((one, other), (other, one)):
            await connection.execute(
                text(
                    "INSERT INTO apart (customer_id, other_id, reason, event_id, since)"
                    " VALUES (:a, :b, 'person', :a, now())"
                ),
                {"a": pair[0], "b": pair[1]},
            )
    await swept(engine)

    assert await duplicates(client) == []


async def test_merged_customers_are_counted_once_and_are_nobodys_duplicate(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """The survivor has both addresses."""
    await made(engine, ids_of("ana+shop@example.com"))
    await made(engine, ids_of("ana@example.com"))
    await made(engine, ids_of("ana+shop@example.com", external_id="C-1"))
    await made(engine, ids_of("ana@example.com", external_id="C-1"))
    await swept(engine)

    assert (await client.get("/v1/data-quality")).json()["customers"] == 1
    assert await duplicates(client) == []


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        pytest.param("", "writer", 403, id="another scope"),
        pytest.param("", "nobody", 401, id="no token"),
        pytest.param("/missing_shoe", "reader", 422, id="unknown kind"),
        pytest.param("/missing_tone?cursor=ana@example.com", "reader", 422, id="no cursor"),
        pytest.param("/duplicates?cursor=1.2", "reader", 422, id="no cursor of pairs"),
        pytest.param("/missing_tone?limit=1001", "reader", 422, id="too many at once"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    client: httpx.AsyncClient, path: str, token: str, status: int
) -> None:
    """As a problem document, which repeats nothing."""
    answer = await client.get(
        f"/v1/data-quality{path}", headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == status
    assert answer.json()["type"].startswith("urn:nps:problem:")
    assert "ana" not in answer.text


async def test_the_command_counts_lists_and_names_pairs(engine: AsyncEngine) -> None:
    """In words for a person, and as one JSON object for a script."""
    one = await made(engine, ids_of("ana+shop@example.com"), tone=None)
    other = await made(engine, ids_of("ana@example.com"))
    await swept(engine)
    token = {"NPS_TOKEN": "reader"}
    async with answering(served(engine)) as url:
        counted = told(await run(app, "customer", "quality", "--json", url=url, environ=token))
        listed = told(
            await run(app, "customer", "quality", "missing_tone", "--json", url=url, environ=token)
        )
        pairs = told(
            await run(app, "customer", "quality", "duplicates", "--json", url=url, environ=token)
        )
        words = await run(app, "customer", "quality", url=url, environ=token)
        named = await run(app, "customer", "quality", "duplicates", url=url, environ=token)
        shown = await run(
            app, "customer", "quality", "duplicates", "--preview", url=url, environ=token
        )
        nobody = await run(app, "customer", "quality", "bounced_address", url=url, environ=token)

    assert (counted["customers"], counted["counts"]["missing_tone"]) == (2, 1)
    assert counted["suspected_duplicates"] == 1
    assert listed == {"kind": "missing_tone", "customers": [str(one)]}
    assert set(pairs["pairs"][0]["customers"]) == {str(one), str(other)}
    assert "missing tone" in words.stdout
    assert "of 2 customers" in words.stdout
    assert str(one) in named.stdout
    assert "a tag after a plus" in named.stdout
    assert "before" not in named.stdout
    assert ("before" in shown.stdout, "after" in shown.stdout) == (True, True)
    assert "known by 2 email" in shown.stdout
    assert nobody.stdout == "nobody\n"
