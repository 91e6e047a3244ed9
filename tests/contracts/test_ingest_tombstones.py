"""Somebody who was forgotten stays away: no way by which data comes again brings her back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.history.cli import import_rows
from services.ingest.keep import tombstones
from shared import identifiers
from shared.bus.postgres import PostgresBus
from shared.database import connect
from shared.events import envelope
from shared.events.feedback import ResponseReceived
from shared.events.vocabulary import Identifier
from tests.builders.erasing import BEFORE, email, forgotten, hashed
from tests.builders.fetching import SOURCE as SHOP_SURVEY
from tests.builders.fetching import Place, fetching, thin
from tests.builders.ingest import Ingest
from tests.builders.ingest_store import ROUTE_KEY, START, Replica, replica, told
from tests.builders.operating import answering, run
from tests.builders.operating import told as read_json
from tests.builders.remapping import NOW, SOURCE, answer, mapped_by, send

ANA, BEN = "ana@example.com", "ben@example.com"
#: Answers of this moment are hers and new.
AFTER = "2026-11-22T08:30:00Z"
#: A mapping that finds nobody in the tool's messages: what it kept cannot be found by a person.
NOBODY = {"identifiers": {"phone": None, "email": None}}


async def published(ingest: Ingest) -> list[str]:
    """List the responses told, in order."""
    found = [event.data for event in await ingest.published()]
    return [data.response_id for data in found if isinstance(data, ResponseReceived)]


async def kept(ingest: Ingest) -> list[str]:
    """List the responses whose bodies are kept."""
    await ingest.settled()
    rows = await ingest.rows("SELECT response_id FROM ingest.bodies ORDER BY id")
    return [str(row[0]) for row in rows]


async def remapped(ingest: Ingest, path: str, **wanted: Any) -> dict[str, Any]:
    """Map again what lies there."""
    found = await ingest.operate(path, wanted)
    assert found.status_code == 200, found.text
    content: dict[str, Any] = found.json()
    return content


async def test_a_replay_tells_nothing_of_her(emptied_database: str, tmp_path: Path) -> None:
    """Only the corrected mapping finds whose message it was; then its row goes."""
    path = "/v1/quarantine/remap"
    async with mapped_by(emptied_database, tmp_path, NOBODY) as ingest:
        await send(ingest, answer(1, email=ANA, score="x", rating=4))
        await send(ingest, answer(2, email=ANA, score="x", rating=4, answered_at=AFTER))
        await send(ingest, answer(3, email=BEN, score="x", rating=4))
    async with mapped_by(emptied_database, tmp_path, {"answers": {"score": "rating"}}) as ingest:
        await forgotten(ingest, email(ANA))
        rehearsed = await remapped(ingest, path)
        assert sorted(row["state"] for row in rehearsed["rows"]) == ["erased", "told", "told"]
        assert await ingest.kept() == 3
        done = await remapped(ingest, path, dry_run=False)
        assert sorted(row["state"] for row in done["rows"]) == ["erased", "told", "told"]
        assert sorted(await published(ingest)) == ["R-2", "R-3"]
        assert await ingest.kept() == 0
        assert sorted(await kept(ingest)) == ["R-2", "R-3"]
        assert ingest.metric("nps_ingest_erased_total", way="replay") == 1


async def test_of_a_batch_that_holds_her_the_others_are_told(
    emptied_database: str, tmp_path: Path
) -> None:
    """The body goes, for it holds her message; so does what nobody understands in it."""
    async with mapped_by(emptied_database, tmp_path, NOBODY) as ingest:
        bad = {"score": "x", "rating": 4}
        batch = [answer(1, email=ANA, **bad), answer(2, **bad), answer(3, score="x", rating="y")]
        await send(ingest, batch)
    async with mapped_by(emptied_database, tmp_path, {"answers": {"score": "rating"}}) as ingest:
        await forgotten(ingest, email(ANA))
        done = await remapped(ingest, "/v1/quarantine/remap", dry_run=False)
        assert [row["state"] for row in done["rows"]] == ["told"]
        assert await published(ingest) == ["R-2"]
        assert (await ingest.kept(), await kept(ingest)) == (0, [])


FETCH = {
    "becomes": "thin",
    "variables": {"who": "email"},
    "fetch": {"url": "https://survey.example/{survey}/{response_id}"},
}


async def test_a_replay_fetches_nothing_of_her(emptied_database: str, tmp_path: Path) -> None:
    """A message of ids names her by its response, or by what it tells beside the ids."""
    unread = {**FETCH, "survey": "form"}
    async with mapped_by(emptied_database, tmp_path, unread) as ingest:
        for number, said in enumerate([{}, {"email": ANA}, {"email": BEN}]):
            await send(ingest, answer(number, **said))
        assert await ingest.kept() == 3
        await ingest.change("UPDATE ingest.quarantine SET people = '{}'")
    async with mapped_by(emptied_database, tmp_path, FETCH) as ingest:
        hers = identifiers.response(SOURCE, "relational", "R-0")
        await forgotten(ingest, email(ANA), hers)
        done = await remapped(ingest, "/v1/quarantine/remap", dry_run=False)
        assert sorted(row["state"] for row in done["rows"]) == ["erased", "erased", "fetching"]
        assert await ingest.rows("SELECT response_id FROM ingest.fetches") == [("R-2",)]
        assert await ingest.kept() == 0


async def test_a_remap_tells_nothing_of_her(emptied_database: str, tmp_path: Path) -> None:
    """A body in which only the new mapping finds her goes, with a reason; the others are told."""
    path = f"/v1/sources/{SOURCE}/remap"
    since = "2026-11-01T00:00:00Z"
    async with mapped_by(emptied_database, tmp_path, NOBODY) as ingest:
        for number, address in enumerate([ANA, BEN]):
            await send(ingest, answer(number, email=address))
        await ingest.settled()
    async with mapped_by(emptied_database, tmp_path) as ingest:
        await forgotten(ingest, email(ANA))
        rehearsed = await remapped(ingest, path, since=since)
        done = await remapped(ingest, path, since=since, dry_run=False)
        for found in (rehearsed, done):
            assert [(one["refused"], len(one["changes"])) for one in found["bodies"]] == [
                ("its person is erased: nothing is told, and the body goes", 0),
                (None, 1),
            ]
        assert await published(ingest) == ["R-0", "R-1", "R-1"]
        assert await kept(ingest) == ["R-1"]
        assert ingest.metric("nps_ingest_erased_total", way="remap") == 1


COLUMNS = {"columns": {"answered_at": "date", "answers": {"score": "score"}}}
app = typer.Typer()
app.command(name="import")(import_rows)


def row(number: int, address: str, date: str = "2026-03-01T10:00:00Z") -> dict[str, Any]:
    """One row of an export."""
    return {
        "survey": "relational",
        "response_id": f"H-{number}",
        "date": date,
        "email": address,
        "score": 9,
    }


async def test_an_import_tells_nothing_of_her_and_counts_it(
    emptied_database: str, tmp_path: Path
) -> None:
    """Also of an answer of hers that names somebody else today; what she said since is told."""
    rows = [row(1, ANA), row(2, BEN), row(3, ANA, AFTER), row(4, BEN)]
    async with mapped_by(emptied_database, tmp_path, COLUMNS) as ingest:
        await forgotten(ingest, email(ANA), identifiers.response(SOURCE, "relational", "H-4"))
        said = {"source": SOURCE, "provenance": "own"}
        tried = await remapped(ingest, "/v1/imports/trial", rows=rows, **{"from": 0}, **said)
        begun = await remapped(ingest, "/v1/imports", sha256="ab" * 32, **said)
        path = f"/v1/imports/{begun['id']}/rows"
        for _ in range(2):  # a caller who heard no answer sends the rows again
            done = await remapped(ingest, path, rows=rows, **{"from": 0})
            assert (done["told"], done["erased"], done["ignored"]) == (2, 2, {})
        assert (tried["told"], tried["erased"]) == (2, 2)
        again = await remapped(ingest, "/v1/imports", sha256="ab" * 32, **said)
        assert (again["told"], again["erased"], again["ignored"]) == (2, 2, 0)
        assert await published(ingest) == ["H-2", "H-3"] * 2
        assert ingest.metric("nps_ingest_erased_total", way="import") == 2


@pytest.mark.parametrize("words", [True, False], ids=["in words", "as JSON"])
async def test_whoever_imports_a_file_learns_how_many_rows_are_erased(
    emptied_database: str, tmp_path: Path, words: bool
) -> None:
    """They are no mistake to be corrected: nothing of them stands beside the file."""
    file = tmp_path / "old.csv"
    lines = [",".join(map(str, row(n, who).values())) for n, who in enumerate([ANA, BEN])]
    file.write_text("\n".join(["survey,response_id,date,email,score", *lines]) + "\n")
    arguments = ["--source", SOURCE, "--provenance", "own", *([] if words else ["--json"])]
    async with (
        mapped_by(emptied_database, tmp_path, COLUMNS) as ingest,
        answering(ingest.app) as url,
    ):
        await forgotten(ingest, email(ANA))
        done = await run(app, file, *arguments, url=url)
        assert done.exit_code == 0, done.output
        if words:
            assert "1 of people who were erased: nothing is told of them" in done.stdout
        else:
            assert (read_json(done)["told"], read_json(done)["erased"]) == (1, 1)
        assert not (tmp_path / "old.refused.csv").exists()


RECONCILE = {"every_s": 600, "look_back_s": 86_400, "overlap_s": 600, "surveys": ["S1"]}


@pytest.fixture
async def place(emptied_database: str) -> AsyncIterator[Place]:
    """One installation with a platform."""
    async with fetching(emptied_database, {"reconcile": RECONCILE}) as found:
        yield found


async def erase(engine: AsyncEngine, before: datetime, *known: Identifier) -> None:
    """Write tombstones, as an erasure does."""
    async with engine.begin() as connection:
        await tombstones.put(
            connection, [identifiers.hashed(ROUTE_KEY, one) for one in known], before
        )


@pytest.mark.parametrize("others", [1, 3], ids=["one by one", "together"])
async def test_no_platform_is_asked_about_her(place: Place, others: int) -> None:
    """By the response, or by what the message told; its row goes, and the next one is fetched."""
    names = [f"R{number}" for number in range(3, 3 + others)]
    for name in names:
        place.platform.add(name)
    response = identifiers.response(SHOP_SURVEY, "S1", "R1")
    await erase(place.engine, place.now, response, email(ANA))
    await place.put(thin("R1"), thin("R2", who=ANA))
    await place.put(*(thin(name, who=BEN) for name in names))
    await place.work()
    assert [name for name, _ in place.answers()] == names
    assert await place.rows("SELECT response_id FROM fetches ORDER BY 1") == [
        (name,) for name in names
    ]
    assert stopped(place.registry, "fetch") == 2


def stopped(registry: CollectorRegistry, way: str) -> float:
    """Read how often something erased was stopped."""
    return registry.get_sample_value("nps_ingest_erased_total", {"way": way}) or 0.0


@pytest.mark.parametrize("way", ["by itself", "reconciled"])
async def test_a_fetched_answer_of_hers_is_not_told(place: Place, way: str) -> None:
    """Whose it is, only the document says: neither event nor body nor row is left of it."""
    place.platform.add("R1")
    place.platform.add("R2")
    place.platform.add("R3", "eleven")
    await erase(place.engine, place.now, email("r1@example.com"), email("r3@example.com"))
    await place.put(thin("R1"), thin("R2"), thin("R3"))
    if way == "by itself":
        await place.work()
    else:
        await place.reconcile()
    assert [name for name, _ in place.answers()] == ["R2"]
    assert [body.response_id for body in place.bodies] == ["R2"]
    assert await place.rows("SELECT response_id FROM fetches ORDER BY 1") == [("R2",)]
    assert await place.quarantined() == []
    assert place.metric("nps_ingest_fetch_responses_total", fate="erased") == 2
    assert stopped(place.registry, "fetch") == 2


async def test_what_she_answers_later_is_fetched_and_told(place: Place) -> None:
    """It is a new customer's."""
    place.platform.add("R1")
    await erase(place.engine, place.now - timedelta(minutes=10), email("r1@example.com"))
    await place.put(thin("R1"))
    await place.work()
    assert [name for name, _ in place.answers()] == ["R1"]


