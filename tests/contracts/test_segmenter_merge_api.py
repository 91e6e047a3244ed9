"""Merging and its undoing as a person asks for it: previewed, asked for once, done by the bus."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.cli import app as commands
from services.segmenter.api.merge import make_merge_router
from services.segmenter.quality import store as quality_store
from services.segmenter.quality.quality import Twins
from services.segmenter.quality.store import FIRST
from shared.bus.port import Message
from shared.database import connect
from shared.events.envelope import FEEDBACK, Event, decode
from shared.hosting import Part, make_app
from shared.http.auth import Access, AccessConfig, Token
from shared.identifiers import AS_SAID
from shared.settings import Secrets
from tests.builders.asking import Place
from tests.builders.facts import (
    ANNA,
    BEN,
    Shelf,
    answered,
    day,
    ids_of,
    rulebook,
    says,
    updated,
)
from tests.builders.merging import aliases, count, profiles, refusing, tell
from tests.builders.operating import answering, run, told
from tests.builders.sweeping import sweep

TOKEN = {"NPS_TOKEN": "operator"}


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    engine, shelf, asked = connect(database, "segmenter"), Shelf(), Shelf()
    await tell(
        engine,
        shelf,
        answered("r1", 9, consents=(says(granted=True),)),
        answered("r2", 3, email=BEN, at=day(0.5), consents=(says(granted=False, at=day(0.5)),)),
    )
    anna, ben = (decided.customer_id for decided in shelf.decided())
    tokens = (
        Token(name="operator", scopes=frozenset({"operate", "read"}), token="env:NPS_TOKEN_O"),
        Token(name="reader", scopes=frozenset({"read"}), token="env:NPS_TOKEN_R"),
    )
    secrets = Secrets({"NPS_TOKEN_O": "operator", "NPS_TOKEN_R": "reader"})
    access = Access(AccessConfig(tokens=tokens), secrets)
    router = make_merge_router(engine, rulebook(), access, lambda: day(6), AS_SAID, publisher=asked)
    app = make_app([Part(name="segmenter", routers=[router])], CollectorRegistry())
    yield Place(app, "operator", asked, engine, shelf, anna, ben)
    await engine.dispose()


def who(customer_id: UUID) -> dict[str, str]:
    return {"customer_id": str(customer_id)}


async def test_a_merge_is_previewed_and_nothing_is_changed(place: Place) -> None:
    """What would come out: who stays, her segment, the stricter consents, kinds and counts."""
    before = await profiles(place.engine)
    answer = await place.post("merge", a={"email": ANNA}, b=who(place.ben), preview=True)
    assert answer.status_code == 200
    shown = answer.json()
    assert {side["customer_id"] for side in shown["before"]} == {str(place.anna), str(place.ben)}
    (after,) = shown["after"]
    assert (after["segment"], after["responses"], after["identifiers"]) == (
        "detractor",
        2,
        {"email": 2},
    )
    assert after["consents"] == [{"channel": "email", "purpose": "marketing", "state": "refused"}]
    assert "marketing_rest" in {hold["rule"] for hold in after["holds"]}
    assert shown["consents_differ"] is True
    assert ANNA not in answer.text
    assert BEN not in answer.text
    assert await profiles(place.engine) == before
    assert place.asked.messages == []
    assert await aliases(place.engine) == {}


async def test_the_preview_is_what_then_comes_out(place: Place) -> None:
    """Merged and unmerged: the sides previewed are the customers that then are."""
    shown = (await place.post("merge", a=who(place.anna), b=who(place.ben), preview=True)).json()
    await place.post("merge", a=who(place.anna), b=who(place.ben))
    await place.done()
    kept = str(place.shelf.merged()[0].customer_id)
    gone = place.shelf.merged()[0].merged_id
    assert shown["after"][0]["customer_id"] == kept
    undo = (await place.post("unmerge", customer_id=str(gone), preview=True)).json()
    assert undo["before"] == shown["after"]
    assert undo["after"] == shown["before"]
    assert undo["action"] == "unmerge"
    await place.post("unmerge", customer_id=str(gone))
    await place.done()
    assert await aliases(place.engine) == {}


async def test_what_is_asked_twice_is_one_event(place: Place) -> None:
    """Whichever of the two is named first; once done and undone, it is another."""
    first = await place.post("merge", a=who(place.anna), b=who(place.ben))
    again = await place.post("merge", a={"email": BEN}, b={"email": ANNA})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    (one, other) = place.asked.events()
    assert one == other
    assert [message.topic for message in place.asked.messages] == [FEEDBACK] * 2
    await place.done()
    gone = place.shelf.merged()[0].merged_id
    undone = await place.post("unmerge", customer_id=str(gone))
    assert (await place.post("unmerge", customer_id=str(gone))).json() == undone.json()
    await place.done()
    later = await place.post("merge", a=who(place.anna), b=who(place.ben))
    assert later.json()["event_id"] != first.json()["event_id"]
    await place.done()
    assert len(await aliases(place.engine)) == 1


async def test_who_asked_is_in_the_event_and_nobody_else(place: Place) -> None:
    """The token's name stands there and in the trace; no address of either does."""
    await place.post("merge", a={"email": ANNA}, b={"email": BEN})
    (message,) = place.asked.messages
    assert ANNA.encode() not in message.value
    assert _asked_by(message) == "operator"
    await place.done()
    reasons = {line.reason for line in place.shelf.decided()[-1].trace}
    assert "asked for by operator" in reasons


