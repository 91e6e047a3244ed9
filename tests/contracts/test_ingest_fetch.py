"""What fetching promises: each response told of is read once, within the platform's limits, and
nothing of a failure is lost or shouted about."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.ingest.fetch import fetched
from services.ingest.fetch.fetched import KEPT_TYPE
from services.ingest.fetch.fetches import Row
from services.ingest.keep.people import people
from shared import identifiers
from shared.errors import DependencyAway
from tests.builders.fetching import SOURCE, Place, fetching, thin
from tests.builders.ingest_store import ROUTE_KEY
from tests.builders.survey_platform import TOKEN
from tests.builders.waiting import eventually


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    """The shipped preset of a tool that tells ids only, towards a platform of the test."""
    async with fetching(database) as made:
        yield made


async def test_a_response_told_of_by_its_ids_becomes_one_event(place: Place) -> None:
    """It is fetched with the token, mapped, published under the identity of the response, kept."""
    place.platform.add("R1", 0)
    await place.put(thin("R1"))
    await place.work()
    assert place.answers() == [("R1", 0)]
    assert place.platform.asked == ["/v3/surveys/S1/responses/R1/details?simple=true"]
    assert place.platform.headers[0]["authorization"] == f"Bearer {TOKEN}"
    (event,) = [one.event for one in place.told]
    assert event.data.model_dump()["revision"] == 1795309200000
    assert {i.kind: i.value for i in place.told[0].identifiers} == {
        "email": "r1@example.com",
        "response": f"{SOURCE}/S1/R1",
    }
    assert await place.open() == []
    (body,) = place.bodies
    assert (body.content_type, body.event_ids) == (KEPT_TYPE, (event.id,))
    assert place.metric("nps_ingest_fetch_calls_total", verdict="read") == 1
    assert place.metric("nps_ingest_fetch_responses_total", fate="told") == 1


async def test_a_repeat_costs_no_second_call_and_a_newer_message_does(place: Place) -> None:
    """The platform's event time, and what else a message says, tell one from the other."""
    place.platform.add("R1", 3)
    await place.put(thin("R1", event="e1"), thin("R1", event="e1"))
    await place.work()
    await place.put(thin("R1", event="e1"))
    await place.put(thin("R1", minutes=-1, event="e0"))
    await place.work()
    assert len(place.platform.asked) == 1
    place.platform.add("R1", 4, date_modified="2026-11-22T01:00:30+00:00")
    await place.put(thin("R1", event="e2"))
    await place.work()
    await place.put(thin("R1", minutes=1, event="e3"))
    await place.work()
    assert len(place.platform.asked) == 3
    assert place.answers() == [("R1", 3), ("R1", 4)]
    assert place.metric("nps_ingest_fetch_responses_total", fate="known") == 1


async def test_a_message_that_comes_during_the_fetch_is_not_lost(place: Place) -> None:
    """What is read may be older than it, so the row stays open and is read again."""
    place.platform.add("R1", 3)
    await place.put(thin("R1"))

    async def newer() -> None:
        place.platform.meanwhile = None
        await place.put(thin("R1", minutes=2))

    place.platform.meanwhile = newer
    await place.work()
    assert len(place.platform.asked) == 2
    assert await place.open() == []


async def test_what_is_not_there_yet_is_asked_for_again_and_then_given_up(place: Place) -> None:
    """A 404 right after the event is usual; after ten minutes the response is in quarantine."""
    await place.put(thin("R1"), thin("R2"))
    await place.work()
    assert [row[0] for row in await place.open()] == ["R1", "R2"]
    place.platform.add("R1", 9)
    place.later(6)
    await place.work()
    assert place.answers() == [("R1", 9)]
    for _ in range(8):
        place.later(130)
        await place.work()
    assert await place.open() == []
    ((path, rule, body),) = await place.quarantined()
    assert (path, rule) == ("fetch", "the platform does not know the response (HTTP 404)")
    assert body["asked"]["response_id"] == "R2"
    assert place.metric("nps_ingest_fetch_responses_total", fate="gave_up") == 1


async def test_who_is_named_beside_the_ids_of_what_was_given_up_can_be_erased(
    place: Place,
) -> None:
    """The row holds what the message told, so it is found by it."""
    place.later(601)
    named = thin("R1", who="Ana@example.com")
    await place.parts.fetches.put(SOURCE, [named], place.now - timedelta(minutes=11))
    await place.work()
    known = identifiers.AS_SAID.email("ana@example.com")
    assert known is not None
    ((row,),) = await place.rows("SELECT people FROM quarantine")
    assert set(people(ROUTE_KEY, [known])) <= set(row)


async def test_what_was_given_up_can_be_fetched_again(place: Place) -> None:
    """The quarantined row holds all that the fetch needs."""
    place.later(601)
    await place.parts.fetches.put(SOURCE, [thin("R1")], place.now - timedelta(minutes=11))
    await place.work()
    ((_, _, _),) = await place.quarantined()
    (row,) = await place.rows("SELECT body, content_type FROM quarantine")
    again = fetched.thin_of(row[0])
    assert again is not None
    assert row[1] == KEPT_TYPE
    place.platform.add("R1", 7)
    await place.parts.fetches.put(SOURCE, [again], place.now, again=True)
    await place.work()
    assert place.answers() == [("R1", 7)]