async def test_what_could_not_be_fetched_of_her_is_not_kept(place: Place) -> None:
    """What was asked for holds what the message told; erased while it was tried, it goes."""
    await place.put(thin("R1", who=ANA))

    async def erased() -> None:
        await erase(place.engine, place.now, email(ANA))

    place.platform.meanwhile = erased
    place.later(601)
    await place.work()
    assert await place.quarantined() == []


@pytest.fixture
async def spooling(emptied_database: str) -> AsyncIterator[Replica]:
    """One process whose bus is away."""
    engine = connect(emptied_database, "bus", connections=2)
    bus = PostgresBus(engine, member="tests")
    await bus.start()
    made = replica(emptied_database, bus.publisher)
    made.bus.away = True
    yield made
    await made.engine.dispose()
    await bus.close()
    await engine.dispose()


async def test_the_spool_brings_nothing_of_her_to_the_bus(spooling: Replica) -> None:
    """What was told of her up to then is dropped, what she said since and others' events go."""
    whose = [(1, 0), (1, 2), (2, 0)]
    events = [told(number, START + timedelta(hours=hours)) for number, hours in whose]
    spooling.later(hours=2)
    for number, event in enumerate(events):
        again = replace(event, event=replace(event.event, id=UUID(int=number)))
        await spooling.intake.publish([again])
    (hers,) = told(1).identifiers
    await erase(spooling.engine, START + timedelta(hours=1), hers)
    spooling.bus.away = False
    while await spooling.drain.step():
        pass
    said = [envelope.decode(each.value) for each in spooling.bus.passed]
    assert {event.id for event in said} == {UUID(int=1), UUID(int=2)}
    assert (await spooling.table.size()).rows == 0
    assert stopped(spooling.registry, "spool") == 1
    assert spooling.metric("nps_ingest_spool_drained_total") == 2


