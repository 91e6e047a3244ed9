"""What the sweep keeps is what the rows say: whatever happened, and whenever it was swept."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.sweep import progress
from shared.events import feedback, outcomes
from shared.events.envelope import Event
from shared.events.vocabulary import Value
from tests.builders import recount
from tests.builders.facts import (
    ANNA,
    NOON,
    answered,
    case,
    day,
    ids_of,
    invited,
    reported,
    updated,
)
from tests.builders.figures import Figures, figures_on, policy_with
from tests.builders.forgetting import erase_asked
from tests.builders.histories import events
from tests.builders.merging import aliases, merge_asked, tell, unmerge_asked
from tests.builders.sweeping import sweep

#: Long after everything, so that some cases had their time.
NOW = day(90)
POLICY = policy_with(
    test_respondents={"domains": ["example.net"], "attributes": {"city": ["b"]}},
    statistics={"groupings": ["city"]},
)
#: The same, but that the attribute is looked up beside each answer.
AFAR = policy_with(test_respondents=POLICY.test_respondents.model_dump())
READ = ("people", "people_said", "people_keys", "suspects", "told_answers", "told_cases",
        "told_invitations")  # fmt: skip
WRITTEN = ("profiles", "identifiers", "aliases", "merges", "apart", "facts", "decisions", "timers",
           "answers", "erasures", "tombstones", "changed_customers", "sweeps")  # fmt: skip
_EMAILS = (
    "anna.b@example.com", "ben@example.org", "anna.b@example.org", "chloe@example.net",
    "dora@example.com", "emil@example.com",
)  # fmt: skip
#: A command of a person, or the sweep: what, and which of the customers.
Deed = tuple[str, int]
_DEEDS = st.tuples(st.sampled_from(["merge", "unmerge", "erase", "sweep", "sweep"]),
                   st.integers(0, 9))  # fmt: skip


def lives(seed: int) -> list[Event | Deed]:
    """Some weeks in the life of a few people, some of whom are one; in no order."""
    chance = Random(seed)
    steps: list[Event | Deed] = []
    for number in range(50):
        email, at = chance.choice(_EMAILS), day(chance.randrange(120) / 4)
        link = feedback.ResponseLink(source="demo", survey="nps", response_id=f"{email} 0")
        low, any_score, later = chance.randrange(7), chance.randrange(11), chance.randrange(40)
        told: list[tuple[Event, int]] = [
            (answered(f"{email} 0", low, email=email, at=day(low), revision=number), 4),
            (answered(f"{email} {number}", any_score, email=email, at=at), 6),
            (answered(f"c{number}", any_score, email=email, at=at, survey="claim"), 2),
            (answered(f"n{number}", any_score, email=None, at=at), 1),
            (invited(email, at=at, survey=chance.choice(["nps", "claim"])), 2),
            (reported(outcomes.MessageSent, email, at=at, contact_class="service"), 2),
            (case("opened", f"desk/{email}", email=email, at=day(7), response=link), 3),
            (case("resolved", f"desk/{email}", email=None, at=day(8 + later)), 3),
            (updated(*ids_of(email), at=at, attributes=_said(chance)), 3),
            (updated(*ids_of(email.replace("@", f"+{number % 2}@")), at=at), 1),
            (updated(*ids_of(email, external_id=chance.choice(["C-1", "c-1"])), at=at), 1),
        ]
        events_told, weights = zip(*told, strict=True)
        steps.append(chance.choices(events_told, weights)[0])
        if number % 5 == 0:
            deeds = ["merge", "unmerge", "sweep", "sweep", "sweep"]
            steps.append((chance.choice(deeds if number % 25 else ["erase"]), number))
    chance.shuffle(steps)
    return steps


def _said(chance: Random) -> dict[str, Value]:
    return chance.choice(
        [
            {"last_order_at": "2020-01-01"},
            {"lifecycle": chance.choice(["churned", "active"])},
            {"city": chance.choice(["b", "Lyon", "Nice"])},
        ]
    )


def _drawn() -> list[list[Event | Deed]]:
    """Draw histories of odd events; the same ones on each run."""
    found: list[list[Event | Deed]] = []

    @settings(
        max_examples=6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.one_of(events(), events(), _DEEDS), min_size=5, max_size=20))
    def draw(steps: list[Event | Deed]) -> None:
        found.append(steps)

    draw()
    return found


@pytest.fixture
async def place(database: str) -> AsyncIterator[Figures]:
    async with figures_on(database, POLICY, now=NOW) as figures:
        yield figures


async def empty(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join((*READ, *WRITTEN))}"))


async def live(figures: Figures, steps: list[Event | Deed]) -> None:
    """Let a history happen."""
    for number, step in enumerate(steps):
        if isinstance(step, Event):
            await tell(figures.engine, figures.shelf, step, policy=POLICY)
            continue
        deed, which = step
        if deed == "sweep":
            # Two a step, and only some of it: so a round is under way while more happens.
            await sweep(figures.engine, lambda: figures.now, POLICY, most=2).step()
            continue
        command = await commanded(figures.engine, deed, which, number)
        if command is not None:
            await tell(figures.engine, figures.shelf, command, policy=POLICY)


async def commanded(engine: AsyncEngine, deed: str, which: int, number: int) -> Event | None:
    """Make a command about some of the customers there are."""
    gone = await aliases(engine)
    async with engine.connect() as connection:
        query = "SELECT customer_id FROM profiles ORDER BY created_at, CAST(state AS text)"
        known = list(await connection.scalars(text(query)))
    people: list[UUID] = [one for one in known if one not in gone]
    if deed == "unmerge" and gone:
        return unmerge_asked(sorted(gone)[which % len(gone)], number=number)
    if deed == "merge" and len(people) > 1:
        one, other = which % len(people), (which + 1) % len(people)
        return merge_asked(people[one], people[other], number=number)
    if deed == "erase" and people:
        return erase_asked(people[which % len(people)], before=NOW, erasure_id=UUID(int=number + 1))
    return None


async def kept(engine: AsyncEngine) -> dict[str, list[str]]:
    """Every row that the sweep keeps."""
    async with engine.connect() as connection:
        return {
            table: sorted(await connection.scalars(text(f"SELECT CAST(t AS text) FROM {table} t")))
            for table in READ
        }


def is_test(state: dict[str, Any]) -> bool:
    """The rules of `POLICY`, written out."""
    city = state.get("attributes", {}).get("city", {}).get("value")
    return str(city).strip().lower() == "b" or any(
        name.endswith("@example.net") for name in state.get("identifiers", {})
    )


def told_of(answer: Any) -> dict[str, Any]:
    """An answer of the API as the count by hand tells it."""
    loop = answer["loop"]
    return {
        "distribution": answer["overall"]["distribution"],
        "groups": {group["value"]: group["distribution"] for group in answer["groups"]},
        "moves": {name: answer["moves"][name] for name in ("first", "same", "up", "down")},
        "churn": {name: (one["people"], one["churned"]) for name, one in answer["churn"].items()},
        "response": (
            answer["overall"]["response"]["invited"],
            answer["overall"]["response"]["answered"],
        ),
        "contacts": (
            loop["contacts"]["detractors"],
            loop["contacts"]["contacted"],
            loop["contacts"]["median_hours"],
        ),
        "cases": (loop["cases"]["opened"], loop["cases"]["resolved"]),
        "recovery": {
            name: loop["recovery"][name]
            for name in ("recovered", "still_detractor", "silent", "pending")
        },
    }


async def test_after_any_history_the_figures_are_those_counted_by_hand(place: Figures) -> None:
    """Revisions, merges, undoings, erasures, test respondents; and a full reading says the same."""
    start, end = NOON, day(25)
    seen: Counter[str] = Counter()
    afar = Figures(place.engine, AFAR, NOW)
    for number, steps in enumerate([*map(lives, range(6)), *_drawn()]):
        await empty(place.engine)
        await live(place, steps)
        await place.sweep()
        by_steps = await kept(place.engine)
        world = await recount.read(place.engine, is_test)
        for survey in (None, "nps"):
            query = {"survey": survey} if survey else {}
            asked = {"since": start.isoformat(), "until": end.isoformat(), **query}
            answer = await place.ask(**asked, by="attribute:city")
            expected = recount.figures(world, start, end, NOW, survey)
            assert told_of(answer) == expected, f"history {number}, {survey}"
            assert told_of(await afar.ask(**asked, by="attribute:city")) == expected
            seen.update(name for name, value in _parts(expected) if value)
        async with place.engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join((*READ, 'sweeps'))}"))
        await place.sweep()
        assert await kept(place.engine) == by_steps, f"history {number}"
        seen.update(name for name, rows in by_steps.items() if rows)
        seen.update(["merged"] if world.aliases else [])
        seen.update(["test"] if any(map(is_test, world.states.values())) else [])
    wanted = {*READ, *dict(_parts(expected)), "merged", "test"}
    assert wanted <= seen.keys(), f"no history has {wanted - seen.keys()}"


def _parts(expected: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name every part of a count by hand, with something that only a telling history has."""
    told = {name: expected[name][-1] for name in ("distribution", "response", "contacts", "cases")}
    moves = expected["moves"]
    told["moves"] = moves["up"] or moves["down"]
    told["churn"] = any(churned for _, churned in expected["churn"].values())
    told["recovery"] = sum(expected["recovery"].values())
    yield from told.items()