async def test_a_wrong_token_makes_no_storm_and_is_told_without_it(place: Place) -> None:
    """One round of calls, then an hour's worth of patience; nothing shows the token."""
    place.platform.then(*(web.json_response({"token": TOKEN}, status=401) for _ in range(4)))
    await place.put(*(thin(f"R{n}", survey=f"S{n}") for n in range(20)))
    with capture_logs() as logs:
        assert await place.work() == 1
    assert len(place.platform.asked) == 4
    (line,) = [one for one in logs if one["event"] == "ingest.fetch_pauses"]
    assert line["log_level"] == "error"
    assert line["reason"].endswith("address (HTTP 401)")
    assert TOKEN not in str(logs)
    assert place.metric("nps_ingest_fetch_paused") == 1
    stored = await place.rows("SELECT reason FROM fetch_sources UNION SELECT reason FROM fetches")
    assert TOKEN not in str(stored)
    for n in range(20):
        place.platform.add(f"R{n}", 9, survey=f"S{n}")
    place.later(61)
    await place.work()
    assert len(place.told) == 20
    assert place.metric("nps_ingest_fetch_paused") == 0


async def test_a_platform_that_asks_to_wait_is_left_alone_by_all(place: Place) -> None:
    """`Retry-After` holds for the account: no other response is asked for meanwhile."""
    place.platform.then(web.Response(status=429, headers={"Retry-After": "90"}))
    place.platform.add("R1", 9)
    place.platform.add("R2", 9, survey="S2")
    await place.put(thin("R1"))
    await place.work()
    await place.put(thin("R2", survey="S2"))
    place.later(89)
    assert await place.work() == 0
    place.later(60)
    await place.work()
    assert sorted(place.answers()) == [("R1", 9), ("R2", 9)]


async def test_replicas_share_the_work_and_the_limits(database: str) -> None:
    """Each response is read once, and together they keep to calls per minute and per day."""
    rate = {"per_minute": 3, "per_day": 8}
    async with fetching(database, {"rate": rate, "bulk": None}) as place:
        other = place.replica(CollectorRegistry())
        for n in range(10):
            place.platform.add(f"R{n}", 9)
        await place.put(*(thin(f"R{n}") for n in range(10)))
        spent = []
        for _ in range(5):
            for _ in range(3):
                await asyncio.gather(
                    place.parts.fetching[SOURCE].step(place.stopping),
                    other.fetching[SOURCE].step(place.stopping),
                )
            spent.append(len(place.platform.asked))
            place.later(60)
        await other.close()
        assert spent == [3, 6, 8, 8, 8]
        assert len(place.told) == len(set(place.answers())) == 8
        place.later(86_400)
        await place.work()
        assert sorted(place.answers()) == [(f"R{n}", 9) for n in range(10)]


async def test_many_of_one_survey_are_read_in_one_call(place: Place) -> None:
    """What the page does not bring is asked for by itself; others on the page are told as well."""
    for n in range(5):
        place.platform.add(f"R{n}", n)
    place.platform.add("OLD", 9, date_modified="2026-01-01T00:00:00+00:00")
    await place.put(*(thin(f"R{n}") for n in range(4)), thin("OLD"))
    await place.work()
    assert len(place.platform.asked) == 1
    assert "start_modified_at=2026-11-22T00%3A50%3A00%2B00%3A00" in place.platform.asked[0]
    assert sorted(place.answers()) == [(f"R{n}", n) for n in range(5)]
    assert [row[0] for row in await place.open()] == ["OLD"]
    place.later(6)
    await place.work()
    assert place.platform.asked[1:] == ["/v3/surveys/S1/responses/OLD/details?simple=true"]
    assert ("OLD", 9) in place.answers()
    await place.put(thin("R4"))
    await place.work()
    assert len(place.told) == 6, "what a page brought is known when its own message comes"


async def test_a_document_that_cannot_be_mapped_is_kept_with_it(place: Place) -> None:
    """The quarantine shows path, rule and the fetched document; the person can be erased."""
    document = place.platform.add("R1", "eleven", custom_value=TOKEN)
    for _ in range(2):
        await place.parts.fetches.put(SOURCE, [thin("R1")], place.now, again=True)
        await place.work()
    ((path, rule, body),) = await place.quarantined()
    assert path == "question:144820001"
    assert rule == "score: not a whole number from 0 to 10"
    assert body["document"] == {**document, "custom_value": "***"}
    ((whom,),) = await place.rows("SELECT cardinality(people) FROM quarantine")
    assert whom == 1 + 1 + 1  # e-mail, contact's id, and the response itself
    assert await place.open() == []
    assert place.told == []


async def test_nothing_is_done_with_before_it_is_durable(place: Place) -> None:
    """With bus and spool away the row stays; what was published twice has one id."""
    place.platform.add("R1", 9)
    await place.put(thin("R1"))
    place.away = True
    with pytest.raises(DependencyAway):
        await place.work()
    assert [row[0] for row in await place.open()] == ["R1"]
    place.away = False
    await place.work()
    await place.rows("SELECT 1")
    assert place.answers() == [("R1", 9)]
    assert await place.open() == []


