"""An alert on a figure end to end: answers in, compared, by the bus, into the owner's channel."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from services.dispatcher.delivery import TargetRules
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.herald import Herald, Reader
from services.segmenter.policy.whole import Policy
from shared.errors import BusAway
from shared.events.envelope import Event
from tests.builders.dispatching import Dispatching, dispatching, rules
from tests.builders.facts import Shelf, answered
from tests.builders.fakes import carrier_of
from tests.builders.fakes.slack_bot import CASE, FakeSlackBot
from tests.builders.figures import figures_on, policy_with

#: A Monday at eight in Paris.
MONDAY = datetime(2026, 3, 16, 7, tzinfo=UTC)
WEEK = timedelta(weeks=1)
GOOD, BAD = [10] * 12, [2] * 12
STORES = {"name": "stores", "by": "attribute:store", "days": 7, "minimum_n": 10, "tell": True}
DOORS = {"stores": {"to": {name: {"target": "alerts", "room": f"C{name}"} for name in ("Lyon",)}}}


def policy(**changes: object) -> Policy:
    """One alert on the weeks of each store, told."""
    return policy_with(alerts=[{**STORES, **changes}])


def week(back: int, scores: list[int]) -> list[Event]:
    """Answers of Lyon in the week that is so many weeks over at `MONDAY` (0: the last one)."""
    return [
        answered(
            f"r{back}-{number}",
            score,
            email=f"c{back}x{number}@example.com",
            at=MONDAY - back * WEEK - timedelta(days=4),
            attributes={"store": "Lyon"},
        )
        for number, score in enumerate(scores)
    ]


def changes(shelf: Shelf) -> list[Event]:
    """What was published of changed figures."""
    return [event for event in shelf.events() if event.type == "figure.changed"]


async def test_a_fall_and_its_end_are_read_in_the_stores_channel(database: str) -> None:
    """Compared by two replicas, carried twice, read once when it fires, once when it is quiet."""
    async with figures_on(database, policy(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        assert await figures.watch().look() + await figures.watch().look() == 1
        await figures.tell(*week(-1, GOOD))
        figures.now = MONDAY + WEEK
        await figures.sweep()
        assert await figures.watch().look() + await figures.watch().look() == 1
        carried = changes(figures.shelf)
    assert [event.data.state for event in carried] == ["open", "quiet"]  # type: ignore[union-attr]

    settings = AlertSettings.model_validate(
        {
            "language": "fr",
            "zone": "Europe/Paris",
            "figures_link": "https://nps.example/figures",
            "night": None,
        }
    )
    chat = replace(TargetRules("alerts", 8, (), (), None, False), alerts=settings)
    fake = FakeSlackBot()
    book = rules(figure_alerts=DOORS)
    book = replace(book, targets={**book.targets, "alerts": chat})
    async with dispatching(database, book) as machine:
        for event in carried:
            machine.now = event.time
            await machine.tell(event, event)
            await _herald(machine, fake).step()

    said = [
        [room, body["blocks"][0]["text"]["text"], *body["blocks"][1]["text"]["text"].splitlines()]
        for (room, _), body in fake.messages.items()
    ]
    assert [lines[:2] for lines in said] == [
        ["CLyon", "NPS en baisse, de 100 à -100 (stores)"],
        ["CLyon", "Retour au calme : NPS 100 (stores)"],
    ]
    assert said[0][2:5] == [
        "Store : Lyon",
        "Maintenant : du 9 mars au 15 mars, NPS -100, réponses : 12",
        "Avant : du 2 mars au 8 mars, NPS 100, réponses : 12",
    ]
    assert said[1][3] == "Raison : le score est revenu à ce qu'il était avant le changement"
    (link,) = [line for line in said[0] if line.startswith("Chiffres : ")]
    assert "https://nps.example/figures?by=attribute%3Astore&from=2026-03-09" in unescape(link)


def _herald(machine: Dispatching, fake: FakeSlackBot) -> Herald:
    carrier = carrier_of(CASE, fake, clock=lambda: machine.now)
    reader = Reader(machine.lanes["alerts"]._desk, carrier, "chat")
    budget = timedelta(seconds=20)
    return Herald(machine.engine, [reader], machine.metrics, lambda: machine.now, budget)


async def test_a_change_is_told_though_the_bus_was_away(database: str) -> None:
    """It is saved with its telling: the next look publishes it, and no later one again."""
    async with figures_on(database, policy(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        with pytest.raises(BusAway):
            await figures.watch(publisher=Shelf(away=1)).look()
        assert changes(figures.shelf) == []
        for _ in range(2):
            await figures.watch().look()

        (told,) = changes(figures.shelf)
        assert told.data.value == "Lyon"  # type: ignore[union-attr]


async def test_two_replicas_that_both_find_it_untold_tell_the_same_event(database: str) -> None:
    """Whoever delivers it takes an id once."""
    async with figures_on(database, policy(), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        first, second = Shelf(), Shelf()
        await figures.watch(publisher=first).look()
        async with figures.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE figure_watches SET compared_at = NULL")
            await connection.exec_driver_sql("DELETE FROM figure_alerts")
        await figures.watch(publisher=second).look()

        assert [event.id for event in changes(first)] == [event.id for event in changes(second)]


async def test_what_the_policy_does_not_tell_is_no_event(database: str) -> None:
    """As shipped: metric, log line and API."""
    async with figures_on(database, policy(tell=False), now=MONDAY) as figures:
        await figures.tell(*week(1, GOOD), *week(0, BAD))
        assert await figures.watch().look() == 1

        assert changes(figures.shelf) == []
        assert [alert["state"] for alert in await figures.alerts()] == ["open"]
