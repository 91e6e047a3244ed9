"""A person may see what is kept of her: everything, hers alone, a page at a time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.ingest.fetch.fetches import Fetches
from services.ingest.keep.spool_table import Entry, SpoolTable
from services.ingest.told import Thin
from shared.bus.port import Message
from shared.events.envelope import FEEDBACK, Event, encode
from shared.events.feedback import CustomerUpdated
from tests.builders.erasing import email, marks
from tests.builders.ingest import ENVIRON, Ingest
from tests.builders.remapping import NOW, SOURCE, answer, send

ANA, BEN = "ana@example.com", "ben@example.com"
EARLY = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


async def export(ingest: Ingest, token: str = "ERASER", **wanted: Any) -> httpx.Response:
    """Ask for what is kept of Ana, unless somebody else is wanted."""
    return await ingest.client.post(
        "/v1/bodies/export",
        json={"identifiers": {"email": ANA}, **wanted},
        headers={"Authorization": f"Bearer {ENVIRON[token]}"},
    )


async def rows(ingest: Ingest, **wanted: Any) -> list[dict[str, Any]]:
    """Read all pages."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await export(ingest, **wanted, **({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        found += page.json()["rows"]
        if (cursor := page.json()["next"]) is None:
            return found


async def fill(ingest: Ingest, ingest_engine: AsyncEngine) -> None:
    """Keep something of Ana and of Ben in each store."""
    for number, who in enumerate((ANA, BEN)):
        said = answer(number, email=who, comment=f"words of {who}")
        await send(ingest, said, **{"Content-Type": "application/json"})
        await send(ingest, answer(number, email=None, score=3))
        await send(ingest, answer(number + 10, email=who, score="x"))
        data = CustomerUpdated(identifiers=(email(who),), occurred_at=EARLY)
        event = Event(UUID(int=number + 1), "crm", EARLY, data)
        entry = Entry(event.id, marks(email(who)), NOW, Message(FEEDBACK, "key", encode(event)))
        await SpoolTable(ingest_engine).add([entry], lambda _size: 1)
        thin = Thin("relational", f"F-{number}", EARLY, {"who": who.upper()})
        await Fetches(ingest_engine).put(SOURCE, [thin], NOW)
    await ingest.settled()
    await ingest.change(
        "INSERT INTO ingest.spool_dead (event_id, topic, key, value, people, spooled_at, died_at,"
        " reason) SELECT event_id, topic, key, 'no JSON', people, spooled_at, now(), 'too large'"
        " FROM ingest.spool"
    )


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_all_that_is_kept_of_her_is_shown_and_nothing_of_others(
    ingest: Ingest, ingest_engine: AsyncEngine, limit: int
) -> None:
    """From each store, with what stood beside it; also the step of her answer that names nobody."""
    await fill(ingest, ingest_engine)
    with capture_logs() as logs:
        found = await rows(ingest, limit=limit)
    assert [row["store"] for row in found] == [
        "bodies", "bodies", "quarantine", "spool", "spool_dead", "fetches",
    ]  # fmt: skip
    told, step, unread, waiting, dead, fetch = found
    assert f"words of {ANA}" in told["content"]
    assert told["details"]["response_id"] == step["details"]["response_id"] == "R-0"
    assert (told["source"], told["received_at"]) == (SOURCE, "2026-11-22T09:00:00.000000Z")
    assert told["details"]["said_at"] == "2026-11-21T10:00:00.000000Z"
    assert told["details"]["content_type"] == "application/json"
    assert (unread["details"]["path"], ANA in unread["content"]) == ("score", True)
    assert waiting["content"]["data"]["identifiers"] == [{"kind": "email", "value": ANA}]
    assert dead["content"] == "no JSON"
    assert fetch["content"] == {"who": ANA.upper()}
    assert not any(row["shared"] for row in found)
    assert BEN not in str(found).lower()
    assert ANA not in str(logs)
    assert sum(one["rows"] for one in logs if one["event"] == "ingest.exported") == 6


async def test_what_may_hold_words_of_others_is_marked(ingest: Ingest) -> None:
    """A batch is kept whole: whoever hands it over takes the others out first."""
    await send(ingest, [answer(1, email=ANA), answer(2, email=BEN)])
    await send(ingest, [answer(3, email=ANA, score="x"), answer(4, email=BEN, score="x")])
    await ingest.settled()
    assert [row["shared"] for row in await rows(ingest)] == [True, True]


async def test_a_page_is_bounded_by_what_it_holds(ingest: Ingest) -> None:
    """Bodies may be large: a few of them fill a page."""
    for number in range(6):
        await send(ingest, answer(number, email=ANA, comment="x" * 950_000))
    await ingest.settled()
    first = (await export(ingest)).json()
    assert (len(first["rows"]), first["next"] is None) == (5, False)
    assert len(await rows(ingest)) == 6


async def test_whoever_is_known_to_nobody_has_nothing(ingest: Ingest) -> None:
    """That is an answer, not an error."""
    await send(ingest, answer(1, email=BEN))
    await ingest.settled()
    assert (await export(ingest)).json() == {"rows": [], "next": None}


@pytest.mark.parametrize("token", ["LOOKER", "OPERATOR", "TELLER"])
async def test_only_who_answers_such_requests_may_ask(ingest: Ingest, token: str) -> None:
    """Looking at decisions is less than reading all that somebody wrote."""
    assert (await export(ingest, token)).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"identifiers": {"email": "no-address"}}, id="no address"),
        pytest.param({"identifiers": {}}, id="nobody"),
        pytest.param({"limit": 0}, id="a limit that is none"),
        pytest.param({"cursor": "!"}, id="no cursor"),
        pytest.param({"cursor": "abc"}, id="a cursor cut short"),
        pytest.param({"cursor": "WyJib2RpZXMiLCJ4Il0="}, id="a place that is none"),
        pytest.param({"cursor": "WyJmZXRjaGVzIiwiYSIsImIiLCJcdTAwMDAiXQ=="}, id="NUL"),
    ],
)
async def test_a_wrong_wish_is_refused_and_not_echoed(
    ingest: Ingest, wanted: dict[str, Any]
) -> None:
    """Nothing that was sent is repeated."""
    answered = await export(ingest, **wanted)
    assert answered.status_code == 422
    assert ANA not in answered.text
    assert "no-address" not in answered.text
