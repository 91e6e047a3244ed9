"""One alert of a kind for each answer: a revision corrects it, and nobody is told twice."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan.plan import Rulebook
from shared.events.decisions import CustomerDecided, Snapshot
from tests.builders.decisions import NOW, decision, erased
from tests.builders.dispatching import Dispatching, dispatching, play, rules

ALERT = play(
    "alert",
    "detractor",
    "internal_alert",
    trigger="received",
    target="alerts",
    channels=["chat"],
    cooldown="30 d",
    **{"class": "internal"},
)
SAID = ("nps_score", "nps_segment", "nps_theme", "nps_comment")


def book(**changes: Any) -> Rulebook:
    """A playbook with one alert, to a chat that may say score, reason and comment."""
    made = rules(ALERT)
    chat = TargetRules("alerts", 8, (), SAID, None, True)
    return replace(made, targets={**made.targets, "alerts": replace(chat, **changes)})


def revised(
    customer: uuid.UUID, version: int, score: int, *, comment: str | None = None, **changes: Any
) -> CustomerDecided:
    """What is decided after a revision of her one answer."""
    segment: Any = "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"
    snapshot = Snapshot(score=score, segment=segment, last_answered_at=NOW, comment=comment)
    return decision(customer, version=version, snapshot=snapshot, **changes)


def posted(number: int) -> Verdict:
    """A chat that names each message."""
    return Verdict("accepted", "posted", reference=f"C1/{number}")


async def alerted(machine: Dispatching, customer: uuid.UUID) -> None:
    """Let the chat hear of a score of 3."""
    machine.carriers["alerts"].on_act = posted
    await machine.tell(revised(customer, 1, 3))
    await machine.run("alerts")


async def test_a_revision_corrects_the_alert_by_the_chats_own_name_of_it(database: str) -> None:
    """She slipped: 3 becomes 9, and who was alarmed hears it where the alarm stands."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await alerted(machine, customer)
        await machine.tell(revised(customer, 2, 9))
        await machine.run("alerts")

        first, second = machine.carriers["alerts"].actions
        assert first.corrects is None
        assert second.corrects is not None
        assert second.corrects.reference == "C1/1"
        assert second.corrects.was == {
            "nps_score": 3,
            "nps_segment": "detractor",
            "nps_theme": None,
        }
        assert second.attributes["nps_score"] == 9
        assert second.context["corrects"] == str(first.delivery_id)
        assert [row.state for row in await machine.rows()] == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("then", "calls"),
    [
        pytest.param([3], 1, id="the same again"),
        pytest.param([9], 2, id="another score"),
        pytest.param([9, 9], 2, id="another score, told twice"),
        pytest.param([9, 3], 1, id="changed and changed back before anybody looked"),
        pytest.param([9, 8, 10], 2, id="three in a row are one correction"),
    ],
)
async def test_revisions_in_a_row_lead_to_as_few_corrections_as_can_be(
    database: str, then: list[int], calls: int
) -> None:
    """What waits says what is true when it is sent."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await alerted(machine, customer)
        for version, score in enumerate(then, start=2):
            await machine.tell(revised(customer, version, score))
        await machine.run("alerts")

        told = machine.carriers["alerts"].actions
        assert len(told) == calls
        assert told[-1].attributes["nps_score"] == then[-1]


async def test_a_correction_of_a_correction_follows_the_same_alert(database: str) -> None:
    """3, 9, 2: the second correction says that 9 was wrong, at the first message's place."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await alerted(machine, customer)
        for version, score in ((2, 9), (3, 2)):
            await machine.tell(revised(customer, version, score))
            await machine.run("alerts")

        told = machine.carriers["alerts"].actions
        assert [call.corrects and call.corrects.reference for call in told] == [
            None,
            "C1/1",
            "C1/1",
        ]
        assert told[2].corrects is not None
        assert told[2].corrects.was["nps_score"] == 9


async def test_before_the_alert_is_sent_a_revision_only_changes_what_it_says(database: str) -> None:
    """Nothing was told, so nothing is corrected."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await machine.tell(revised(customer, 1, 3), revised(customer, 2, 5))
        await machine.run("alerts")

        (call,) = machine.carriers["alerts"].actions
        assert call.attributes["nps_score"] == 5


async def test_a_correction_waits_for_its_alert(database: str) -> None:
    """While the first call is out nobody knows under which name it will stand."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        machine.carriers["alerts"].on_act = lambda number: (
            Verdict("in_doubt", "no answer", timedelta(minutes=1))
            if number == 1
            else posted(number)
        )
        await machine.tell(revised(customer, 1, 3))
        await machine.run("alerts")
        await machine.tell(revised(customer, 2, 9))
        await machine.run("alerts")
        assert len(machine.carriers["alerts"].actions) == 1
        await machine.run_until(machine.now + timedelta(minutes=3), every=timedelta(seconds=20))

        told = machine.carriers["alerts"].actions
        assert told[1].delivery_id == told[0].delivery_id
        assert told[1].attributes["nps_score"] == 9
        assert len(told) == 2


@pytest.mark.parametrize(
    ("updates", "calls"), [pytest.param(True, 2, id="can"), pytest.param(False, 1, id="cannot")]
)
async def test_a_comment_that_comes_later_is_shown_where_a_message_can_be_changed(
    database: str, updates: bool, calls: int
) -> None:
    """It is no correction: another message of its own would be one alert too many."""
    customer = uuid.uuid4()
    async with dispatching(database, book(updates=updates)) as machine:
        await alerted(machine, customer)
        await machine.tell(revised(customer, 2, 3, comment="Trop cher."))
        await machine.run("alerts")

        assert len(machine.carriers["alerts"].actions) == calls
        assert (
            await machine.scalars("SELECT told::text FROM alerts WHERE told::text ~ 'cher'") == []
        )


async def test_a_newer_answer_corrects_nothing(database: str) -> None:
    """Another answer is news of its own: its alert is another one."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await alerted(machine, customer)
        await machine.tell(revised(customer, 2, 9, response="r2"))
        await machine.tell(revised(customer, 3, 9, response="r1", late=True))
        await machine.run("alerts")

        assert len(machine.carriers["alerts"].actions) == 1


async def test_what_was_told_of_her_goes_with_her(database: str) -> None:
    """Erasing her leaves no score and no reason in the rows of alerts."""
    customer = uuid.uuid4()
    async with dispatching(database, book()) as machine:
        await alerted(machine, customer)
        await machine.tell(erased(customer))

        assert await machine.scalars("SELECT delivery_id FROM alerts") == []
