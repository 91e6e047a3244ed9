"""Another policy: what it would change, and having the one in force take effect for everybody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
import yaml
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli import app as nps
from services.dispatcher.playbook.conditions import matches
from services.dispatcher.playbook.plays import When
from services.segmenter.api.policy import make_policy_router
from shared.events.decisions import Trigger
from shared.events.envelope import Event
from shared.settings import version_of
from tests.builders import segmenting
from tests.builders.auditing import trail
from tests.builders.facts import (
    ANNA,
    NOON,
    SHIPPED,
    Shelf,
    answered,
    day,
    handler,
    ids_of,
    received,
    rulebook_of,
    updated,
)
from tests.builders.operating import answering, run, told
from tests.builders.segmenting import access

OPERATE = {"Authorization": "Bearer operator"}
TEXT = SHIPPED.read_text(encoding="utf-8")
#: The shipped policy without its words, which take long to read and matter to no test here.
WORDS = {"themes", "feelings", "escalations"}
OLD = yaml.safe_dump(
    {name: section for name, section in yaml.safe_load(TEXT).items() if name not in WORDS}
)
#: No rest after an answer as a detractor, and who is silent for 100 days has lapsed.
NEW = OLD.replace(
    "marketing_after_detractor_days: 14", "marketing_after_detractor_days: 0"
).replace("lapsed_after_days: 365", "lapsed_after_days: 100")


def app_of(engine: AsyncEngine, shelf: Shelf, policy: str = OLD, now: datetime = NOON) -> FastAPI:
    """The routes of that process."""
    may = access(reader=("read",), operator=("operate",))
    router = make_policy_router(
        engine, rulebook_of(policy), may, lambda: now, shelf, trail=trail("segmenter")
    )
    return segmenting.app_of(router)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://nps.test") as client:
        yield client


async def crowd(engine: AsyncEngine) -> dict[str, UUID]:
    """Anna (a detractor), Ben (a promoter) and Chloe (never asked), decided under the old policy.

    And an answer of nobody, which makes no customer.
    """
    shelf = Shelf()
    handle = handler(engine, shelf, text=OLD)
    for one in (
        answered("r1", 3),
        answered("r2", 9, email="ben@example.org"),
        updated(*ids_of("chloe@example.net")),
        answered("r4", 9, email=None),
    ):
        await handle(received(one))
    anna, ben, chloe = (one.customer_id for one in shelf.decided())
    return {"anna": anna, "ben": ben, "chloe": chloe}


async def paged(client: httpx.AsyncClient, verb: str, **wish: Any) -> list[dict[str, Any]]:
    """Every page of an answer."""
    pages: list[dict[str, Any]] = []
    after: str | None = str(UUID(int=0))
    while after is not None:
        answer = await client.post(
            f"/v1/policy/{verb}", json={**wish, "after": after}, headers=OPERATE
        )
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        after = pages[-1]["next"]
    return pages


async def timers(engine: AsyncEngine, customer: UUID) -> dict[str, tuple[datetime, str]]:
    query = text("SELECT kind, due_at, state FROM timers WHERE customer_id = :id")
    async with engine.connect() as connection:
        rows = await connection.execute(query, {"id": customer})
        return {row.kind: (row.due_at, row.state) for row in rows}


async def test_a_diff_counts_and_names_what_changes_and_writes_nothing(
    engine: AsyncEngine,
) -> None:
    """Page by page; of each aspect how many were what before and are what after."""
    people = await crowd(engine)
    shelf = Shelf()
    async with client_of(app_of(engine, shelf, now=day(1))) as client:
        pages = await paged(client, "diff", policy=NEW, customers=True, most=1)
    assert sum(page["looked"] for page in pages) == 3
    assert max(page["looked"] for page in pages) == 1
    assert {page["before"] for page in pages} == {version_of(OLD)}
    assert {page["after"] for page in pages} == {version_of(NEW)}
    changed = {one["customer_id"]: one for page in pages for one in page["customers"]}
    assert set(changed) == {str(people["anna"]), str(people["ben"])}
    anna = {one["aspect"] for one in changed[str(people["anna"])]["differences"]}
    assert anna == {"holds", "fatigue_threshold", "due"}
    rests = [
        (one["before"], one["after"], one["customers"])
        for page in pages
        for one in page["tallies"]
        if one["aspect"] == "hold marketing_rest"
    ]
    assert sorted(rests) == [("holds", "open", 1), ("open", "open", 1), ("open", "open", 1)]
    assert shelf.messages == []


async def test_a_policy_in_force_takes_effect_for_those_whom_no_event_touches(
    engine: AsyncEngine,
) -> None:
    """Decided about anew: the gates read it, timers follow it, and no play looks at it."""
    people = await crowd(engine)
    asked, decided = Shelf(), Shelf()
    async with client_of(app_of(engine, asked, NEW, day(1))) as client:
        (counted, _) = await paged(client, "recompute")
        assert (counted["looked"], counted["differ"], counted["told"]) == (3, 2, 0)
        assert asked.messages == []
        (first, _) = await paged(client, "recompute", apply=True)
        (second, _) = await paged(client, "recompute", apply=True)
        assert (first["told"], second["told"]) == (2, 2)
        events = asked.events()
        # Asked twice before it was handled, each is one event.
        assert len({one.id for one in events}) == 2
        await handler(engine, decided, text=NEW, now=day(1))(received(*events))
        await handler(engine, decided, text=NEW, now=day(1))(received(*events))
        (after, _) = await paged(client, "recompute", apply=True)
    assert (after["current"], after["differ"], after["told"]) == (2, 0, 0)
    told_ = {one.customer_id: one for one in decided.decided()}
    assert set(told_) == {people["anna"], people["ben"]}
    assert len({one.decision_id for one in decided.decided()}) == 2
    anna = told_[people["anna"]]
    assert (anna.cause.kind, anna.cause.what, anna.cause.triggers) == ("timer", "policy", ())
    assert (anna.version, anna.policy, anna.move, anna.case) == (2, version_of(NEW), None, None)
    assert "marketing_rest" not in {hold.rule for hold in anna.holds}
    assert ("policy", version_of(NEW)) in {(line.rule, line.outcome) for line in anna.trace}
    assert (await timers(engine, people["anna"]))["lapse"] == (day(100), "open")
    anything = [When(trigger=trigger) for trigger in get_args(Trigger)]
    assert [when for when in anything if matches(when, anna)] == []


async def test_a_policy_taken_back_is_told_also_when_decisions_are_no_longer_kept(
    engine: AsyncEngine,
) -> None:
    """What she was told last is known without the bodies; each way back is an event of its own."""
    people = await crowd(engine)
    versions = []
    for policy in (NEW, OLD, NEW):
        asked, decided = Shelf(), Shelf()
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE decisions SET payload = NULL"))
        async with client_of(app_of(engine, asked, policy, day(1))) as client:
            (page, _) = await paged(client, "recompute", apply=True)
        assert (page["differ"], page["unknown"]) == (2, 0)
        await handler(engine, decided, text=policy, now=day(1))(received(*asked.events()))
        (anna,) = (one for one in decided.decided() if one.customer_id == people["anna"])
        versions.append((anna.version, "marketing_rest" in {hold.rule for hold in anna.holds}))
    assert versions == [(2, False), (3, True), (4, False)]


async def test_a_silence_that_only_the_policy_made_long_rings_for_nobody(
    engine: AsyncEngine,
) -> None:
    """After 200 days the old year is not over and the new 100 days are: no move is told."""
    people = await crowd(engine)
    asked, decided = Shelf(), Shelf()
    async with client_of(app_of(engine, asked, NEW, day(200))) as client:
        await paged(client, "recompute", apply=True)
    await handler(engine, decided, text=NEW, now=day(200))(received(*asked.events()))
    assert {one.cause.what for one in decided.decided()} == {"policy"}
    assert (await timers(engine, people["ben"]))["lapse"][1] == "closed"


@pytest.mark.parametrize(
    ("meanwhile", "process", "note"),
    [
        pytest.param(
            updated(*ids_of(ANNA, external_id="C-1")),
            NEW,
            "stale: she was merged meanwhile",
            id="merged",
        ),
        pytest.param(
            updated(attributes={"plan": "gold"}),
            OLD,
            "stale: this policy is not in force here",
            id="another replica",
        ),
    ],
)
async def test_a_recompute_that_is_stale_is_noted(
    engine: AsyncEngine, meanwhile: Event, process: str, note: str
) -> None:
    """Who was merged is somebody else's; a process with the old policy does not tell the new."""
    asked, decided = Shelf(), Shelf()
    # Known first, so hers is the id that a merge keeps.
    await handler(engine, Shelf(), text=OLD, now=day(-1))(
        received(updated(*ids_of(external_id="C-1")))
    )
    old = handler(engine, Shelf(), text=OLD)
    await old(received(answered("r1", 3)))
    async with client_of(app_of(engine, asked, NEW, day(1))) as client:
        await paged(client, "recompute", apply=True)
    (due,) = asked.events()
    await old(received(meanwhile))
    await handler(engine, decided, text=process, now=day(1))(received(due))
    assert decided.decided() == []
    async with engine.connect() as connection:
        query = text("SELECT note FROM decisions WHERE event_id = :id")
        assert list(await connection.scalars(query, {"id": due.id})) == [note]


