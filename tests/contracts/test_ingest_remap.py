"""What is promised of a mapping that succeeded wrongly: its answers are corrected, only they."""

from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import typer

from services.ingest.correct.remap_cli import remap_source
from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild
from shared.events.feedback import ResponseReceived
from shared.times import iso
from tests.builders.ingest import Ingest
from tests.builders.operating import answering, run, told
from tests.builders.remapping import NOW, SOURCE, answer, mapped_by, send

#: The score was read from the wrong field; the plan should never have been an attribute.
WRONG: dict[str, Any] = {"answers": {"score": "effort"}, "attributes": {"plan": "note"}}
SINCE = iso(NOW - timedelta(days=1))

app = typer.Typer()
app.command()(remap_source)


@pytest.fixture
async def told_wrongly(database: str, tmp_path: Path) -> str:
    """Three answers and a batch of two, told by the wrong mapping."""
    async with mapped_by(database, tmp_path, WRONG) as ingest:
        for number in range(3):
            await send(ingest, answer(number, score=number, effort=7, note="internal"))
        await send(ingest, [answer(8, score=8, effort=8), answer(9, score=9, effort=1)])
        await ingest.settled()
    return database


async def remap(ingest: Ingest, **wanted: Any) -> dict[str, Any]:
    """Map the source's bodies again, for good unless `dry_run` is given."""
    content = {"since": SINCE, "dry_run": False, **wanted}
    found = await ingest.operate(f"/v1/sources/{SOURCE}/remap", content)
    assert found.status_code == 200, found.text
    page: dict[str, Any] = found.json()
    return page


async def answers(ingest: Ingest) -> list[ResponseReceived]:
    """Read the answers on the log, in order."""
    found = [event.data for event in await ingest.published()]
    return [data for data in found if isinstance(data, ResponseReceived)]


async def test_what_would_change_is_shown_and_then_told(told_wrongly: str, tmp_path: Path) -> None:
    """Per body the fields, then and now; telling it clears what only the old mapping set."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        before = await answers(ingest)
        shown = await remap(ingest, dry_run=True)
        assert (shown["read"], len(shown["bodies"])) == (4, 4)
        assert shown["bodies"][0]["changes"][0]["differences"] == [
            {"field": "answers.score", "old": 7, "new": 0, "stays": False},
            {"field": "attributes.plan", "old": "internal", "stays": False},
        ]
        assert [one["place"] for one in shown["bodies"][3]["changes"]] == [1]
        assert len(await answers(ingest)) == len(before)
        done = await remap(ingest)
        assert [one["changes"] for one in done["bodies"]] == [
            one["changes"] for one in shown["bodies"]
        ]
        revised = (await answers(ingest))[len(before) :]
        assert [(one.response_id, one.answers["score"]) for one in revised] == [
            ("R-0", 0),
            ("R-1", 1),
            ("R-2", 2),
            ("R-9", 9),
        ]
        assert revised[0].attributes == {"plan": None}
        assert revised[0].received_at - before[0].received_at == timedelta(microseconds=1)


async def test_a_revision_corrects_the_answer_unless_she_changed_it_since(
    database: str, tmp_path: Path
) -> None:
    """In whatever order they are read: what came after the message corrected still wins."""
    async with mapped_by(database, tmp_path, WRONG) as ingest:
        await send(ingest, answer(score=2, effort=7, comment="early", note="internal"))
        await ingest.settled()
    later = NOW + timedelta(minutes=5)
    async with mapped_by(database, tmp_path, clock=lambda: later) as ingest:
        await send(ingest, answer(comment="changed", score=None))
        await remap(ingest)
        facts = [fact_of(event) for event in await ingest.published()]
        for order in permutations(facts):
            (response,) = rebuild(order).responses.values()
            said = {name: found.value for name, found in response.answers.items()}
            assert said == {"score": None, "comment": "changed"}
            assert rebuild(order).attributes["plan"].value is None


async def test_what_was_corrected_is_not_corrected_again(told_wrongly: str, tmp_path: Path) -> None:
    """The body's row names the new mapping and all events that it became."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        done = await remap(ingest)
        count = len(await ingest.published())
        again = await remap(ingest)
        assert (again["read"], again["bodies"]) == (0, [])
        assert len(await ingest.published()) == count
        rows = await ingest.rows(
            "SELECT mapping, cardinality(event_ids), revised FROM ingest.bodies ORDER BY id"
        )
        assert rows == [(done["mapping"], 2, 1)] * 3 + [(done["mapping"], 3, 1)]


