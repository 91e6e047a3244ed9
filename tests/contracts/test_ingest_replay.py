"""What is promised of messages in quarantine once their mapping is corrected: told, and once."""

import dataclasses
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.ingest.fetch.fetched import KEPT_TYPE, kept
from services.ingest.keep.quarantine import Quarantine
from shared.database import connect
from shared.events.feedback import ResponseReceived
from shared.process import Context
from tests.builders.ingest import ENVIRON, Ingest
from tests.builders.ingest_store import ROUTE_KEY, BusWith, SwitchedBus
from tests.builders.remapping import NOW, SOURCE, answer, mapped_by, send

#: The score under another name than the preset's.
RATING = {"answers": {"score": "rating"}}


async def remap(ingest: Ingest, **wanted: Any) -> dict[str, Any]:
    """Read rows again, for good unless `dry_run` is given."""
    found = await ingest.operate("/v1/quarantine/remap", {"dry_run": False, **wanted})
    assert found.status_code == 200, found.text
    content: dict[str, Any] = found.json()
    return content


def states(done: dict[str, Any]) -> list[str]:
    """Take what became of each row."""
    return [row["state"] for row in done["rows"]]


async def test_a_corrected_mapping_tells_what_lay_in_quarantine(
    database: str, tmp_path: Path
) -> None:
    """First as a rehearsal that changes nothing; then the event is that of the message as it came,
    its row is gone, and its body is kept like that of any understood message."""
    async with mapped_by(database, tmp_path) as ingest:
        sent = await send(ingest, answer(score="ten", rating=10))
        assert sent.json()["status"] == "quarantined"
    async with mapped_by(database, tmp_path, RATING) as ingest:
        rehearsed = await remap(ingest, dry_run=True)
        assert (states(rehearsed), rehearsed["dry_run"]) == (["told"], True)
        assert (await ingest.published(), await ingest.kept()) == ([], 1)
        done = await remap(ingest)
        (event,) = await ingest.published()
        assert isinstance(event.data, ResponseReceived)
        assert event.data.answers["score"] == 10
        assert event.data.received_at == NOW
        assert done["rows"][0]["events"] == [{"id": str(event.id), "type": event.type}]
        assert await ingest.kept() == 0
        await ingest.settled()
        assert await ingest.rows("SELECT event_ids, response_id FROM ingest.bodies") == [
            ([event.id], "R-1")
        ]
        again = await send(ingest, answer(score="ten", rating=10))
        assert again.json()["event_id"] == str(event.id)


async def test_what_still_fails_stays_with_the_new_reason(database: str, tmp_path: Path) -> None:
    """The row keeps its id, its receipt and its body."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="ten", rating="many"))
        (before,) = (await ingest.look()).json()["rows"]
    async with mapped_by(database, tmp_path, RATING) as ingest:
        done = await remap(ingest)
        (row,) = done["rows"]
        assert (row["state"], row["path"], row["events"]) == ("failed", "rating", [])
        (after,) = (await ingest.look()).json()["rows"]
        assert (after["id"], after["received_at"]) == (before["id"], before["received_at"])
        assert (before["path"], after["path"]) == ("score", "rating")
        assert after["mapping"] != before["mapping"]


async def test_of_a_batch_only_what_failed_is_told(database: str, tmp_path: Path) -> None:
    """The others were told when they came; what still fails stays by its place."""
    async with mapped_by(database, tmp_path) as ingest:
        batch = [answer(1), answer(2, score="x", rating=2), answer(3, score="x", rating="x")]
        await send(ingest, batch)
        assert len(await ingest.published()) == 1
    fallback = {"answers": {"score": ["rating", "score"]}}
    async with mapped_by(database, tmp_path, fallback) as ingest:
        assert states(await remap(ingest)) == ["failed"]
        told = [event.data.model_dump()["response_id"] for event in await ingest.published()]
        assert told == ["R-1", "R-2"]
        (row,) = (await ingest.look()).json()["rows"]
        assert row["places"] == [2]


async def test_headers_and_query_are_read_again_as_they_came(database: str, tmp_path: Path) -> None:
    """A survey named in a header is part of what was said."""
    named = {"survey": "header:X-Survey"}
    async with mapped_by(database, tmp_path, named) as ingest:
        await send(ingest, answer(score="x", rating=4), **{"X-Survey": "stall-visit"})
    async with mapped_by(database, tmp_path, {**named, **RATING}) as ingest:
        await remap(ingest)
        (event,) = await ingest.published()
        assert event.data.model_dump()["survey"] == "stall-visit"


async def test_what_the_mapping_now_ignores_goes(database: str, tmp_path: Path) -> None:
    """It is not an answer: nothing is told and nothing is left."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="x", kind="draft"))
    drafts = {"ignore": [{"from": "kind", "is": ["draft"], "reason": "a draft"}]}
    async with mapped_by(database, tmp_path, drafts) as ingest:
        assert states(await remap(ingest)) == ["ignored"]
        assert (await ingest.published(), await ingest.kept()) == ([], 0)


