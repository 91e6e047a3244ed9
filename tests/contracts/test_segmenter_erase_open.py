"""Requests to forget somebody that are not finished: seen, told again, warned of once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.cli import app as commands
from services.segmenter.erase import waiting as erase_open
from services.segmenter.erase.request import Requests
from services.segmenter.erase.waiting import LATE, ErasureMetrics
from tests.builders.asking import Place
from tests.builders.auditing import trail
from tests.builders.facts import ANNA, BEN, ROUTE_KEY, Shelf, answered, day
from tests.builders.forgetting import PARTS, Confirmer, confirmed, erased, erasing_app
from tests.builders.merging import tell
from tests.builders.operating import answering, run, told

#: When they are asked for: the clock of the routes.
ASKED = day(5)
TOKEN = {"NPS_TOKEN": "eraser"}


@pytest.fixture
async def place(engine: AsyncEngine) -> Place:
    shelf, asked = Shelf(), Shelf()
    await tell(engine, shelf, answered("r1", 9), answered("r2", 3, email=BEN))
    anna, ben = (decided.customer_id for decided in shelf.decided())
    return Place(erasing_app(engine, asked), "eraser", asked, engine, shelf, anna, ben)


async def ask(place: Place, email: str = ANNA) -> str:
    """Ask for somebody to be forgotten; returns the erasure's id."""
    erasure_id: str = (await place.post("erase", email=email)).json()["erasure_id"]
    return erasure_id


async def confirm(place: Place, erasure_id: str, *parts: Confirmer) -> None:
    """Let parts say so, by the bus."""
    await tell(place.engine, place.shelf, *(confirmed(erasure_id, part) for part in parts))


async def ages(place: Place, now: datetime) -> dict[str, float]:
    """Look at what is open, and read the metric: hours by what is waited for, none left out."""
    registry = CollectorRegistry()
    await erase_open.watch(place.engine, ErasureMetrics(registry), now)
    name = "nps_segmenter_erasure_oldest_seconds"
    found = {
        part: registry.get_sample_value(name, {"waits_for": part}) for part in ("segmenter", *PARTS)
    }
    assert None not in found.values()
    return {part: seconds / 3600 for part, seconds in found.items() if seconds}


async def test_a_request_waits_for_each_in_turn_until_all_have_confirmed(place: Place) -> None:
    """The receipt, the list and the metric say whom, since it was asked."""
    erasure_id = await ask(place)
    hour = ASKED + timedelta(hours=1)

    async def waits() -> list[str]:
        receipt = (await place.get(f"erasures/{erasure_id}")).json()
        listed = (await place.get("erasures")).json()["erasures"]
        assert [one["waits_for"] for one in listed] == [receipt["waits_for"]] * len(listed)
        assert await ages(place, hour) == dict.fromkeys(receipt["waits_for"], 1.0)
        found: list[str] = receipt["waits_for"]
        return found

    assert await waits() == ["segmenter"]
    await place.done()
    assert await waits() == ["ingest", "dispatcher"]
    await confirm(place, erasure_id, "dispatcher")
    assert await waits() == ["ingest", "platforms"]
    await confirm(place, erasure_id, "ingest")
    assert await waits() == ["platforms"]
    await confirm(place, erasure_id, "platforms")
    assert await waits() == []
    assert (await place.get("erasures")).json() == {"erasures": []}
    receipt = (await place.get(f"erasures/{erasure_id}")).json()
    assert set(receipt["confirmed"]) == set(PARTS)


async def test_the_platforms_word_says_that_the_dispatcher_is_done_and_any_order_will_do(
    place: Place,
) -> None:
    """Told twice and turned round: the first moment counts."""
    erasure_id = await ask(place)
    await place.done()
    late = confirmed(erasure_id, "platforms", day(9))
    early = confirmed(erasure_id, "platforms", day(7))
    await tell(place.engine, place.shelf, early, late, confirmed(erasure_id, "dispatcher", day(8)))
    await confirm(place, erasure_id, "ingest")
    receipt = (await place.get(f"erasures/{erasure_id}")).json()
    assert receipt["waits_for"] == []
    moments = {part: datetime.fromisoformat(at) for part, at in receipt["confirmed"].items()}
    assert moments == {"ingest": day(6), "dispatcher": day(7), "platforms": day(7)}


