"""What single presets promise beyond the suite of all: somebody new, other channels, races.

Each test is a documented trait of that platform, which a careless call would fall into.
"""

import json
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from services.dispatcher.calls.calls import Verdict
from tests.builders import platforms
from tests.builders.fakes import Case, braze, carrier_of, hubspot, listmonk, mautic
from tests.builders.fakes import adobe_campaign_v8 as v8
from tests.builders.fakes import adobe_journey_optimizer as ajo
from tests.builders.platforms import NOW, Fake, person

BUDGET = timedelta(seconds=20)
NEW = person(email="new@example.com", phone="+33600000001", external_id="C-3")
JANE = person(email="jane@example.com", phone="+33612345678", external_id="C-1")


async def push(case: Case, fake: Fake, **changes: Any) -> Verdict:
    """Push the standard profile of somebody whom the platform does not know."""
    call = platforms.push(**{"identifiers": NEW, **changes})
    return await carrier_of(case, fake).push_profile(call, budget=BUDGET, now=NOW)


async def act(case: Case, fake: Fake, **changes: Any) -> Verdict:
    """Perform the standard action towards Jane."""
    call = platforms.action(**{"identifiers": JANE, **changes})
    return await carrier_of(case, fake).act(call, budget=BUDGET, now=NOW)


def said(fake: Fake) -> list[str]:
    """Tell what was asked, sign-in aside."""
    return [f"{call.method} {call.url.path}" for call in fake.calls if "token" not in call.url.path]


def last(fake: Fake) -> Any:
    """Read the body of the last call."""
    return json.loads(fake.calls[-1].content)


async def test_v8_makes_somebody_new_without_a_word_on_consent() -> None:
    """Address and mapped fields: the organisation's own defaults stand."""
    fake = v8.FakeCampaignV8()
    assert (await push(v8.CASE, fake)).outcome == "ok"
    assert set(last(fake)) == {
        "email", "cusNpsScore", "cusNpsSegment", "cusNpsTheme", "cusNpsDate", "firstName"
    }  # fmt: skip


async def test_v8_parks_a_profile_that_is_there_twice() -> None:
    """An address is not unique: which of the two she is, a person must say."""
    fake = v8.FakeCampaignV8()
    profiles = [
        {"email": "new@example.com", "href": f"https://mc.adobe.io/{n}"} for n in ("a", "b")
    ]
    fake.then("/profile/email", httpx.Response(200, json={"content": profiles}))
    assert (await push(v8.CASE, fake)).outcome == "park"


async def test_v8_asks_for_an_sms_by_its_number_and_tells_the_archived_event() -> None:
    """`wishedChannel` 1, the phone beside the address that every event must have."""
    fake = v8.FakeCampaignV8()
    verdict = await act(v8.CASE, fake, channel="sms")
    assert verdict.shown is not None
    wanted = Verdict("accepted", "HTTP 200", reference="72057594037935967", shown=verdict.shown)
    assert verdict == wanted
    event = fake.events[0]
    assert {name: event.get(name) for name in ("wishedChannel", "mobilePhone", "email")} == {
        "wishedChannel": "1",
        "mobilePhone": "+33612345678",
        "email": "jane@example.com",
    }


async def test_v8_keeps_a_comment_a_text_inside_its_element() -> None:
    """What closes an element, opens one or quotes is read back as it was written."""
    fake = v8.FakeCampaignV8()
    hostile = "</ctx><ctx a=\"1\">&amp; ]]> <!-- 'x'"
    await act(v8.CASE, fake, context={"comment": hostile})
    ctx = fake.events[0].find("ctx")
    assert isinstance(ctx, ElementTree.Element)
    assert ctx.findtext("comment") == hostile
    assert [child.tag for child in ctx] == [
        "deliveryId", "variant", "score", "reason", "firstName", "comment"
    ]  # fmt: skip


async def test_v8_refuses_a_context_that_cannot_be_elements() -> None:
    """A play's own name with a blank in it never reaches the instance."""
    fake = v8.FakeCampaignV8()
    assert (await act(v8.CASE, fake, context={"a b": "x"})).outcome == "reject"
    assert fake.effects == 0


async def test_ajo_replaces_the_whole_record_so_that_cleared_is_gone() -> None:
    """What a record leaves out is no longer on the profile."""
    fake = ajo.FakeJourneyOptimizer()
    await push(ajo.CASE, fake, attributes={"nps_score": 3, "first_name": "Nora"})
    await push(ajo.CASE, fake, attributes={"nps_score": 9, "first_name": None})
    assert fake.profiles["new@example.com"] == {"score": 9}


async def test_ajo_asks_the_list_of_addresses_for_no_sms() -> None:
    """Joe's address is suppressed; his phone is another matter, which our own gates have asked."""
    fake = ajo.FakeJourneyOptimizer()
    joe = person(email="joe@example.com", phone="+33698765432")
    assert (await act(ajo.CASE, fake, channel="sms", identifiers=joe)).outcome == "accepted"
    assert said(fake) == ["POST /ajo/im/executions/unitary"]
    assert last(fake)["recipients"][0]["channelData"] == {"mobilePhoneNumber": "+33698765432"}