async def test_a_late_copy_of_an_erased_answer_is_not_kept(
    emptied_database: str, tmp_path: Path
) -> None:
    """The sender hears what it always hears; of a batch that holds one nothing is kept."""
    async with mapped_by(emptied_database, tmp_path) as ingest:
        first = (await send(ingest, answer(1, email=ANA))).json()
        await ingest.settled()
        await forgotten(ingest, email(ANA), identifiers.response(SOURCE, "relational", "R-1"))
        assert await kept(ingest) == []
        assert (await send(ingest, answer(1, email=ANA))).json() == first
        await send(ingest, answer(1, email=BEN, answered_at=AFTER))
        await send(ingest, [answer(1, email=BEN, answered_at=AFTER), answer(2)])
        await send(ingest, answer(3, email=ANA))
        await send(ingest, answer(4, email=ANA, answered_at=AFTER))
        await send(ingest, answer(5, email=BEN))
        assert await kept(ingest) == ["R-4", "R-5"]
        assert ingest.metric("nps_ingest_bodies_dropped_total", reason="erased") == 4


async def test_an_answer_without_a_time_of_its_own_is_new(
    emptied_database: str, tmp_path: Path
) -> None:
    """It counts from its receipt; only a response that is known to be erased is not kept."""
    async with mapped_by(emptied_database, tmp_path) as ingest:
        await forgotten(ingest, email(ANA), identifiers.response(SOURCE, "relational", "R-1"))
        for number in (1, 2):
            await send(ingest, answer(number, email=ANA, answered_at=None))
        assert await kept(ingest) == ["R-2"]