async def test_rows_are_chosen_by_id_source_and_page(database: str, tmp_path: Path) -> None:
    """An id that is no more is said to be gone; pages follow each other while rows go."""
    async with mapped_by(database, tmp_path) as ingest:
        for number in range(3):
            await send(ingest, answer(number, score="x", rating=number))
        ids = [row["id"] for row in (await ingest.look()).json()["rows"]]
    async with mapped_by(database, tmp_path, RATING) as ingest:
        assert states(await remap(ingest, ids=[ids[0], str(UUID(int=7))])) == ["told", "gone"]
        assert states(await remap(ingest, source="other")) == []
        first = await remap(ingest, source=SOURCE, limit=1)
        second = await remap(ingest, source=SOURCE, limit=1, cursor=first["next"])
        assert [first["rows"][0]["id"], second["rows"][0]["id"]] == ids[1:]
        assert await ingest.kept() == 0


async def test_a_row_whose_source_is_gone_stays(database: str, tmp_path: Path) -> None:
    """The operator learns that nothing reads it any more."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="x"))
        await ingest.change("UPDATE ingest.quarantine SET source = 'former'")
        (row,) = (await remap(ingest))["rows"]
        assert (row["state"], row["rule"]) == ("failed", "no source of this name is configured")
        assert await ingest.kept() == 1


FETCH = {
    "fetch": {
        "url": "https://survey.example/v1/{survey}/{response_id}",
        "reads": {"answers": {"score": "value"}, "revision": "updated", "answered_at": "at"},
    }
}


@pytest.mark.parametrize(
    ("document", "state"),
    [
        pytest.param({"value": 3}, "told", id="a document that no mapping understood"),
        pytest.param(None, "fetching", id="a response that could not be fetched"),
    ],
)
async def test_what_was_fetched_is_read_as_fetched(
    database: str, tmp_path: Path, document: object, state: str
) -> None:
    """By the source's `fetch.reads`; what was never got is put in the queue again."""
    asked = {"survey": "s", "response_id": "F-1", "occurred_at": "2026-11-21T10:00:00Z"}
    engine = connect(database, "ingest", connections=1)
    await Quarantine(engine, route_key=ROUTE_KEY).put(
        source=SOURCE,
        body=kept(asked, document),
        secrets=(),
        content_type=KEPT_TYPE,
        received_at=NOW,
        path="value",
        rule="not a number",
        mapping="v1",
    )
    await engine.dispose()
    async with mapped_by(database, tmp_path, FETCH) as ingest:
        assert states(await remap(ingest)) == [state]
        told = [event.data.model_dump()["response_id"] for event in await ingest.published()]
        waiting = await ingest.rows("SELECT response_id FROM ingest.fetches")
        assert (told, waiting) == ((["F-1"], []) if state == "told" else ([], [("F-1",)]))
        assert await ingest.kept() == 0


async def test_a_message_that_calls_itself_fetched_is_read_as_sent(
    database: str, tmp_path: Path
) -> None:
    """The sender chooses the content type of what it sends."""
    async with mapped_by(database, tmp_path, FETCH) as ingest:
        await send(ingest, answer(score="x", rating=5), **{"Content-Type": KEPT_TYPE})
    async with mapped_by(database, tmp_path, {**FETCH, **RATING}) as ingest:
        assert states(await remap(ingest)) == ["told"]


