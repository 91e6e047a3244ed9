"""What outsiders may tell ingest, and who may look at the quarantine."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events.feedback import CustomerUpdated, InvitationSent
from shared.events.outcomes import MessageBounced
from shared.times import iso
from tests.builders import responses
from tests.builders.ingest import ENVIRON, Ingest, running_ingest
from tests.builders.lines import written_lines

WHO = {"email": "Camille@Example.com", "external_id": 17, "phone": "+33 6 12 34 56 78"}


@pytest.fixture
async def ingest(database: str) -> AsyncIterator[Ingest]:
    """Ingest with the shipped configuration."""
    async with running_ingest(database) as running:
        yield running


def cloud_event(type_: str = "customer.updated", **changes: Any) -> dict[str, Any]:
    """One valid CloudEvent; `changes` replace attributes."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "crm",
        "type": type_,
        "data": {"identifiers": WHO},
    }
    return {**event, **changes}


async def test_a_told_event_is_durable_with_normalised_identifiers(ingest: Ingest) -> None:
    """Three facts, three topics' worth: times are the caller's, identifiers are normalised."""
    when = datetime(2026, 11, 1, 9, tzinfo=UTC)
    data = {"survey": "relational", "identifiers": WHO, "channel": "email"}
    answer = await ingest.tell(
        cloud_event("survey.invitation.sent", data=data, time="2026-11-01T10:00:00+01:00")
    )
    assert answer.status_code == 202
    (event,) = await ingest.published()
    assert answer.json() == {"status": "accepted", "event_id": str(event.id)}
    assert isinstance(event.data, InvitationSent)
    assert (event.source, event.time, event.data.occurred_at) == ("crm", when, when)
    assert [(i.kind, i.value) for i in event.data.identifiers] == [
        ("external_id", "17"),
        ("email", "camille@example.com"),
        ("phone", "+33612345678"),
    ]


async def test_attributes_and_consents_of_a_customer_come_through(ingest: Ingest) -> None:
    """null clears, "" says nothing; a consent without a time was said at the event's."""
    data = {
        "identifiers": {"email": "c@example.com"},
        "attributes": {"plan": "premium", "orders": 3, "note": None, "empty": " "},
        "consents": [{"channel": "email", "purpose": "marketing", "granted": False}],
    }
    await ingest.tell(cloud_event(data=data, time="2026-11-01T10:00:00Z"))
    (event,) = await ingest.published()
    assert isinstance(event.data, CustomerUpdated)
    assert event.data.attributes == {"plan": "premium", "orders": 3, "note": None}
    (consent,) = event.data.consents
    assert (consent.granted, consent.said_at) == (False, event.data.occurred_at)


async def test_a_report_about_our_delivery_needs_no_identifier(ingest: Ingest) -> None:
    """It goes to the outcomes, keyed by the delivery's id."""
    delivery = "0b0c5c0e-6f7e-5f0c-9a54-5f3b7f8f1f10"
    data = {"delivery_id": delivery, "channel": "email"}
    assert (await ingest.tell(cloud_event("message.bounced", data=data))).status_code == 202
    ((topic, key),) = await ingest.rows("SELECT topic, key FROM bus.records")
    assert (topic, key) == ("nps.outcomes", delivery)
    (event,) = await ingest.published()
    assert isinstance(event.data, MessageBounced)


async def test_the_callers_source_id_and_type_make_the_event(ingest: Ingest) -> None:
    """The same three again are the same event; another of any is another."""
    told = [
        cloud_event(),
        cloud_event(time="2026-11-01T10:00:00Z"),
        cloud_event(id="2"),
        cloud_event(source="shop"),
    ]
    found = [(await ingest.tell(one)).json()["event_id"] for one in told]
    assert found[0] == found[1]
    assert len(set(found)) == 3


