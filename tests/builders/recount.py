"""The figures counted by hand from the rows that batches wrote, with none of the product's code."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_HEIGHT = {"detractor": 0, "passive": 1, "promoter": 2}
_STEPS = ("case.opened", "case.resolved", "case.reopened")


def band(score: int) -> str:
    return "detractor" if score < 7 else "passive" if score < 9 else "promoter"


@dataclass(frozen=True)
class World:
    """All rows. `test` tells of a stored state whether she is a test respondent."""

    aliases: Mapping[UUID, UUID]
    states: Mapping[UUID, dict[str, Any]]
    answers: list[Any]
    facts: list[Any]
    test: Callable[[dict[str, Any]], bool]

    def person(self, customer_id: UUID) -> UUID:
        return self.aliases.get(customer_id, customer_id)

    def counts(self, customer_id: UUID) -> bool:
        return not self.test(self.states[self.person(customer_id)])

    def known(self, person: UUID) -> bool:
        return bool(self.states[person].get("identifiers"))

    def said(self, person: UUID, name: str) -> Any:
        return self.states[person].get("attributes", {}).get(name, {}).get("value")


async def read(engine: AsyncEngine, test: Callable[[dict[str, Any]], bool]) -> World:
    """Read all rows as they are."""
    async with engine.connect() as connection:

        async def rows(query: str) -> list[Any]:
            return list(await connection.execute(text(query)))

        states = await rows("SELECT customer_id, CAST(state AS text) FROM profiles")
        answers = "SELECT customer_id, source, survey, response_id, answered_at, score FROM answers"
        facts = "SELECT customer_id, event_id, kind, occurred_at, body FROM facts"
        aliases = await rows("SELECT customer_id, survivor_id FROM aliases")
        return World(
            {row[0]: row[1] for row in aliases},
            {row[0]: json.loads(row[1]) for row in states},
            await rows(answers),
            await rows(facts),
            test,
        )


def figures(
    world: World, start: datetime, end: datetime, now: datetime, survey: str | None = None
) -> dict[str, Any]:
    """Count what `GET /v1/nps` tells, of the period from `start` to before `end`, by city."""
    given = [
        row
        for row in world.answers
        if world.counts(row.customer_id) and survey in (None, row.survey)
    ]
    scored = sorted((row for row in given if row.score is not None), key=_place)
    inside = [row for row in scored if start <= row.answered_at < end]
    groups: defaultdict[str | None, Counter[int]] = defaultdict(Counter)
    for row in inside:
        groups[_text(world.said(world.person(row.customer_id), "city"))][row.score] += 1
    scores = Counter(row.score for row in inside)
    return {
        "distribution": [scores[score] for score in range(11)],
        "groups": {name: [found[score] for score in range(11)] for name, found in groups.items()},
        "moves": _moves(world, scored, start, end),
        "churn": _churn(world, inside, now),
        "response": _response(world, given, start, end, survey),
        "contacts": _contacts(world, inside),
        "cases": _cases(world, start, end, survey),
        "recovery": _recovery(world, inside, now),
    }


def _place(row: Any) -> tuple[datetime, str]:
    return row.answered_at, f"{row.source}/{row.survey}/{row.response_id}"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _moves(world: World, scored: Iterable[Any], start: datetime, end: datetime) -> dict[str, int]:
    found = Counter(dict.fromkeys(("first", "same", "up", "down"), 0))
    last: dict[UUID, int] = {}
    for row in scored:
        person = world.person(row.customer_id)
        height = _HEIGHT[band(row.score)]
        if world.known(person) and start <= row.answered_at < end:
            rise = height - last[person] if person in last else None
            found["first" if rise is None else "same" if not rise else _way(rise)] += 1
        last[person] = height
    return dict(found)


def _way(rise: int) -> str:
    return "up" if rise > 0 else "down"


def _churn(world: World, inside: Iterable[Any], now: datetime) -> dict[str, tuple[int, int]]:
    last = {world.person(row.customer_id): row.score for row in inside}
    found = dict.fromkeys(_HEIGHT, (0, 0))
    for person, score in last.items():
        if world.known(person):
            people, churned = found[band(score)]
            found[band(score)] = people + 1, churned + _churned(world, person, now)
    return found


def _churned(world: World, person: UUID, now: datetime) -> bool:
    declared = world.said(person, "lifecycle")
    if declared in ("active", "churned"):
        return bool(declared == "churned")
    days = [
        world.said(person, "last_order_at"),
        world.states[person].get("completed", {}).get("purchase"),
    ]
    orders = [datetime.fromisoformat(day) for day in days if day]
    orders = [day if day.tzinfo else day.replace(tzinfo=now.tzinfo) for day in orders]
    return bool(orders) and now - max(orders) > timedelta(days=730)


def _response(
    world: World, given: list[Any], start: datetime, end: datetime, survey: str | None
) -> tuple[int, int]:
    first: dict[tuple[UUID, str], datetime] = {}
    for fact in world.facts:
        name = fact.body.get("survey")
        if (
            fact.kind == "survey.invitation.sent"
            and start <= fact.occurred_at < end
            and survey in (None, name)
            and world.counts(fact.customer_id)
        ):
            key = world.person(fact.customer_id), name
            first[key] = min(fact.occurred_at, first.get(key, fact.occurred_at))
    back = [
        key
        for key, at in first.items()
        if any(
            (world.person(row.customer_id), row.survey) == key
            and at - timedelta(minutes=10) <= row.answered_at < at + timedelta(days=30)
            for row in given
        )
    ]
    return len(first), len(back)


def _contacts(world: World, inside: Iterable[Any]) -> tuple[int, int, float | None]:
    detractors, waits = 0, []
    for row in inside:
        person = world.person(row.customer_id)
        if band(row.score) != "detractor" or not world.known(person):
            continue
        detractors += 1
        care = [
            fact.occurred_at - row.answered_at
            for fact in world.facts
            if world.person(fact.customer_id) == person
            and (
                (fact.kind == "delivery.settled" and fact.body["state"] == "accepted")
                or fact.kind == "message.sent"
            )
            and fact.body["contact_class"] in ("service", "asked_for")
            and timedelta(0) <= fact.occurred_at - row.answered_at < timedelta(days=30)
        ]
        waits += [min(care).total_seconds() / 3600] if care else []
    return detractors, len(waits), round(median(waits), 1) if waits else None


def _each_case(world: World) -> list[list[Any]]:
    found: defaultdict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for fact in world.facts:
        if fact.kind in _STEPS and world.counts(fact.customer_id):
            found[world.person(fact.customer_id), fact.body["case_id"]].append(fact)
    return [sorted(steps, key=_rank) for steps in found.values()]


def _rank(fact: Any) -> tuple[datetime, int, str]:
    return fact.occurred_at, _STEPS.index(fact.kind), str(fact.event_id)


def _about(steps: list[Any]) -> tuple[str, str, str] | None:
    """The answer named by the first step that names one."""
    naming = [step for step in steps if step.body.get("response")]
    if not naming:
        return None
    link = min(naming, key=lambda step: (step.occurred_at, str(step.event_id))).body["response"]
    return link["source"], link["survey"], link["response_id"]


def _cases(world: World, start: datetime, end: datetime, survey: str | None) -> tuple[int, int]:
    opened = [
        steps
        for steps in _each_case(world)
        if start <= steps[0].occurred_at < end
        and (survey is None or (_about(steps) or ("", "", ""))[1] == survey)
    ]
    return len(opened), sum(steps[-1].kind == "case.resolved" for steps in opened)


def _recovery(world: World, inside: Iterable[Any], now: datetime) -> dict[str, int]:
    window = timedelta(days=75)
    found = Counter(dict.fromkeys(("recovered", "still_detractor", "silent", "pending"), 0))
    ended: dict[tuple[UUID, tuple[str, str, str] | None], datetime] = {}
    for steps in _each_case(world):
        if steps[-1].kind == "case.resolved":
            key = world.person(steps[0].customer_id), _about(steps)
            at = steps[-1].occurred_at
            ended[key] = min(at, ended.get(key, at))
    for row in inside:
        person = world.person(row.customer_id)
        at = ended.get((person, (row.source, row.survey, row.response_id)))
        if band(row.score) != "detractor" or at is None:
            continue
        later = [
            other
            for other in world.answers
            if other.score is not None
            and world.person(other.customer_id) == person
            and at < other.answered_at <= at + window
        ]
        if later:
            first = min(later, key=_place)
            found["still_detractor" if band(first.score) == "detractor" else "recovered"] += 1
        else:
            found["pending" if at + window > now else "silent"] += 1
    return dict(found)
