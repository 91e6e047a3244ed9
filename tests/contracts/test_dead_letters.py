"""Dead letters looked through and told again, on both buses; and what the segmenter does then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import Result

from services.segmenter.__main__ import build
from services.segmenter.api.dead_letters import make_dead_letter_router
from services.segmenter.cli.dead_letters import dead_letters
from shared.bus.dead_letters import dead_letter
from shared.bus.letter_box import LetterBox, Wanted
from shared.bus.port import Bus, Message, Partition, Record
from shared.bus.topics import dead_topic
from shared.events.envelope import DECISIONS, FEEDBACK, Event, encode
from shared.process import open_context
from shared.settings import Settings
from shared.times import utc_now
from tests.builders.auditing import KEY, kept, trail
from tests.builders.auditing import told as rows_of
from tests.builders.buses import PARTITIONS, Buses, take
from tests.builders.facts import ANNA, BEN, SHIPPED, answered
from tests.builders.operating import answering, run, told
from tests.builders.segmenting import access, app_of, rows
from tests.builders.waiting import eventually

GONE = dead_topic(FEEDBACK)


def letter(event: Event, reason: str, *, offset: int = 7, age: timedelta = timedelta(0)) -> Message:
    """A dead letter of an event that could have been handled."""
    at = utc_now() - age
    return dead_letter(
        Record(Partition(FEEDBACK, 0), offset, "route", encode(event), at), reason, at
    )


@dataclass
class Desk:
    """An operator before the routes of dead letters, on a bus."""

    bus: Bus
    engine: AsyncEngine
    url: str

    async def run(self, *arguments: object) -> Result:
        """Run `nps dead-letters …`."""
        return await run(dead_letters, *arguments, url=self.url, environ={"NPS_TOKEN": "operator"})

    async def told(self, *arguments: object) -> Any:
        """Run it and read the one JSON object that it wrote."""
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return told(result)

    async def bury(self, *letters: Message) -> None:
        """Put letters to the dead."""
        await self.bus.publisher.publish(letters)

    async def waiting(self) -> dict[str, tuple[int, int]]:
        """Tell how many wait and how many were told, by reason."""
        groups = (await self.told("list"))["groups"]
        return {group["reason"]: (group["waiting"], group["told"]) for group in groups}

    async def recorded(self) -> list[tuple[str, str, str, Any]]:
        """Read what the audit record has of it."""
        asked = [row for row in await kept(self.engine, "segmenter") if "letter" in row.action]
        return rows_of(asked)


@pytest.fixture
async def desk(buses: Buses, engine: AsyncEngine) -> AsyncIterator[Desk]:
    """The routes alone, on either bus; nobody consumes."""
    bus = await buses.open()
    who = access(operator=("read", "operate"), reader=("read",))
    router = make_dead_letter_router(engine, who, utc_now, bus, trail=trail("segmenter"))
    async with answering(app_of(router)) as url:
        yield Desk(bus, engine, url)


@asynccontextmanager
async def segmenter_at_work(place: Buses, database: str) -> AsyncIterator[None]:
    """Run the segmenter by its own `build` on the bus of the test."""
    on_kafka: dict[str, Any] = {
        "bus": "kafka",
        "kafka_bootstrap_servers": place.url,
        "kafka_topic_prefix": place.prefix,
        "kafka_partitions": PARTITIONS,
    }
    known: dict[str, Any] = {"database_url": database, "config": SHIPPED.parent}
    settings = Settings(**known, **(on_kafka if place.kind == "kafka" else {}))
    secrets = {"NPS_TOKEN_OPERATOR": "operator", "NPS_ROUTE_SECRET": KEY.decode()}
    async with open_context(settings, secrets) as context:
        part = await build(context)
        stopping = asyncio.Event()
        tasks = [asyncio.ensure_future(task(stopping)) for task in part.tasks.values()]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)
            await part.close()


async def handled(desk: Desk, *events: Event) -> list[tuple[object, ...]]:
    """Wait until these events are handled; gives each decision's event and version."""
    ids = [event.id for event in events]
    query = "SELECT event_id, version FROM decisions WHERE event_id = ANY (:ids) ORDER BY version"

    async def all_of_them() -> list[tuple[object, ...]]:
        found = await rows(desk.engine, query, ids=ids)
        assert {event_id for event_id, _ in found} == set(ids)
        return found

    return await eventually(all_of_them, within=60, what="handled events")


