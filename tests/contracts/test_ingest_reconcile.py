"""What reconciling promises: a response whose message never came is found, and told once."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from shared.errors import DependencyAway
from tests.builders.fetching import SOURCE, Place, fetching, thin

RECONCILE = {"every_s": 3600, "look_back_s": 86_400, "overlap_s": 600, "surveys": ["S1"]}


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    """A source that reconciles one survey every hour."""
    async with fetching(database, {"reconcile": RECONCILE}) as made:
        yield made


def since(call: str) -> str:
    """Take the hour and minute from which a page was asked for."""
    (moment,) = parse_qs(urlsplit(call).query)["start_modified_at"]
    return moment.removesuffix(":00+00:00")


async def test_a_response_that_was_never_told_of_is_found_once(place: Place) -> None:
    """Under the identity its message would have had; what was fetched before is not told again."""
    place.platform.add("R1", 9)
    place.platform.add("R2", 2)
    await place.put(thin("R1"))
    await place.work()
    assert await place.reconcile()
    assert place.answers() == [("R1", 9), ("R2", 2)]
    assert not await place.reconcile(), "not before its hour"
    place.later(3600)
    assert await place.reconcile()
    await place.put(thin("R2"))
    await place.work()
    assert len(place.told) == 2
    assert place.metric("nps_ingest_fetch_responses_total", fate="known") == 4


async def test_it_reads_on_from_where_it_was(place: Place) -> None:
    """First as far back as asked, then from the last reading's beginning, less the overlap."""
    await place.reconcile()
    place.later(7200)
    await place.reconcile()
    assert [since(call) for call in place.platform.asked] == [
        "2026-11-21T01:05",
        "2026-11-22T00:55",
    ]


async def test_what_waits_to_be_fetched_and_is_found_is_done_with(place: Place) -> None:
    """The page saves the call."""
    place.platform.add("R1", 9)
    await place.put(thin("R1"))
    await place.reconcile()
    assert await place.open() == []
    assert await place.work() == 0


async def test_pages_follow_to_their_end(place: Place) -> None:
    """Each call counts; with those of the minute used up the next minute is waited for."""
    place.platform.page_size = 2
    for n in range(5):
        place.platform.add(f"R{n}", 9)
    await place.parts.accounts.spend(SOURCE, place.recipe.settings, place.now, 118)
    await place.reconcile()
    assert len(place.platform.asked) == 3
    assert len(place.told) == 5
    assert place.rests == [60]


async def test_a_reading_cut_short_is_made_again_from_where_it_was(place: Place) -> None:
    """Soon, and nothing that was told is told twice."""
    place.platform.page_size = 1
    for n in range(2):
        place.platform.add(f"R{n}", 9)
    page = {"data": [place.platform.responses["R0"]], "links": {"next": "/v3/surveys/S1/more"}}
    place.platform.then(web.json_response(page), web.Response(status=500))
    await place.reconcile()
    assert len(place.told) == 1
    place.later(301)
    assert await place.reconcile()
    assert sorted(place.answers()) == [("R0", 9), ("R1", 9)]
    assert {since(call) for call in place.platform.asked if "bulk" in call} == {
        "2026-11-21T01:05",
        "2026-11-21T01:10:01+00:00",
    }


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param("https://other.example/v3/x", id="another host"),
        pytest.param("http://127.0.0.1:9/v3/x", id="another port"),
        pytest.param("//other.example/x", id="without scheme"),
        pytest.param("http://[", id="no address"),
        pytest.param("file:///etc/hosts", id="a file"),
    ],
)
async def test_the_next_page_is_on_the_same_platform(place: Place, elsewhere: str) -> None:
    """The token goes with every call, so an answer does not choose where to."""
    place.platform.page_size = 1
    place.platform.next_page = elsewhere
    place.platform.add("R1", 9)
    place.platform.add("R2", 9)
    await place.reconcile()
    assert len(place.platform.asked) == 1
    assert len(place.told) == 1
    assert await place.rows("SELECT read_to FROM fetch_surveys") == []