async def test_a_late_copy_that_nobody_understands_is_not_kept(
    emptied_database: str, tmp_path: Path
) -> None:
    """Known by the time it tells, by its response, or, with neither, by being the same message."""
    nameless = {"email": ANA, "words": "none that any mapping reads"}
    async with mapped_by(emptied_database, tmp_path) as ingest:
        await send(ingest, nameless)
        assert await ingest.kept() == 1
        response = identifiers.response(SOURCE, "relational", "R-2")
        await forgotten(ingest, email(ANA), response, before=NOW)
        assert await ingest.kept() == 0
    later = NOW + timedelta(hours=1)
    async with mapped_by(emptied_database, tmp_path, clock=lambda: later) as ingest:
        for late in (
            nameless,
            answer(1, email=ANA, score="x"),
            answer(2, email=BEN, score="x", answered_at=later.isoformat()),
        ):
            sent = (await send(ingest, late)).json()
            assert (sent["status"], "quarantine_id" in sent) == ("quarantined", False)
        assert await ingest.kept() == 0
        await send(ingest, answer(3, email=ANA, score="x", answered_at=later.isoformat()))
        await send(ingest, answer(4, email=BEN, score="x"))
        assert await ingest.kept() == 2


async def test_tombstones_of_all_ways_tell_nothing_of_her(
    emptied_database: str, tmp_path: Path
) -> None:
    """They are HMACs and a moment; asked again with an earlier one they keep the later."""
    async with mapped_by(emptied_database, tmp_path) as ingest:
        await forgotten(ingest, email(ANA))
        await forgotten(ingest, email(ANA), before=BEFORE - timedelta(days=1))
        rows = await ingest.rows("SELECT * FROM ingest.tombstones")
        assert rows == [(*hashed(email(ANA)), BEFORE)]