async def test_one_replica_at_a_time_sweeps(place: Figures) -> None:
    """Whoever comes while another is at it has nothing to do; nothing is read twice."""
    await place.tell(answered("r1", 9))
    await tell(place.engine, place.shelf, answered("r2", 3), policy=POLICY)
    other = sweep(place.engine, lambda: place.now, POLICY)
    async with place.engine.begin() as connection:
        row = await progress.take(connection, (await _rules(place.engine)))
        assert row is not None
        assert await other.step() is None
    step = await other.step()
    assert step is not None
    assert (step.read, step.rested) == (1, True)


async def _rules(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        found = await progress.look(connection)
    assert found is not None
    return found.rules


async def test_the_answer_tells_up_to_when_it_counts(place: Figures) -> None:
    """What came since is not in it, and before the first reading there is no answer at all."""
    await place.tell(answered("r1", 9))
    first = place.now
    await tell(place.engine, place.shelf, answered("r2", 3, email=None), policy=POLICY)
    place.now = first + timedelta(minutes=1)
    before = await place.ask(since="2026-03-01", until="2026-03-31")
    await place.sweep()
    after = await place.ask(since="2026-03-01", until="2026-03-31")
    await empty(place.engine)
    missing = await place.get()

    assert (before["overall"]["n"], datetime.fromisoformat(before["as_of"])) == (1, first)
    assert (after["overall"]["n"], datetime.fromisoformat(after["as_of"])) == (2, place.now)
    assert (missing.status_code, missing.headers["retry-after"]) == (503, "30")
    assert missing.json()["type"] == "urn:nps:problem:not-counted-yet"


async def test_of_her_who_is_erased_nothing_is_counted_at_once(place: Figures) -> None:
    """Before any sweep: what was read of her goes with her row."""
    await place.tell(answered("r1", 9, attributes={"city": "Lyon"}), updated(*ids_of(ANNA)))
    her = place.shelf.decided()[-1].customer_id
    await tell(place.engine, place.shelf, erase_asked(her, before=NOW), policy=POLICY)
    told = await place.ask(since="2026-03-01", until="2026-03-31")
    found = await kept(place.engine)
    await place.sweep()

    assert told["overall"]["n"] == 0
    assert not any(found[table] for table in READ if table != "people_keys")
    assert not any((await kept(place.engine)).values())