async def test_the_body_is_shown_to_operators_only(database: str, tmp_path: Path) -> None:
    """Whole, secrets struck out; whoever may only look gets the list and no body."""
    async with mapped_by(database, tmp_path) as ingest:
        await send(ingest, answer(score="x", token=ENVIRON["NPS_SECRET_SHOP"]))
        (row,) = (await ingest.look()).json()["rows"]
        path = f"/v1/quarantine/{row['id']}"
        shown = (await ingest.operate(path)).json()
        assert {key: shown[key] for key in row} == row
        assert '"email":"c1@example.com"' in shown["body"]
        assert '"token":"***"' in shown["body"]
        assert shown["bytes"] == len(shown["body"])
        looker = {"Authorization": f"Bearer {ENVIRON['LOOKER']}"}
        assert (await ingest.client.get(path, headers=looker)).status_code == 403
        assert (await ingest.operate(f"/v1/quarantine/{UUID(int=7)}")).status_code == 404


async def test_a_wish_to_look_is_checked_like_any(database: str, tmp_path: Path) -> None:
    """What no column holds is refused before the database is asked."""
    async with mapped_by(database, tmp_path) as ingest:
        for query in ({"rule": "a\x00"}, {"since": "9999-12-31T23:59:59-12:00"}, {"cursor": "x_y"}):
            assert (await ingest.look(**query)).status_code == 422, query


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        pytest.param({"limit": 0}, 422, id="a limit that is none"),
        pytest.param({"cursor": "elsewhere"}, 422, id="a cursor that is none"),
        pytest.param({"dryrun": False}, 422, id="a misspelt key"),
        pytest.param([], 422, id="a list"),
        pytest.param({"since": "0001-01-01T00:00:00+14:00"}, 422, id="a time before all years"),
        pytest.param({"since": "2026-11-22T09:00:00"}, 422, id="a time without a zone"),
        pytest.param({"cursor": f"0001-01-01T00:00:00+14:00_{UUID(int=7)}"}, 422, id="old cursor"),
        pytest.param({"ids": ["camille@example.com"]}, 422, id="an id that is none"),
    ],
)
async def test_a_wrong_wish_is_refused_without_its_content(
    database: str, tmp_path: Path, wanted: object, status: int
) -> None:
    """A misspelt `dry_run` must not tell everything; what was sent is never repeated."""
    async with mapped_by(database, tmp_path) as ingest:
        answered = await ingest.operate("/v1/quarantine/remap", wanted)
        assert answered.status_code == status
        assert "camille" not in answered.text


class _FailingBus:
    """The real log, which goes away after some records."""

    publisher: SwitchedBus

    async def wrap(self, context: Context) -> Context:
        """Put the switch between ingest and the bus."""
        self.publisher = SwitchedBus(context.bus.publisher, takes=2)
        return dataclasses.replace(context, bus=BusWith(context.bus, self.publisher))


@pytest.mark.parametrize("by_id", [True, False])
async def test_what_was_told_before_the_bus_went_away_is_said(
    database: str, tmp_path: Path, by_id: bool
) -> None:
    """The page is cut short, and asking on does the rest; with nothing done it is a 503."""
    async with mapped_by(database, tmp_path) as ingest:
        for number in range(3):
            await send(ingest, answer(number, score="x", rating=number))
        ids = [row["id"] for row in (await ingest.look()).json()["rows"]]
    bus = _FailingBus()
    async with mapped_by(database, tmp_path, RATING, wrap=bus.wrap) as ingest:
        wanted = {"ids": ids} if by_id else {}
        first = await remap(ingest, **wanted)
        assert [row["id"] for row in first["rows"]] == ids[:2]
        left = {"ids": ids[2:]} if by_id else {"cursor": first["next"]}
        refused = await ingest.operate("/v1/quarantine/remap", {"dry_run": False, **left})
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert await ingest.kept() == 1
        bus.publisher.takes = None
        assert [row["id"] for row in (await remap(ingest, **left))["rows"]] == ids[2:]
        assert await ingest.kept() == 0
