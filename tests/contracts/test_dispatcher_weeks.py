"""An owner's week on real rows: told once, at its door, and of nobody who is erased."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.targets.alert_settings import AlertSettings
from services.dispatcher.tell.herald import Herald, Reader
from shared.events.decisions import OwnerWeekCounted
from tests.builders.decisions import erased
from tests.builders.dispatching import Dispatching, dispatching, rules
from tests.builders.weeks import DUE, counted, week

TO = {"stores": {"to": {"Lyon": {"target": "alerts", "room": "C1"}, "Nice": "alerts"}}}


def book(**alerts: Any) -> Rulebook:
    """Two stores that read one chat."""
    made = rules(digests=TO)
    settings = AlertSettings.model_validate({"zone": "Europe/Paris", **alerts})
    chat = TargetRules("alerts", 8, (), ("nps_score", "nps_segment"), None, False)
    return replace(made, targets={**made.targets, "alerts": replace(chat, alerts=settings)})


def herald(machine: Dispatching) -> Herald:
    """The loop of one replica, for the chat."""
    lane = machine.lanes["alerts"]
    reader = Reader(lane._desk, machine.carriers["alerts"], "chat")
    budget = timedelta(seconds=20)
    return Herald(machine.engine, [reader], machine.metrics, lambda: machine.now, budget)


async def hear(machine: Dispatching, *weeks: OwnerWeekCounted) -> None:
    """Let the handler have counted weeks as one batch."""
    await machine.tell(*(counted(one) for one in weeks))


def said(machine: Dispatching) -> Sequence[tuple[str, str]]:
    """What the chat was told."""
    return [call.notice for call in machine.carriers["alerts"].actions if call.notice]


async def test_each_owner_is_told_once_at_his_door(database: str) -> None:
    """Told again, counted anew, by another replica: the first one that came was the week."""
    async with dispatching(database, book()) as machine:
        machine.now = DUE + timedelta(minutes=1)
        await hear(machine, week(), week(owner="Nice", nps=0.0), week())
        await hear(machine, week(nps=50.0))
        assert await herald(machine).step() == 2
        await hear(machine, week(nps=50.0))
        assert (await herald(machine).step(), await herald(machine).step()) == (0, 0)

        assert sorted(title for title, _ in said(machine)) == [
            "Week of 9 March to 15 March: NPS 0, answers: 40",
            "Week of 9 March to 15 March: NPS 20, answers: 40",
        ]
        rooms = {
            one.notice[1].splitlines()[0]: one.context.get("room")
            for one in machine.carriers["alerts"].actions
            if one.notice
        }
        assert rooms == {"Store: Lyon": "C1", "Store: Nice": None}
        calls = machine.carriers["alerts"].actions
        assert {(call.contact_class, call.action) for call in calls} == {
            ("internal", "weekly_digest")
        }


async def test_the_next_week_is_another_notice(database: str) -> None:
    """Once for each week."""
    async with dispatching(database, book()) as machine:
        machine.now = DUE + timedelta(minutes=1)
        await hear(machine, week())
        await herald(machine).step()
        machine.now += timedelta(days=7)
        later = {name: getattr(week(), name) + timedelta(days=7) for name in ("start", "end")}
        await hear(machine, week(**later, due_at=DUE + timedelta(days=7)))
        assert await herald(machine).step() == 1

        assert len(said(machine)) == 2


async def test_at_night_it_waits_for_the_morning(database: str) -> None:
    """Nobody is woken by figures."""
    async with dispatching(database, book()) as machine:
        machine.now = DUE - timedelta(hours=3)
        await hear(machine, week())
        assert await herald(machine).step() == 0
        machine.now = DUE
        assert await herald(machine).step() == 1


async def test_a_chat_that_is_away_hears_later_and_after_a_week_not_at_all(database: str) -> None:
    """Late news is news until the next ones are there."""
    async with dispatching(database, book(night=None)) as machine:
        chat = machine.carriers["alerts"]
        chat.on_act = lambda number: Verdict(*(("retry", "away") if number == 1 else ("ok", "")))
        machine.now = DUE
        await hear(machine, week())
        await herald(machine).step()
        machine.now += timedelta(hours=1)
        await herald(machine).step()
        assert await machine.scalars("SELECT state FROM notices") == ["accepted"]

        machine.now = DUE + timedelta(days=8)
        await hear(machine, week(owner="Nice"))
        await herald(machine).step()
        states = await machine.scalars("SELECT state FROM notices ORDER BY state")
        assert states == ["accepted", "expired"]
        assert len(said(machine)) == 2


async def test_who_is_erased_is_in_no_week(database: str) -> None:
    """Before it is told or before it comes: her line goes, the sums of others stay."""
    first, second = UUID(int=1), UUID(int=2)
    async with dispatching(database, book()) as machine:
        machine.now = DUE - timedelta(hours=3)
        await machine.tell(erased(second))
        await hear(machine, week())
        await machine.tell(erased(first))
        (kept,) = await machine.scalars("SELECT week::text FROM notices")
        assert str(first) not in kept
        machine.now = DUE
        await herald(machine).step()

        ((title, text),) = said(machine)
        assert "answers: 40" in title
        assert str(first) not in text
        assert str(second) not in text


async def test_what_was_told_is_not_kept(database: str) -> None:
    """Once it is told, a notice is ids and times."""
    async with dispatching(database, book()) as machine:
        machine.now = DUE
        await hear(machine, week())
        await herald(machine).step()

        assert await machine.scalars("SELECT week FROM notices") == [None]


async def test_a_digest_that_nobody_set_is_dropped(database: str) -> None:
    """A policy may count what the playbook does not deliver yet."""
    async with dispatching(database, rules()) as machine:
        machine.now = DUE
        await hear(machine, week())

        assert await machine.scalars("SELECT id FROM notices") == []
