"""Changed figures on real rows: told once at their door, and nothing that is overtaken."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.herald import Herald, Reader
from tests.builders.changed_figures import SINCE, figure, quiet, told
from tests.builders.dispatching import Dispatching, dispatching, rules

HOUR = timedelta(hours=1)


def book(**alerts: Any) -> Rulebook:
    """One chat that reads of every store."""
    made = rules(figure_alerts={"stores": {"default": "alerts"}})
    settings = AlertSettings.model_validate({"zone": "Europe/Paris", **alerts})
    chat = replace(TargetRules("alerts", 8, (), (), None, False), alerts=settings)
    return replace(made, targets={**made.targets, "alerts": chat})


def herald(machine: Dispatching) -> Herald:
    """The loop of one replica, for the chat."""
    reader = Reader(machine.lanes["alerts"]._desk, machine.carriers["alerts"], "chat")
    budget = timedelta(seconds=20)
    return Herald(machine.engine, [reader], machine.metrics, lambda: machine.now, budget)


def titles(machine: Dispatching) -> list[str]:
    """What the chat was told."""
    return [call.notice[0] for call in machine.carriers["alerts"].actions if call.notice]


async def test_a_change_is_told_once_and_its_end_once(database: str) -> None:
    """However often the bus brings them, and whichever replica tells them."""
    async with dispatching(database, book()) as machine:
        machine.now = SINCE
        await machine.tell(told(figure()), told(figure()))
        assert await herald(machine).step() == 1
        await machine.tell(told(figure()))
        machine.now += timedelta(days=7)
        await machine.tell(told(quiet(since=machine.now)))
        assert await herald(machine).step() == 1
        await machine.tell(told(figure()), told(quiet(since=machine.now)))
        assert (await herald(machine).step(), await herald(machine).step()) == (0, 0)

        assert titles(machine) == [
            "NPS down from 55 to -25 (stores)",
            "Quiet again: NPS -25 (stores)",
        ]
        assert await machine.scalars("SELECT state FROM notices") == ["accepted"] * 2


async def test_what_is_overtaken_in_the_night_is_not_told(database: str) -> None:
    """In the morning the last word is told, of each group its own."""
    async with dispatching(database, book()) as machine:
        machine.now = SINCE - 6 * HOUR
        fallen = figure(since=machine.now)
        machine.now += HOUR
        back = quiet(since=machine.now, reason="late_answers")
        await machine.tell(told(back), told(figure(value="Nice", since=machine.now)), told(fallen))
        assert await herald(machine).step() == 0
        machine.now = SINCE
        while await herald(machine).step():
            pass

        assert sorted(titles(machine)) == [
            "NPS down from 55 to -25 (stores)",
            "Quiet again: NPS -25 (stores)",
        ]
        (reason,) = await machine.scalars("SELECT reason FROM notices WHERE state = 'rejected'")
        assert reason == "a later change of this figure is told instead"


async def test_a_chat_that_comes_back_hears_the_last_word_only(database: str) -> None:
    """The alarm that failed an hour ago is not repeated after the all-clear."""
    async with dispatching(database, book(night=None)) as machine:
        chat = machine.carriers["alerts"]
        chat.on_act = lambda number: Verdict(*(("retry", "away") if number == 1 else ("ok", "")))
        machine.now = SINCE
        await machine.tell(told(figure()))
        await herald(machine).step()
        machine.now += timedelta(seconds=1)
        await machine.tell(told(quiet(since=machine.now)))
        await herald(machine).step()
        machine.now += HOUR
        await herald(machine).step()

        assert titles(machine) == [
            "NPS down from 55 to -25 (stores)",
            "Quiet again: NPS -25 (stores)",
        ]
        states = await machine.scalars("SELECT state FROM notices ORDER BY state")
        assert states == ["accepted", "rejected"]


async def test_a_change_that_nobody_is_to_hear_is_dropped(database: str) -> None:
    """A policy may tell what the playbook does not deliver yet."""
    async with dispatching(database, rules()) as machine:
        machine.now = SINCE
        await machine.tell(told(figure()))

        assert await machine.scalars("SELECT id FROM notices") == []