async def test_taking_in_and_getting_done_do_not_block_each_other(place: Place) -> None:
    """Batches in any order meet in the same rows, and all of them go through."""
    ids = [f"R{n}" for n in range(30)]
    for minute in range(4):
        told = [thin(name, minutes=minute) for name in ids]
        lease, claimed = await place.parts.fetches.claim(SOURCE, place.now, most=30, lease_s=60)
        assert len(claimed) == (30 if minute else 0)
        done = [Row("S1", one.thin.response_id, one.arm, "told") for one in reversed(claimed)]
        await asyncio.gather(
            place.put(*told),
            place.put(*reversed(told)),
            place.parts.fetches.close(SOURCE, done, place.now),
        )
        await place.parts.fetches.release(lease)
    assert [name for name, _ in await place.open()] == sorted(ids)


async def test_a_replica_that_died_hands_over(place: Place) -> None:
    """Its lease lapses by the database's clock, whoever looks."""
    place.platform.add("R1", 9)
    await place.put(thin("R1"))
    fetches = place.parts.fetches
    _, claimed = await fetches.claim(SOURCE, place.now, most=4, lease_s=60)
    assert [one.thin.response_id for one in claimed] == ["R1"]
    assert await place.work() == 0
    async with place.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE fetches SET leased_until = now() - interval '1 s'")
    await place.work()
    assert place.answers() == [("R1", 9)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "https://other.example/"}),
            "the platform refuses us: look at the token, its rights and the address (HTTP 302)",
            id="redirect",
        ),
        pytest.param(
            lambda: web.Response(status=502, text="<html>"),
            "the platform failed (HTTP 502)",
            id="bad gateway",
        ),
        pytest.param(
            lambda: web.Response(text="<html>not yours</html>"),
            "the answer is not JSON in UTF-8",
            id="page for people",
        ),
        pytest.param(
            lambda: web.Response(body=b"x" * (9 << 20)), "no whole answer", id="too large"
        ),
    ],
)
async def test_a_strange_answer_is_tried_again_later(
    place: Place, answer: type[web.Response], reason: str
) -> None:
    """It is neither followed nor believed, and the platform is left alone for a moment."""
    place.platform.then(answer())
    place.platform.add("R1", 9)
    await place.put(thin("R1"))
    await place.work()
    assert await place.open() == [("R1", reason)]
    assert await place.work() == 0
    place.later(3700)
    await place.work()
    assert place.answers() == [("R1", 9)]


async def test_a_private_address_is_not_called(database: str) -> None:
    """Unless the source says so: an API's name may lead into our own network."""
    async with fetching(database, {"allow_private": False}) as place:
        place.platform.add("R1", 9)
        await place.put(thin("R1"))
        await place.work()
        assert place.platform.asked == []
        ((_, reason),) = await place.open()
        assert reason.startswith("not called: the address is private")


async def test_an_id_leads_nowhere_else(place: Place) -> None:
    """What a message calls an id stays within its segment of the address, or is given up."""
    await place.put(thin(".."), thin("R1/../x", survey="S2"), thin("a?b=c&d", survey="S3"))
    await place.work()
    assert place.platform.asked == ["/v3/surveys/S3/responses/a%3Fb%3Dc%26d/details?simple=true"]
    assert [path for path, _, _ in await place.quarantined()] == ["fetch.url", "fetch.url"]


async def test_what_was_done_with_is_forgotten_after_a_while(place: Place) -> None:
    """Rows, calls and told ids are deleted; what still waits is not."""
    place.platform.add("R1", 9)
    await place.put(thin("R1"), thin("R2"))
    await place.work()
    assert await place.parts.prune(place.now - timedelta(days=1)) == 0
    place.later(1)
    assert await place.parts.prune(place.now) >= 2
    assert await place.rows("SELECT response_id FROM fetches") == [("R2",)]


async def test_what_nobody_fetches_any_more_is_told(place: Place) -> None:
    """A source that left the configuration leaves no response waiting unseen."""
    await place.parts.fetches.put("gone", [thin("R1"), thin("R2")], place.now)
    await place.put(thin("R1"))
    with capture_logs() as logs:
        await place.parts.prune(place.now)
    assert [(one["event"], one["source"], one["responses"]) for one in logs] == [
        ("ingest.fetch_abandoned", "gone", 2)
    ]


async def test_the_loop_runs_until_told_to_stop(place: Place) -> None:
    """It wakes when something is put, and shows what waits."""
    place.platform.add("R1", 9)
    stopping = asyncio.Event()

    async def told_and_shown() -> bool:
        return place.metric("nps_ingest_fetch_waiting") == 1 and len(place.told) == 1

    loop = asyncio.ensure_future(place.parts.tasks[f"fetching-{SOURCE}"](stopping))
    try:
        await place.put(thin("R1"), thin("R2"))
        await eventually(told_and_shown, what="one told and one waiting")
    finally:
        stopping.set()
        await loop
    assert place.answers() == [("R1", 9)]