async def test_letters_are_counted_by_reason_with_their_ages_and_nothing_of_what_they_hold(
    desk: Desk,
) -> None:
    """In words as in JSON; whatever else lies among them is passed over."""
    await desk.bury(
        letter(answered("r1", 3), "a bug of the rules", age=timedelta(hours=5)),
        letter(answered("r2", 4), "a bug of the rules"),
        letter(answered("r3", 9, email=BEN), "unknown major version", age=timedelta(days=3)),
        Message(GONE, "route", b"no letter"),
    )

    listed = await desk.told("list")
    words = await desk.run("list")

    assert await desk.waiting() == {"a bug of the rules": (2, 0), "unknown major version": (1, 0)}
    assert listed["groups"][0]["reason"] == "a bug of the rules"
    assert {"2", "5h"} <= set(words.stdout.split())
    assert {"1", "3d"} <= set(words.stdout.split())
    for output in (words.stdout, orjson.dumps(listed).decode()):
        assert not any(known in output for known in (ANNA, BEN, "r1", "route"))


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        pytest.param(["--reason", "A BUG"], {"a bug"}, id="by words of the reason"),
        pytest.param(["--since", "1d"], {"a bug"}, id="by its age"),
        pytest.param(["--topic", FEEDBACK], {"a bug", "old"}, id="by topic"),
        pytest.param(["--topic", DECISIONS], set(), id="of another topic"),
    ],
)
async def test_letters_are_chosen_by_topic_reason_and_age(
    desk: Desk, options: list[str], reasons: set[str]
) -> None:
    """The same filter for counting, for showing and for telling."""
    await desk.bury(
        letter(answered("r1", 3), "a bug"),
        letter(answered("r2", 3, email=BEN), "old", age=timedelta(days=2)),
    )

    groups = (await desk.told("list", *options))["groups"]
    shown = (await desk.told("list", "--show", *options))["letters"]
    counted = (await desk.told("replay", "--dry-run", *options))["topics"]

    assert {group["reason"] for group in groups} == reasons
    assert {one["reason"] for one in shown} == reasons
    assert sum(one["told"] for one in counted) == len(reasons)


async def test_what_a_letter_holds_is_shown_when_asked_for(desk: Desk) -> None:
    """An operator who looks for the bug sees the event and where it came from."""
    await desk.bury(letter(answered("r1", 3), "a bug", offset=42))

    (shown,) = (await desk.told("list", "--show"))["letters"]
    words = (await desk.run("list", "--show")).stdout

    assert (shown["topic"], shown["partition"], shown["offset"]) == (FEEDBACK, 0, 42)
    assert orjson.loads(shown["value"])["data"]["response_id"] == "r1"
    assert ANNA in words


async def test_only_who_may_operate_sees_or_tells(desk: Desk) -> None:
    """Counting is for whoever may read."""
    path = f"/v1/dead-letters/{FEEDBACK}"
    headers = {"Authorization": "Bearer reader"}
    async with httpx.AsyncClient(base_url=desk.url, headers=headers) as reader:
        counted = await reader.get("/v1/dead-letters")
        shown = await reader.get(path)
        told = await reader.post(f"{path}/replay", json={"dry_run": False})

    assert (counted.status_code, shown.status_code, told.status_code) == (200, 403, 403)


async def test_a_dry_run_tells_nothing(desk: Desk) -> None:
    """It counts; no record, no mark, no row of the audit."""
    await desk.bury(*(letter(answered(f"r{n}", 3), "a bug") for n in range(12)))

    counted = (await desk.told("replay", "--dry-run"))["topics"]
    words = (await desk.run("replay", "--dry-run")).stdout

    assert {"topic": FEEDBACK, "told": 10, "left": 2} in counted
    assert words == f"{FEEDBACK}: 10 would be told again, 2 more\n"
    assert await desk.waiting() == {"a bug": (12, 0)}
    assert await desk.recorded() == []


async def test_a_letter_is_told_once(desk: Desk) -> None:
    """As it was; a second replay finds nothing to tell; the audit has who asked for which."""
    events = answered("r1", 3), answered("r2", 9, email=BEN)
    await desk.bury(*(letter(event, "a bug") for event in events))

    first, second = await desk.run("replay"), await desk.run("replay")
    records = await take(await desk.bus.subscribe("g", [FEEDBACK]), 2)

    assert first.stdout == f"{FEEDBACK}: 2 told again\n"
    assert second.stdout == "no dead letter is chosen\n"
    assert {record.value for record in records} == {encode(event) for event in events}
    assert {record.key for record in records} == {"route"}
    assert await desk.waiting() == {"a bug": (0, 2)}
    detail = {"letters": 2, "first": 0, "last": 1}
    assert await desk.recorded() == [("operator", "dead_letters.replay_asked", FEEDBACK, detail)]