async def test_hubspot_makes_somebody_new_with_mapped_properties_only() -> None:
    """No lifecycle, no subscription, no marketing status."""
    fake = hubspot.FakeHubSpot()
    assert (await push(hubspot.CASE, fake)).outcome == "ok"
    assert set(fake.contacts["new@example.com"]) == {
        "nps_score", "nps_segment", "nps_previous_segment", "nps_answered_at", "firstname"
    }  # fmt: skip


async def test_braze_makes_nobody_up() -> None:
    """A user it does not know would be subscribed from the start: she is left out."""
    fake = braze.FakeBraze()
    before = dict(fake.users)
    assert (await push(braze.CASE, fake)).outcome == "ok"
    assert fake.users.keys() == before.keys()


async def test_braze_says_when_nobody_can_be_written_to() -> None:
    """The send to an unknown user is refused, and no user is made by it."""
    fake = braze.FakeBraze()
    assert (await act(braze.CASE, fake, identifiers=NEW)).outcome == "reject"
    assert (fake.effects, "C-3" in fake.users) == (0, False)


@pytest.mark.parametrize(
    ("subscription", "outcome"),
    [("subscribed", "accepted"), ("opted_in", "accepted"), ("unsubscribed", "suppressed"),
     (None, "accepted")],
)  # fmt: skip
async def test_braze_heeds_the_subscription(subscription: str | None, outcome: str) -> None:
    """A transactional campaign would go out to those who unsubscribed."""
    fake = braze.FakeBraze()
    fake.users["C-1"]["email_subscribe"] = subscription
    assert (await act(braze.CASE, fake)).outcome == outcome


async def test_listmonk_makes_somebody_new_on_no_list() -> None:
    """Enabled, and subscribed to nothing."""
    fake = listmonk.FakeListmonk()
    assert (await push(listmonk.CASE, fake)).outcome == "ok"
    assert said(fake) == ["POST /api/subscribers"]
    assert fake.consent()["new@example.com"] == ("enabled", [])


async def test_listmonk_keeps_lists_and_what_others_wrote() -> None:
    """PATCH merges; PUT, which would drop every list, is never asked."""
    fake = listmonk.FakeListmonk()
    await push(listmonk.CASE, fake, identifiers=JANE)
    kept = fake.subscribers[1]
    assert (kept["lists"], kept["attribs"]["city"], kept["attribs"]["nps_score"]) == (
        [3],
        "Lyon",
        3,
    )
    assert not any(call.method == "PUT" for call in fake.calls)


async def test_listmonk_creates_again_whom_somebody_deleted_meanwhile() -> None:
    """409, then nobody: she was there a moment ago, and is created after all."""
    fake = listmonk.FakeListmonk()
    fake.then("/api/subscribers", listmonk.failed(409, "E-mail already exists."))
    assert (await push(listmonk.CASE, fake)).outcome == "ok"
    assert said(fake) == ["POST /api/subscribers", "GET /api/subscribers", "POST /api/subscribers"]


async def test_listmonk_finds_an_address_with_a_quote() -> None:
    """The quote is doubled in SQL, and hers alone is found."""
    fake = listmonk.FakeListmonk()
    quoted = person(email="o'neil@example.com")
    await push(listmonk.CASE, fake, identifiers=quoted)
    assert (await push(listmonk.CASE, fake, identifiers=quoted)).outcome == "ok"
    assert said(fake)[-1].startswith("PATCH /api/subscribers/")


@pytest.mark.parametrize("status", ["blocklisted", "disabled"])
async def test_listmonk_mails_nobody_who_is_blocked(status: str) -> None:
    """Its own transactional call would."""
    fake = listmonk.FakeListmonk()
    fake.subscribers[1]["status"] = status
    assert (await act(listmonk.CASE, fake)).outcome == "suppressed"
    assert fake.effects == 0


async def test_mautic_gets_a_zero_as_a_word() -> None:
    """A number 0 would be dropped in silence, and a detractor keep the score before."""
    fake = mautic.FakeMautic()
    await push(mautic.CASE, fake, attributes={"nps_score": 9})
    await push(mautic.CASE, fake, attributes={"nps_score": 0})
    contact = next(c for c in fake.contacts.values() if "nps_score" in c["fields"]["all"])
    assert contact["fields"]["all"]["nps_score"] == "zero"


async def test_mautic_makes_somebody_new_without_a_word_on_contacting() -> None:
    """No do-not-contact entry, no frequency rule, no owner: her address and the mapped fields."""
    fake = mautic.FakeMautic()
    assert (await push(mautic.CASE, fake)).outcome == "ok"
    assert set(last(fake)) == {
        "email", "nps_score", "nps_segment", "nps_previous_segment", "nps_answered_at", "firstname"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        pytest.param({"channel": "email", "reason": 1}, "suppressed", id="unsubscribed"),
        pytest.param({"channel": "email", "reason": 2}, "suppressed", id="bounced"),
        pytest.param({"channel": "email", "reason": 3}, "suppressed", id="by hand"),
        pytest.param({"channel": "sms", "reason": 1}, "accepted", id="another channel"),
    ],
)
async def test_mautic_heeds_do_not_contact(entry: dict[str, Any], outcome: str) -> None:
    """An e-mail may be set up to go out in spite of it."""
    fake = mautic.FakeMautic()
    jane = next(iter(fake.contacts.values()))
    jane["doNotContact"].append(entry)
    assert (await act(mautic.CASE, fake)).outcome == outcome
