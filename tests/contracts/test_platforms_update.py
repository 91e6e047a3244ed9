"""A correction: the message shown anew where the channel can, another line where it cannot."""

import json
from dataclasses import replace
from datetime import timedelta

import httpx

from services.dispatcher.calls import ActionCall, Correction
from shared.events.vocabulary import Value
from tests.builders import platforms
from tests.builders.fakes import carrier_of, slack, slack_bot, zendesk
from tests.builders.platforms import NOW, Waits

BUDGET = timedelta(seconds=20)
WRONG: dict[str, Value] = {"nps_score": 3, "nps_theme": "price"}


def alert(corrects: Correction | None = None, score: int = 3) -> ActionCall:
    """An alert about Jane, or its correction."""
    return platforms.action(
        action="internal_alert",
        channel="chat",
        contact_class="internal",
        attributes={"nps_score": score, "nps_theme": "price", "first_name": "Jane"},
        context={},
        corrects=corrects,
    )


async def test_slack_shows_a_revised_answer_in_the_place_of_the_alert() -> None:
    """One message, whose text is right again and says what it had said before."""
    fake = slack_bot.FakeSlackBot()
    chat = carrier_of(slack_bot.CASE, fake)

    posted = await chat.act(alert(), budget=BUDGET, now=NOW)
    changed = await chat.act(
        alert(Correction(posted.reference, WRONG), score=9), budget=BUDGET, now=NOW
    )

    assert (posted.outcome, changed.outcome) == ("accepted", "accepted")
    ((_, message),) = fake.messages.items()
    assert message["text"] == "Corrected: internal alert: 9/10, price"
    assert "Corrected: was 3/10, price, is 9/10, price" in message["blocks"][1]["text"]["text"]
    sent = json.loads(fake.calls[1].content)
    assert fake.calls[1].url.path == slack_bot.CHANGE
    assert (sent["channel"], sent["ts"]) == (slack_bot.ROOM, posted.reference)


async def test_an_unanswered_change_is_simply_repeated() -> None:
    """The same shown twice is the same: no doubt, no person is asked."""
    fake = slack_bot.FakeSlackBot()
    chat = carrier_of(slack_bot.CASE, fake, waits=Waits())
    posted = await chat.act(alert(), budget=BUDGET, now=NOW)
    fake.then(slack_bot.CHANGE, httpx.ReadTimeout("no answer"))

    changed = await chat.act(
        alert(Correction(posted.reference, WRONG), score=9), budget=BUDGET, now=NOW
    )

    assert changed.outcome == "accepted"
    assert fake.effects == 1


async def test_a_message_that_is_gone_is_not_posted_again() -> None:
    """Somebody deleted the alert: there is nothing left to correct."""
    fake = slack_bot.FakeSlackBot()
    chat = carrier_of(slack_bot.CASE, fake)

    verdict = await chat.act(alert(Correction("1.1", WRONG)), budget=BUDGET, now=NOW)

    assert verdict.outcome == "reject"
    assert fake.effects == 0


async def test_where_nothing_can_be_changed_a_line_follows() -> None:
    """An incoming webhook names no message: the correction is another one that says so."""
    fake = slack.FakeSlack()
    chat = carrier_of(slack.CASE, fake)

    await chat.act(alert(), budget=BUDGET, now=NOW)
    verdict = await chat.act(alert(Correction(None, WRONG), score=9), budget=BUDGET, now=NOW)

    assert verdict.outcome == "accepted"
    first, second = (json.loads(call.content) for call in fake.calls)
    assert first["text"] == "Internal alert: 3/10, price"
    assert second["text"].startswith("Corrected: ")
    assert "was 3/10, price, is 9/10, price" in second["blocks"][1]["text"]["text"]


async def test_an_alert_and_its_correction_go_to_the_room_that_its_route_named() -> None:
    """Who was alarmed is who hears that it was wrong."""
    fake = slack_bot.FakeSlackBot()
    chat = carrier_of(slack_bot.CASE, fake)
    first = replace(alert(), context={"room": "C0NORTH"})

    posted = await chat.act(first, budget=BUDGET, now=NOW)
    wrong = Correction(posted.reference, WRONG)
    await chat.act(replace(first, corrects=wrong), budget=BUDGET, now=NOW)

    assert [room for room, _ in fake.messages] == ["C0NORTH"]
    assert "C0NORTH" not in fake.messages["C0NORTH", posted.reference or ""]["text"]


async def test_a_ticket_gets_a_note_instead_of_another_ticket() -> None:
    """Who works on it reads there what has changed; a ticket that is gone stays gone."""
    fake = zendesk.FakeZendesk()
    desk = carrier_of(zendesk.CASE, fake)
    first = replace(alert(), channel="ticket")

    made = await desk.act(first, budget=BUDGET, now=NOW)
    right = replace(first, corrects=Correction(made.reference, WRONG))
    noted = await desk.act(right, budget=BUDGET, now=NOW)
    gone = await desk.act(replace(first, corrects=Correction("1", WRONG)), budget=BUDGET, now=NOW)

    assert (noted.outcome, noted.reference, gone.outcome) == ("accepted", "4711", "reject")
    assert fake.effects == 1
    ((number, body),) = fake.notes
    assert number == 4711
    assert body.startswith("Corrected: ")