def _asked_by(message: Message) -> str:
    event: Event = decode(message.value)
    return str(getattr(event.data, "asked_by", ""))


@pytest.mark.parametrize(
    ("path", "wish", "status", "code"),
    [
        pytest.param(
            "merge", {"a": {"email": ANNA}, "b": {"email": ANNA}}, 409, "already-one", id="herself"
        ),
        pytest.param(
            "merge",
            {"a": {"email": ANNA}, "b": {"email": "carl@example.com"}},
            404,
            "unknown-customer",
            id="unknown address",
        ),
        pytest.param(
            "merge",
            {"a": {"customer_id": str(uuid4())}, "b": {"email": ANNA}},
            404,
            "unknown-customer",
            id="unknown id",
        ),
        pytest.param(
            "merge",
            {"a": {"email": ANNA, "external_id": "C-2"}, "b": {"email": BEN}},
            409,
            "several-customers",
            id="two at once",
        ),
        pytest.param(
            "merge", {"a": {}, "b": {"email": BEN}}, 422, "invalid-request", id="nobody named"
        ),
        pytest.param(
            "unmerge",
            {"customer_id": str(uuid4())},
            404,
            "unknown-customer",
            id="unmerge unknown",
        ),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_with_the_reason(
    place: Place, path: str, wish: dict[str, Any], status: int, code: str
) -> None:
    """A problem document that repeats nothing of what was sent; nothing is asked for."""
    await tell(place.engine, place.shelf, updated(*ids_of(external_id="C-2")))
    for preview in (False, True):
        answer = await place.post(path, **wish, preview=preview)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:nps:problem:{code}")
        assert "example.com" not in answer.text
    assert place.asked.messages == []


async def test_who_is_merged_into_nobody_cannot_be_unmerged(place: Place) -> None:
    """The answer says where the ids are that can be."""
    answer = await place.post("unmerge", customer_id=str(place.anna))
    assert (answer.status_code, "aliases" in answer.json()["detail"]) == (409, True)


async def test_who_may_only_look_may_not_merge(place: Place) -> None:
    """A preview is part of the work of who may do it."""
    transport = httpx.ASGITransport(app=place.app)
    headers = {"Authorization": "Bearer reader"}
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as client:
        for path in ("merge", "unmerge"):
            answer = await client.post(f"/v1/customers/{path}", json={}, headers=headers)
            assert answer.status_code == 403


async def test_the_command_line_previews_merges_and_undoes(place: Place) -> None:
    """In words, or with --json as the API says it."""
    async with answering(place.app) as url:
        pair = [f"email:{ANNA}", str(place.ben)]
        shown = await run(commands, "customer", "merge", *pair, "--preview", url=url, environ=TOKEN)
        assert shown.exit_code == 0
        assert "marketing by email refused" in shown.stdout
        assert "Nothing was changed" in shown.stdout
        assert ANNA not in shown.stdout
        asked = await run(commands, "customer", "merge", *pair, "--json", url=url, environ=TOKEN)
        assert UUID(told(asked)["event_id"])
        await place.done()
        gone = str(place.shelf.merged()[0].merged_id)
        undo = await run(
            commands, "customer", "unmerge", gone, "--preview", "--json", url=url, environ=TOKEN
        )
        assert told(undo)["action"] == "unmerge"
        done = await run(commands, "customer", "unmerge", gone, url=url, environ=TOKEN)
        assert done.stdout.startswith("asked for: event ")
        await place.done()
        again = await run(commands, "customer", "unmerge", gone, url=url, environ=TOKEN)
        assert again.exit_code == 1
        odd = await run(commands, "customer", "merge", "Anna", gone, url=url, environ=TOKEN)
        assert (odd.exit_code, "name a customer by" in odd.stderr) == (2, True)
    assert await count(place.engine, "SELECT count(*) FROM merges WHERE undone_at IS NULL") == 0


async def suspected(place: Place) -> Sequence[Twins]:
    """Sweep, and list the suspected duplicates."""
    await sweep(place.engine, lambda: day(2), refusing()).catch_up()
    async with place.engine.connect() as connection:
        return await quality_store.pairs(connection, (FIRST, FIRST), 10)


async def test_a_merge_that_the_policy_refused_is_listed_for_a_person(place: Place) -> None:
    """As a suspected duplicate, until somebody merges them."""
    link = updated(*ids_of(ANNA), *ids_of(BEN), at=day(2))
    await tell(place.engine, place.shelf, link, policy=refusing())
    pair = tuple(sorted((place.anna, place.ben)))
    (found,) = await suspected(place)
    assert ((found.one, found.other), found.reasons) == (pair, ("merge_refused",))
    await place.post("merge", a=who(place.anna), b=who(place.ben))
    await place.done()
    assert await suspected(place) == []
