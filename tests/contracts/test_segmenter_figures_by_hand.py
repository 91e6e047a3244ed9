"""The API's figures against the same answers folded by hand, without any of the product's code."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from random import Random
from statistics import median
from typing import Any

import pytest

from shared.events import outcomes
from shared.events.envelope import Event
from tests.builders.facts import NOON, answered, day, event, invited, settled, updated
from tests.builders.figures import figures_on

_STORES = ("Lyon", "Nice", "Metz")
_PERIOD = {"since": "2026-03-10T12:00:00Z", "until": "2026-03-20T12:00:00Z"}
_END = NOON + timedelta(days=10)


@dataclass(frozen=True)
class Given:
    """One final answer, as the survey tool would list it."""

    person: int | None
    at: datetime
    score: int

    @property
    def band(self) -> str:
        return "detractor" if self.score < 7 else "passive" if self.score < 9 else "promoter"


def history(chance: Random) -> tuple[list[Given], list[Event]]:
    """Some hundred answers of eighty people and of nobody, each told in up to three messages."""
    given: list[Given] = []
    told: list[Event] = []
    for number in range(320):
        person = None if number % 11 == 0 else chance.randrange(80)
        at = NOON + timedelta(minutes=chance.randrange(-15 * 1440, 12 * 1440))
        one = Given(person, at, min(10, max(0, round(chance.gauss(7.5, 2.5)))))
        given.append(one)
        email = None if person is None else f"person{person}@example.com"
        for revision in range(chance.randrange(3)):
            told.append(
                answered(f"r{number}", chance.randrange(11), email=email, at=at, revision=revision)
            )
        told.append(answered(f"r{number}", one.score, email=email, at=at, revision=5))
        if number % 7 == 0:
            told.append(told[-1])
    chance.shuffle(told)
    return given, told


def nps(given: list[Given]) -> tuple[float, float, float]:
    """The score and its interval, written out."""
    n = len(given)
    up = sum(one.band == "promoter" for one in given)
    down = sum(one.band == "detractor" for one in given)
    p, d, m = (up + 0.75) / (n + 3), (down + 0.75) / (n + 3), n + 3
    half = 1.959963984540054 * 100 * sqrt((p + d - (p - d) ** 2) / m)
    middle = 100 * (p - d)
    return 100 * (up - down) / n, middle - half, middle + half


def told_of(group: Any) -> tuple[float, float, float]:
    return group["nps"], group["interval"]["low"], group["interval"]["high"]


def moved(given: list[Given]) -> Counter[str]:
    """Each person's answers in order, each compared with the one before."""
    height = {"detractor": 0, "passive": 1, "promoter": 2}
    found: Counter[str] = Counter()
    mine: defaultdict[int, list[Given]] = defaultdict(list)
    for one in sorted(given, key=lambda one: one.at):
        if one.person is None or one.at >= _END:
            continue
        earlier = mine[one.person]
        if one.at >= NOON:
            rise = height[one.band] - height[earlier[-1].band] if earlier else None
            found[
                "first" if rise is None else "same" if not rise else "up" if rise > 0 else "down"
            ] += 1
        earlier.append(one)
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_figures_are_those_of_a_fold_by_hand(database: str, seed: int) -> None:
    """Score, interval, shares, distribution, groups, comparison, moves, response and contact."""
    chance = Random(seed)
    given, told = history(chance)
    stores = {person: chance.choice(_STORES) for person in range(80)}
    lists = [
        updated(
            *answered("x", email=f"person{person}@example.com").data.identifiers,  # type: ignore[union-attr]
            at=day(-20),
            attributes={"store": store},
        )
        for person, store in stores.items()
    ]
    asked = {person: NOON + timedelta(hours=chance.randrange(48)) for person in range(0, 80, 2)}
    sent = [invited(f"person{person}@example.com", at=at) for person, at in asked.items()]
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(*lists, *told, *sent)
        customers = {
            int(one.value[6:].partition("@")[0]): decided.customer_id
            for decided in figures.shelf.decided()
            for one in decided.identifiers
            if one.value.startswith("person")
        }
        contacts = {person: day(2 + person / 10) for person in range(0, 80, 3)}
        deliveries = [
            settled(customers[person], f"d{person}", at=at) for person, at in contacts.items()
        ]
        await figures.tell(*deliveries)
        answer = await figures.ask(**_PERIOD, by="attribute:store", compare="previous")

    inside = [one for one in given if NOON <= one.at < _END]
    before = [one for one in given if NOON - (_END - NOON) <= one.at < NOON]
    overall = answer["overall"]
    assert overall["n"] == len(inside)
    assert told_of(overall) == pytest.approx(nps(inside), abs=0.051)
    assert told_of(overall["other"]) == pytest.approx(nps(before), abs=0.051)
    scores = Counter(one.score for one in inside)
    assert overall["distribution"] == [scores[score] for score in range(11)]
    bands = Counter(one.band for one in inside)
    assert {name: one["n"] for name, one in overall["segments"].items()} == bands
    for name, one in overall["segments"].items():
        assert one["share"] == pytest.approx(100 * bands[name] / len(inside), abs=0.051)

    halves = [(found[2] - found[1]) / 2 for found in (nps(inside), nps(before))]
    centres = [(found[2] + found[1]) / 2 for found in (nps(inside), nps(before))]
    reach = sqrt(halves[0] ** 2 + halves[1] ** 2)
    low, high = centres[0] - centres[1] - reach, centres[0] - centres[1] + reach
    assert overall["difference"]["points"] == pytest.approx(
        nps(inside)[0] - nps(before)[0], abs=0.051
    )
    assert overall["difference"]["interval"] == {
        "low": pytest.approx(low, abs=0.051),
        "high": pytest.approx(high, abs=0.051),
    }
    assert overall["difference"]["real"] == (low > 0 or high < 0)

    by_store: defaultdict[str | None, list[Given]] = defaultdict(list)
    for one in inside:
        by_store[None if one.person is None else stores[one.person]].append(one)
    assert {group["value"]: group["n"] for group in answer["groups"]} == {
        store: len(mine) for store, mine in by_store.items()
    }
    for group in answer["groups"]:
        assert told_of(group) == pytest.approx(nps(by_store[group["value"]]), abs=0.051)
    sizes = [group["n"] for group in answer["groups"]]
    assert sizes == sorted(sizes, reverse=True)

    moves = moved(given)
    assert {name: answer["moves"][name] for name in ("first", "same", "up", "down")} == {
        name: moves[name] for name in ("first", "same", "up", "down")
    }

    back = {
        person
        for person, at in asked.items()
        if any(
            one.person == person and at - timedelta(minutes=10) <= one.at < at + timedelta(days=30)
            for one in given
        )
    }
    assert overall["response"] == {
        "invited": len(asked),
        "answered": len(back),
        "rate": pytest.approx(100 * len(back) / len(asked), abs=0.051),
    }

    complaints = [one for one in inside if one.band == "detractor" and one.person is not None]
    waits = [
        (contacts[one.person] - one.at).total_seconds() / 3600
        for one in complaints
        if one.person in contacts and one.at <= contacts[one.person]
    ]
    found = answer["loop"]["contacts"]
    assert (found["detractors"], found["contacted"]) == (len(complaints), len(waits))
    assert found["median_hours"] == pytest.approx(median(waits), abs=0.051)


async def test_copies_of_contacts_do_not_change_the_figures(database: str) -> None:
    """A delivery told in several changes is one contact."""
    async with figures_on(database, now=day(60)) as figures:
        await figures.tell(answered("r1", 2))
        (decided,) = figures.shelf.decided()
        first = settled(decided.customer_id, at=day(1), change=1)
        assert isinstance(first.data, outcomes.DeliverySettled)
        again = event(first.data.model_copy(update={"change": 2, "at": day(2)}))
        await figures.tell(first, again, first)
        found = (await figures.ask(**_PERIOD, show="loop"))["loop"]["contacts"]
    assert (found["contacted"], found["median_hours"]) == (1, 24.0)