async def test_somebody_decided_about_under_a_policy_not_known_any_more_is_told(
    engine: AsyncEngine,
) -> None:
    """Nobody can say what changed for her: better told once too often."""
    await crowd(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE policies SET text = 'bands: no longer read'"))
    asked = Shelf()
    async with client_of(app_of(engine, asked, NEW, day(1))) as client:
        (page, _) = await paged(client, "recompute", apply=True)
    assert (page["unknown"], page["differ"], page["told"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("verb", "body", "headers", "status", "code"),
    [
        pytest.param(
            "diff", {"policy": "bands: {}"}, OPERATE, 422, "invalid-policy", id="a wrong policy"
        ),
        pytest.param("diff", {}, OPERATE, 422, "invalid-request", id="none"),
        pytest.param(
            "diff", {"policy": OLD, "most": 0}, OPERATE, 422, "invalid-request", id="nobody"
        ),
        pytest.param(
            "recompute", {}, {"Authorization": "Bearer reader"}, 403, "forbidden", id="may read"
        ),
        pytest.param("recompute", {}, {}, 401, "unauthorized", id="no token"),
    ],
)
async def test_what_is_wrong_is_refused_with_its_line(
    engine: AsyncEngine,
    verb: str,
    body: dict[str, Any],
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    """A policy by line and fix, as at a start."""
    async with client_of(app_of(engine, Shelf())) as client:
        answer = await client.post(f"/v1/policy/{verb}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:nps:problem:{code}")
    if code == "invalid-policy":
        assert "policy.yaml:1: bands.nps: missing: add it" in answer.json()["detail"]


async def test_the_command_shows_a_diff_and_applies_what_is_in_force(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """A table with before and after, ids with what differs; then a count, then the telling."""
    people = await crowd(engine)
    file = tmp_path / "new.yaml"
    file.write_text(NEW, encoding="utf-8")
    operator = {"NPS_TOKEN": "operator"}
    async with answering(app_of(engine, Shelf(), now=day(1))) as url:
        asked = ["policy", "recompute", "--policy", file, "--diff"]
        words = await run(nps, *asked, "--customers", url=url, environ=operator)
        assert words.exit_code == 0, words.output
        assert "2 of 3 customers differ; nothing was written" in words.stdout
        assert str(people["anna"]) in words.stdout
        assert "holds: - marketing_rest until" in words.stdout
        assert "fatigue_threshold: 0 → 1" in words.stdout
        (row,) = (
            x
            for x in words.stdout.splitlines()
            if "marketing_rest" in x and "+" not in x and x.startswith("hold")
        )
        assert row.split()[-3:] == ["1", "0", "-1"]
        found = told(await run(nps, *asked, "--json", "--most", "2", url=url, environ=operator))
        # Two rows are read; one may be that of the answer that makes no customer.
        assert (1 <= found["looked"] <= 2, found["customers"]) == (True, [])
        assert (found["before"], found["after"]) == (version_of(OLD), version_of(NEW))
    shelf = Shelf()
    async with answering(app_of(engine, shelf, NEW, day(1))) as url:
        counted = await run(nps, "policy", "recompute", url=url, environ=operator)
        assert "2 others differ" in counted.stdout
        assert "--apply" in counted.stdout
        assert shelf.messages == []
        apply = ["policy", "recompute", "--apply", "--rate", "5000", "--json"]
        done = told(await run(nps, *apply, url=url, environ=operator))
        assert (done["differ"], done["told"], len(shelf.messages)) == (2, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--diff"], "belong together", id="no policy"),
        pytest.param(["--policy", "new.yaml"], "belong together", id="no diff"),
        pytest.param(["--policy", "new.yaml", "--diff", "--apply"], "restart", id="apply another"),
        pytest.param(["--policy", "nowhere.yaml", "--diff"], "nowhere.yaml", id="no file"),
    ],
)
async def test_options_that_do_not_fit_are_explained(arguments: list[str], says: str) -> None:
    """Before anything is asked of anybody."""
    done = await run(nps, "policy", "recompute", *arguments, url="http://127.0.0.1:9")
    assert (done.exit_code, says in done.stderr) == (2, True), done.output


async def test_a_policy_is_checked_as_at_a_start(tmp_path: Path) -> None:
    """Its version, or every mistake with file, line and fix."""
    right = tmp_path / "right.yaml"
    right.write_text(TEXT, encoding="utf-8")
    good = await run(nps, "policy", "check", right, "--json", url="")
    assert told(good) == {"errors": [], "version": version_of(TEXT)}
    words = await run(nps, "policy", "check", right, url="")
    assert version_of(TEXT) in words.stdout
    wrong = tmp_path / "policy.yaml"
    wrong.write_text(TEXT.replace("lapsed_after_days: 365", "lapsed_after: 365"), encoding="utf-8")
    bad = await run(nps, "policy", "check", wrong, url="")
    assert (bad.exit_code, "moves.lapsed_after: unknown key" in bad.stderr) == (2, True)
    named = await run(nps, "policy", "check", wrong, "--json", url="")
    assert (named.exit_code, len(told(named)["errors"])) == (2, 1)
