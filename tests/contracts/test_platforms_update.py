"""A correction: the message shown anew where the channel can, another line where it cannot."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.dispatcher.calls.calls import ActionCall, Correction
from shared.events.vocabulary import Value
from tests.builders import platforms
from tests.builders.fakes import (
    carrier_of,
    freshdesk,
    hubspot_ticket,
    jira_service_management,
    salesforce_case,
    slack,
    slack_bot,
    zendesk,
)
from tests.builders.platforms import NOW, Waits

BUDGET = timedelta(seconds=20)
#: A correction is a delivery of its own.
OTHER = UUID("5f1d7c1e-7a53-5b0e-9c55-0d2f4c6b8a03")
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


HELPDESKS = [
    pytest.param(freshdesk, freshdesk.FakeFreshdesk, id="freshdesk"),
    pytest.param(hubspot_ticket, hubspot_ticket.FakeHubSpotTickets, id="hubspot"),
    pytest.param(jira_service_management, jira_service_management.FakeJira, id="jira"),
    pytest.param(salesforce_case, salesforce_case.FakeSalesforce, id="salesforce"),
    pytest.param(zendesk, zendesk.FakeZendesk, id="zendesk"),
]


@pytest.mark.parametrize(("platform", "make"), HELPDESKS)
async def test_a_ticket_gets_a_note_instead_of_another_ticket(
    platform: ModuleType, make: Callable[[], Any]
) -> None:
    """Who works on it reads there what has changed; a ticket that is gone stays gone."""
    fake = make()
    desk = carrier_of(platform.CASE, fake)
    first = replace(alert(), channel="ticket")

    made = await desk.act(first, budget=BUDGET, now=NOW)
    right = replace(
        alert(Correction(made.reference, WRONG), score=9), delivery_id=OTHER, channel="ticket"
    )
    noted = await desk.act(right, budget=BUDGET, now=NOW)
    gone = await desk.act(replace(first, corrects=Correction("1x", WRONG)), budget=BUDGET, now=NOW)

    assert made.reference
    assert (noted.outcome, noted.reference, gone.outcome) == ("accepted", made.reference, "reject")
    assert fake.effects == 1
    ((number, body),) = fake.notes
    assert number == made.reference
    assert "Corrected: internal alert: 9/10, price" in body
    assert "was 3/10, price, is 9/10, price" in body


@pytest.mark.parametrize(("platform", "make"), HELPDESKS)
async def test_an_unanswered_note_is_written_again(
    platform: ModuleType, make: Callable[[], Any]
) -> None:
    """Two notes harm nobody; a ticket that says what is wrong does."""
    fake = make()
    desk = carrier_of(platform.CASE, fake, waits=Waits())
    made = await desk.act(replace(alert(), channel="ticket"), budget=BUDGET, now=NOW)
    fake.then("/", httpx.ReadTimeout("no answer"))

    right = replace(alert(Correction(made.reference, WRONG), score=9), channel="ticket")
    noted = await desk.act(right, budget=BUDGET, now=NOW)

    assert (noted.outcome, len(fake.notes), fake.effects) == ("accepted", 1, 1)


@pytest.mark.parametrize(
    ("platform", "make", "answer", "outcome"),
    [
        pytest.param(
            jira_service_management,
            jira_service_management.FakeJira,
            httpx.Response(403),
            "reject",
            id="jira: no agent",
        ),
        pytest.param(
            hubspot_ticket,
            hubspot_ticket.FakeHubSpotTickets,
            httpx.Response(403),
            "reject",
            id="hubspot: no scope for notes",
        ),
        pytest.param(
            salesforce_case,
            salesforce_case.FakeSalesforce,
            salesforce_case.error(403, "INSUFFICIENT_ACCESS"),
            "reject",
            id="salesforce: may not comment",
        ),
        pytest.param(
            salesforce_case,
            salesforce_case.FakeSalesforce,
            salesforce_case.error(403, "REQUEST_LIMIT_EXCEEDED"),
            "throttle",
            id="salesforce: day's limit",
        ),
        pytest.param(
            freshdesk,
            freshdesk.FakeFreshdesk,
            httpx.Response(401),
            "disable_target",
            id="freshdesk: bad key",
        ),
    ],
)
async def test_a_note_that_is_refused_stops_no_ticket(
    platform: ModuleType, make: Callable[[], Any], answer: httpx.Response, outcome: str
) -> None:
    """Who may make tickets and write no note loses the note; only bad credentials stop it all."""
    fake = make()
    desk = carrier_of(platform.CASE, fake)
    made = await desk.act(replace(alert(), channel="ticket"), budget=BUDGET, now=NOW)
    fake.then("/", answer)

    right = replace(alert(Correction(made.reference, WRONG), score=9), channel="ticket")

    assert (await desk.act(right, budget=BUDGET, now=NOW)).outcome == outcome


async def test_a_comment_on_a_case_is_no_longer_than_it_may_be() -> None:
    """Salesforce counts bytes, and a letter may be four of them."""
    fake = salesforce_case.FakeSalesforce()
    desk = carrier_of(salesforce_case.CASE, fake)
    first = replace(alert(), channel="ticket")
    made = await desk.act(first, budget=BUDGET, now=NOW)
    long = {**first.attributes, "nps_theme": "\U0001f600" * 3000}

    verdict = await desk.act(
        replace(first, attributes=long, corrects=Correction(made.reference, WRONG)),
        budget=BUDGET,
        now=NOW,
    )

    assert verdict.outcome == "accepted"
    assert len(fake.notes) == 1