async def test_a_time_far_ahead_becomes_the_receipt(ingest: Ingest) -> None:
    """One dated 2099 counts as of now, and one a little ahead stays."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await ingest.tell(
        [cloud_event(time="2099-01-01T00:00:00Z"), cloud_event(id="2", time=iso(soon))]
    )
    far, near = await ingest.published()
    assert far.time < soon
    assert near.time == soon


async def test_a_batch_is_taken_whole_or_not_at_all(ingest: Ingest) -> None:
    """One bad event refuses all and is named by its place."""
    bad = await ingest.tell([cloud_event(), cloud_event(id="2", data={})])
    assert (bad.status_code, await ingest.published()) == (400, [])
    assert bad.json()["detail"].startswith("event 1: data.identifiers")
    good = await ingest.tell([cloud_event(), cloud_event(id="2")])
    assert len(good.json()["event_ids"]) == len(await ingest.published()) == 2


async def test_what_outsiders_may_not_tell_is_400(ingest: Ingest) -> None:
    """The connector's own events, its commands and answers come by other ways."""
    for type_ in (
        "timer.due",
        "customer.decided",
        "customer.merged",
        "customer.erased",
        "customer.merge_requested",
        "segmenter.progressed",
        "delivery.settled",
        "survey.response.received",
        "made.up",
    ):
        answer = await ingest.tell(cloud_event(type_))
        assert answer.status_code == 400
        assert type_ not in answer.json()["detail"]
    assert await ingest.published() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None}, {"source": None}, {"type": None}, {"specversion": None}, {"data": None},
        {"id": ""}, {"id": 7}, {"source": " "}, {"source": "crm\x00"}, {"specversion": "0.3"},
        {"time": "tomorrow"}, {"time": 5}, {"time": "0001-01-01T00:00:00Z"}, {"dataversion": "2.0"},
        {"data": {}}, {"data": []}, {"data": {"identifiers": {}}},
        {"data": {"identifiers": {"email": "nobody"}}}, {"data": {"identifiers": {"phone": "06"}}},
        {"data": {"identifiers": WHO, "plan": "x"}},
        {"data": {"identifiers": WHO, "attributes": {"plan": {"x": 1}}}},
        {"data": {"identifiers": WHO, "consents": [{"channel": "email"}]}},
    ],
    ids=str,
)  # fmt: skip
async def test_each_refusal_is_a_400_and_publishes_nothing(
    ingest: Ingest, wrong: dict[str, Any]
) -> None:
    """Alone or beside a good one in a batch: a problem document, and the log stays empty."""
    event = {name: value for name, value in cloud_event(**wrong).items() if value is not None}
    for told in (event, [cloud_event(id="good"), event]):
        answer = await ingest.tell(told)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:nps:problem:invalid-event"
    assert await ingest.published() == []


async def test_tokens_and_scopes_are_asked(ingest: Ingest) -> None:
    """No or a wrong token is 401, one for something else 403; nothing is read before."""
    for token, expected in (("", 401), ("wrong", 401), (ENVIRON["LOOKER"], 403)):
        assert (await ingest.tell(cloud_event(), token=token)).status_code == expected
    for token, expected in (("", 401), ("wrong", 401), (ENVIRON["TELLER"], 403)):
        assert (await ingest.look(token=token)).status_code == expected
    assert await ingest.published() == []


async def test_a_refusal_names_the_field_and_echoes_nothing(ingest: Ingest) -> None:
    """Values never come back, nor keys that could be an address; logs hold neither."""
    canary = "canary@example.com"
    with written_lines("services.ingest.sight") as lines:
        for data in (
            {"identifiers": {"email": "canary.example.com"}},
            {"identifiers": WHO, canary: 1},
            {"identifiers": WHO, "attributes": {canary: 1}},
            {"identifiers": {**WHO, "twitter": canary}},
        ):
            answer = await ingest.tell(cloud_event(data=data))
            assert answer.status_code == 400
            assert "canary" not in answer.text
            assert "data." in answer.json()["detail"]
    assert len(lines) == 4
    assert "canary" not in repr(lines)


async def test_the_quarantine_shows_where_and_why_but_never_what(ingest: Ingest) -> None:
    """Newest first, by source, at most `limit`; no row holds anything of the message."""
    for number in range(3):
        await ingest.post(responses.shop(responses.answer(f"R-{number}", score=11)))
    await ingest.post(responses.typeform(responses.answer("R-9", score=8.5)))
    rows = (await ingest.look(source="shop", limit=2)).json()["rows"]
    shown = {"id", "source", "received_at", "path", "rule", "mapping", "places"}
    assert [set(row) for row in rows] == [shown] * 2
    assert {(row["source"], row["path"]) for row in rows} == {("shop", "score")}
    everything = await ingest.look()
    assert len(everything.json()["rows"]) == 4
    assert "camille" not in everything.text
    assert (await ingest.look(source="nobody")).json() == {"rows": [], "next": None}
    assert (await ingest.look(limit=0)).status_code == 422