async def test_a_word_about_an_erasure_that_is_not_ours_changes_nothing(place: Place) -> None:
    """Such as after a restore from a backup: it is no reason to stop the topic."""
    erasure_id = await ask(place)
    await confirm(place, str(uuid4()), *PARTS)
    assert (await place.get(f"erasures/{erasure_id}")).json()["waits_for"] == ["segmenter"]


async def test_the_oldest_is_measured_for_each_that_is_waited_for(place: Place) -> None:
    """One that is told of and one that nobody handles: each has its age."""
    first = await ask(place)
    await place.done()
    await confirm(place, first, "ingest")
    app = erasing_app(place.engine, place.asked, now=ASKED + timedelta(hours=2))
    later = Place(app, "eraser", place.asked, place.engine, place.shelf, place.anna, place.ben)
    await ask(later, BEN)
    now = ASKED + timedelta(hours=3)
    assert await ages(place, now) == {"dispatcher": 3.0, "segmenter": 1.0}
    listed = (await place.get("erasures")).json()["erasures"]
    assert listed[0]["erasure_id"] == first


async def test_one_that_takes_too_long_is_warned_of_once(place: Place) -> None:
    """Whichever replica looks, and whatever it waits for later; nothing personal is said."""
    erasure_id = await ask(place)

    async def warned(now: datetime) -> list[dict[str, Any]]:
        with capture_logs() as logs:
            await ages(place, now)
        assert ANNA not in str(logs)
        return [dict(line) for line in logs if line["event"] == "segmenter.erasure_late"]

    assert await warned(ASKED + LATE - timedelta(seconds=1)) == []
    (line,) = await warned(ASKED + LATE)
    assert (line["erasure_id"], line["log_level"]) == (erasure_id, "warning")
    assert line["waits_for"] == ("segmenter",)
    await place.done()
    assert await warned(ASKED + LATE * 9) == []


async def test_what_was_finished_in_time_is_never_warned_of(place: Place) -> None:
    """Nor told again."""
    erasure_id = await ask(place)
    await place.done()
    await confirm(place, erasure_id, *PARTS)
    with capture_logs() as logs:
        assert await ages(place, ASKED + LATE * 9) == {}
    assert logs == []


async def test_what_somebody_did_not_confirm_is_told_again_until_he_does(place: Place) -> None:
    """The record was lost to him, or his word to us: he hears of it again, by the same event."""
    erasure_id = await ask(place)
    await place.done()
    clock = [ASKED + timedelta(minutes=11)]
    requests = Requests(
        place.engine, place.asked, ROUTE_KEY, trail=trail("segmenter"), clock=lambda: clock[0]
    )
    await confirm(place, erasure_id, "dispatcher")
    assert await requests.tell() == 1
    await place.done()
    first, again = erased(place.shelf)
    assert first == again
    await confirm(place, erasure_id, "ingest")
    clock[0] += timedelta(hours=23)
    assert await requests.tell() == 0
    clock[0] += timedelta(hours=2)
    assert await requests.tell() == 1
    await confirm(place, erasure_id, "platforms")
    clock[0] += timedelta(days=9)
    assert await requests.tell() == 0


async def test_the_command_lists_what_is_open_and_shows_one(place: Place) -> None:
    """Since when, and whom it waits for."""
    erasure_id = await ask(place)
    await place.done()
    async with answering(place.app) as url:
        listed = await run(commands, "customer", "erasures", url=url, environ=TOKEN)
        assert listed.exit_code == 0, listed.stderr
        assert erasure_id in listed.stdout
        assert "ingest, dispatcher" in listed.stdout
        assert "eraser" in listed.stdout
        one = await run(commands, "customer", "erasures", erasure_id, url=url, environ=TOKEN)
        assert one.exit_code == 0, one.stderr
        assert "waits for: ingest, dispatcher" in one.stdout
        assert "by eraser" in one.stdout
        await confirm(place, erasure_id, *PARTS)
        none = await run(commands, "customer", "erasures", url=url, environ=TOKEN)
        assert "None is open" in none.stdout
        again = await run(commands, "customer", "erasures", "--json", url=url, environ=TOKEN)
        assert told(again) == {"erasures": []}


async def test_only_who_may_forget_sees_what_is_open(place: Place) -> None:
    """The list tells that somebody asked, and when."""
    assert (await place.get("erasures", token="reader")).status_code == 403
    assert (await place.get("erasures?limit=0")).status_code == 422


def test_late_is_seen_within_a_day_and_long_before_the_law() -> None:
    """Whoever looks at warnings once a day finds it the next time he looks."""
    assert timedelta(hours=1) < LATE < timedelta(days=1)