async def test_a_crash_after_publishing_tells_the_same_events_again(
    told_wrongly: str, tmp_path: Path
) -> None:
    """The row did not learn of it: the second telling changes nothing."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        first = await remap(ingest)
        await ingest.change(
            "UPDATE ingest.bodies SET revised = 0, mapping = m.version FROM ingest.mappings m"
        )
        second = await remap(ingest)
        events = [
            {change["event_id"] for body in done["bodies"] for change in body["changes"]}
            for done in (first, second)
        ]
        assert events[0] == events[1]


async def test_a_mapping_changed_back_is_told_back(told_wrongly: str, tmp_path: Path) -> None:
    """Each revision wins over the one before."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        await remap(ingest)
        await ingest.settled()
    async with mapped_by(told_wrongly, tmp_path, WRONG) as ingest:
        await remap(ingest)
        told_of_one = [one for one in await answers(ingest) if one.response_id == "R-0"]
        assert [one.answers["score"] for one in told_of_one] == [7, 0, 7]
        received = [one.received_at for one in told_of_one]
        assert sorted(set(received)) == received
        ids = [event.id for event in await ingest.published()]
        assert len(set(ids)) == len(ids)


async def test_a_body_that_names_somebody_else_now_is_left_alone(
    told_wrongly: str, tmp_path: Path
) -> None:
    """It is shown with the reason, and stays with its old mapping."""
    other = {"identifiers": {"email": None, "external_id": "response_id"}}
    async with mapped_by(told_wrongly, tmp_path, other) as ingest:
        count = len(await ingest.published())
        done = await remap(ingest)
        assert "somebody else (email)" in done["bodies"][0]["refused"]
        assert len(await ingest.published()) == count
        assert (await remap(ingest, dry_run=True))["read"] == 4


async def test_bodies_are_read_page_by_page_and_by_time(told_wrongly: str, tmp_path: Path) -> None:
    """Each once; `until` leaves out what came later."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        first = await remap(ingest, limit=3, dry_run=True)
        second = await remap(ingest, limit=3, dry_run=True, cursor=first["next"])
        found = [body["body"] for page in (first, second) for body in page["bodies"]]
        assert (len(found), second["next"]) == (4, None)
        assert (await remap(ingest, until=iso(NOW)))["read"] == 0
        assert (await remap(ingest, since=iso(NOW + timedelta(seconds=1))))["read"] == 0


async def test_a_body_whose_mapping_is_not_known_is_left_alone(
    told_wrongly: str, tmp_path: Path
) -> None:
    """Without it nobody can say what was set then and must be cleared."""
    async with mapped_by(told_wrongly, tmp_path) as ingest:
        await ingest.change("UPDATE ingest.bodies SET mapping = 'unknown'")
        done = await remap(ingest)
        assert {body["refused"] for body in done["bodies"]} == {
            "the mapping that read it then is not known any more"
        }


async def test_people_named_by_the_new_mapping_can_be_erased(
    told_wrongly: str, tmp_path: Path
) -> None:
    """The row names them as soon as they are known."""
    named = {"identifiers": {"external_id": "response_id"}}
    async with mapped_by(told_wrongly, tmp_path, named) as ingest:
        await remap(ingest)
        rows = await ingest.rows("SELECT cardinality(people) FROM ingest.bodies ORDER BY id")
        assert rows == [(3,), (3,), (3,), (6,)]  # of each answer: address, number, the response


async def test_an_unknown_source_is_said(database: str, tmp_path: Path) -> None:
    """To whoever may operate; webhooks are told nothing of the kind."""
    async with mapped_by(database, tmp_path) as ingest:
        found = await ingest.operate("/v1/sources/other/remap", {"since": SINCE})
        assert (found.status_code, found.json()["type"]) == (404, "urn:nps:problem:unknown-source")


async def test_the_command_shows_each_difference_and_tells_only_when_asked(
    told_wrongly: str, tmp_path: Path
) -> None:
    """Counts per field, with `--diff` every value; `--publish` tells."""
    async with mapped_by(told_wrongly, tmp_path) as ingest, answering(ingest.app) as url:
        count = len(await ingest.published())
        arguments = [SOURCE, "--since", iso(NOW - timedelta(days=3))]
        shown = await run(app, *arguments, "--diff", url=url)
        assert shown.exit_code == 0, shown.output
        assert "answers.score: 7 → 0" in shown.stdout
        assert "attributes.plan: internal → (not said)" in shown.stdout
        assert "4 bodies would be told anew" in shown.stdout
        assert "add --publish" in shown.stdout
        assert len(await ingest.published()) == count
        done = told(await run(app, *arguments, "--publish", "--json", url=url))
        assert (done["read"], done["changed"], done["refused"]) == (4, 4, 0)
        assert done["fields"] == {"answers.score": 4, "attributes.plan": 3}
        assert len(await ingest.published()) == count + 4


async def test_the_command_tells_what_it_left_alone(told_wrongly: str, tmp_path: Path) -> None:
    """With the reason, and a code for scripts."""
    other = {"survey": {"constant": "another"}}
    async with mapped_by(told_wrongly, tmp_path, other) as ingest, answering(ingest.app) as url:
        done = await run(app, SOURCE, "--since", iso(NOW - timedelta(days=3)), url=url)
        assert done.exit_code == 1
        assert "4 bodies stay" in done.stdout
        assert "another survey or response id" in done.stdout