async def test_told_twice_it_acts_once(desk: Desk, bus_place: Buses, database: str) -> None:
    """Whoever insists does no harm: an event that was handled is known by its id."""
    event, behind = (answered(f"r{n}", 3, email=f"c{n}@example.com", at=utc_now()) for n in (1, 2))
    await desk.bury(letter(event, "a bug"))
    for _ in range(2):
        assert (await desk.run("replay", "--again")).stdout == f"{FEEDBACK}: 1 told again\n"
    await desk.bus.publisher.publish([Message(FEEDBACK, "route", encode(behind))])

    async with segmenter_at_work(bus_place, database):
        found = await handled(desk, event, behind)

    assert sorted(found, key=str) == sorted([(event.id, 1), (behind.id, 1)], key=str)
    assert len(await desk.recorded()) == 2


async def test_many_letters_are_told_page_by_page_up_to_what_is_asked(desk: Desk) -> None:
    """Each once, the oldest first; what is left is said, and told the next time."""
    count = 130
    await desk.bury(
        *(letter(answered(f"r{n}", 9, email=f"c{n}@example.com"), "a bug") for n in range(count))
    )

    some = (await desk.told("replay", "--limit", 120))["topics"]
    rest = (await desk.told("replay", "--limit", 120))["topics"]
    records = await take(await desk.bus.subscribe("g", [FEEDBACK]), count)

    assert {"topic": FEEDBACK, "told": 120, "left": 10} in some
    assert {"topic": FEEDBACK, "told": 10, "left": 0} in rest
    assert len({record.value for record in records}) == count
    assert [row[3]["letters"] for row in await desk.recorded()] == [100, 20, 10]


async def test_what_is_refused_again_is_a_letter_again(
    desk: Desk, bus_place: Buses, database: str
) -> None:
    """Nothing hides that the mending did not help."""
    await desk.bus.publisher.publish([Message(FEEDBACK, "route", b"{}")])

    async def refused(waiting: int, told: int) -> bool:
        return list((await desk.waiting()).values()) == [(waiting, told)]

    async with segmenter_at_work(bus_place, database):
        await eventually(lambda: refused(1, 0), what="a dead letter")
        await desk.run("replay")

        assert await eventually(lambda: refused(1, 1), what="another one")


async def test_a_topic_that_there_is_not_is_told_in_words(desk: Desk) -> None:
    """With those that there are."""
    result = await desk.run("list", "--topic", "feedback")

    assert result.exit_code == 2
    assert "--topic: choose of nps.feedback, nps.decisions, nps.outcomes" in result.stderr


async def test_reading_a_topic_leaves_every_group_where_it_is(buses: Buses) -> None:
    """Up to its end at the time, in order, as often as one likes."""
    bus = await buses.open()
    letters = [letter(answered(f"r{n}", 3), "a bug", offset=n) for n in range(45)]
    await bus.publisher.publish(letters)

    for _ in range(2):
        read = [record async for record in bus.read(GONE)]
        assert [(record.offset, record.value) for record in read] == [
            (place, one.value) for place, one in enumerate(letters)
        ]
        assert {record.partition for record in read} == {Partition(GONE, 0)}
    assert [record async for record in bus.read(dead_topic(DECISIONS))] == []
    taken = await take(await bus.subscribe("g", [GONE]), 45)
    assert [record.value for record in taken] == [one.value for one in letters]


async def test_a_crash_after_telling_tells_again_what_is_not_marked(buses: Buses) -> None:
    """The mark comes after the acknowledgement: twice rather than never."""
    bus = await buses.open()
    await bus.publisher.publish([letter(answered("r1", 3), "a bug")])
    box = LetterBox(bus, clock=utc_now)
    chosen = await box.choose(FEEDBACK, Wanted(), after=-1, most=10, again=False)
    await bus.publisher.publish([Message(FEEDBACK, "route", encode(answered("r1", 3)))])

    again = await box.choose(FEEDBACK, Wanted(), after=-1, most=10, again=False)

    assert chosen == again
    assert chosen.places == (0,)