async def test_a_reading_is_bounded(database: str) -> None:
    """A platform whose pages never end does not hold us for ever."""
    bulk = {
        "url": "/v3/surveys/{survey}/responses/bulk?start_modified_at={since}&page={page}",
        "items": "data",
        "pages": 3,
    }
    async with fetching(database, {"reconcile": RECONCILE, "bulk": bulk}) as place:
        place.platform.page_size = 1
        for n in range(9):
            place.platform.add(f"R{n}", 9)
        await place.reconcile()
        assert [call[-6:] for call in place.platform.asked] == ["page=1", "page=2", "page=3"]
        assert len(place.told) == 3


async def test_one_replica_at_a_time(place: Place) -> None:
    """Whoever comes second has nothing to do; a turn that was never ended lapses."""
    other = place.replica(CollectorRegistry())
    turns = await asyncio.gather(place.reconcile(), other.reconciling[SOURCE].step(place.stopping))
    assert sorted(turns) == [False, True]
    place.later(3600)
    assert await place.parts.accounts.take_turn(SOURCE, place.now, 1800)
    assert not await other.reconciling[SOURCE].step(place.stopping)
    async with place.engine.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE fetch_sources SET reconciling_until = now() - interval '1 s'"
        )
    assert await other.reconciling[SOURCE].step(place.stopping)
    await other.close()


async def test_bus_and_spool_away_leave_everything_to_be_read_again(place: Place) -> None:
    """Nothing counts as read before it is durable."""
    place.platform.add("R1", 9)
    place.away = True
    with pytest.raises(DependencyAway):
        await place.reconcile()
    assert await place.rows("SELECT read_to FROM fetch_surveys") == []
    place.away = False
    place.later(301)
    assert await place.reconcile(), "the turn was given back, not left to lapse"
    assert place.answers() == [("R1", 9)]


async def test_without_a_list_the_surveys_that_were_told_of_are_read(database: str) -> None:
    """A survey is known from its first message on."""
    changes = {**RECONCILE, "surveys": []}
    async with fetching(database, {"reconcile": changes}) as place:
        await place.put(thin("R1", survey="S1"), thin("R2", survey="S2"))
        await place.reconcile()
        assert [call.split("/")[3] for call in place.platform.asked] == ["S1", "S2"]


async def test_a_paused_platform_is_not_read(place: Place) -> None:
    """What asks fetching to wait holds for reconciling as well."""
    place.platform.then(web.Response(status=429, headers={"Retry-After": "900"}))
    await place.put(thin("R1"))
    await place.work()
    assert await place.reconcile()
    assert len(place.platform.asked) == 1


@pytest.mark.parametrize("status", [404, 400], ids=["gone", "not accepted"])
async def test_a_survey_that_cannot_be_read_stands_in_no_other_ones_way(
    database: str, status: int
) -> None:
    """A deleted survey is asked for again and again; those after it are read all the same."""
    changes = {**RECONCILE, "surveys": ["S1", "S2"]}
    async with fetching(database, {"reconcile": changes}) as place:
        place.platform.add("R2", 9, survey="S2")
        place.platform.then(web.Response(status=status))
        await place.reconcile()
        assert place.answers() == [("R2", 9)]
        assert await place.rows("SELECT survey FROM fetch_surveys") == [("S2",)]
        place.later(301)
        assert await place.reconcile(), "soon, for the one that was not read"


async def test_with_no_calls_left_no_other_survey_is_tried(database: str) -> None:
    """Waiting for each of a hundred surveys would take hours and find nothing."""
    changes = {**RECONCILE, "surveys": ["S1", "S2"]}
    rate = {"per_minute": 60, "per_day": 1}
    async with fetching(database, {"reconcile": changes, "rate": rate}) as place:
        await place.parts.accounts.spend(SOURCE, place.recipe.settings, place.now, 1)
        await place.reconcile()
        assert (place.platform.asked, len(place.rests)) == ([], 2)
