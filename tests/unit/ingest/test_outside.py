"""What outsiders may tell: each type, each refusal."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.outside.events import MAX_BATCH, read, read_all
from services.ingest.outside.types import Refused
from services.ingest.told import message
from shared.events.envelope import FEEDBACK, OUTCOMES, decode
from shared.identifiers import AS_SAID

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHO = {"email": "c@example.com"}
SURVEY = {"survey": "relational", "identifiers": WHO}
CASE = {"case_id": "helpdesk/4711"}
LINK = {"source": "shop", "survey": "relational", "response_id": "R-1"}
DELIVERY = "55555555-5555-5555-8555-555555555555"
MESSAGE = {"identifiers": WHO, "channel": "email"}


def told(type_: str = "customer.updated", data: object = None, **changes: Any) -> dict[str, Any]:
    """One CloudEvent; `changes` replace attributes, None takes one away."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "crm",
        "type": type_,
        "data": {"identifiers": WHO} if data is None else data,
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def consent(**changes: Any) -> dict[str, Any]:
    """An update with one consent."""
    said = {"channel": "email", "purpose": "marketing", "granted": True, **changes}
    return told(data={"identifiers": WHO, "consents": [said]})


@pytest.mark.parametrize(
    ("type_", "data", "topic"),
    [
        ("survey.invitation.sent", SURVEY, FEEDBACK),
        ("survey.shown", SURVEY, FEEDBACK),
        ("survey.declined", SURVEY, FEEDBACK),
        ("survey.opted_out", SURVEY, FEEDBACK),
        ("survey.opted_out", {**SURVEY, "everything": True}, FEEDBACK),
        ("customer.updated", {"identifiers": WHO}, FEEDBACK),
        ("message.sent", MESSAGE, OUTCOMES),
        ("message.delivered", MESSAGE, OUTCOMES),
        ("message.bounced", MESSAGE, OUTCOMES),
        ("message.opened", MESSAGE, OUTCOMES),
        ("message.unsubscribed", MESSAGE, OUTCOMES),
        ("message.unsubscribed", {**MESSAGE, "everything": True}, OUTCOMES),
        ("case.opened", {**CASE, "identifiers": WHO}, FEEDBACK),
        ("case.opened", {**CASE, "response": LINK}, FEEDBACK),
        ("case.resolved", CASE, FEEDBACK),
        ("case.reopened", {**CASE, "identifiers": WHO, "response": LINK}, FEEDBACK),
        ("action.completed", {"what": "purchase", "identifiers": WHO}, OUTCOMES),
        ("action.completed", {"what": "review_left", "delivery_id": DELIVERY}, OUTCOMES),
    ],
)
def test_each_type_becomes_an_event_of_its_topic(
    type_: str, data: dict[str, Any], topic: str
) -> None:
    """What is read is what a consumer decodes, under a key that tells nothing."""
    item = read(told(type_, data), NOW, AS_SAID)
    record = message(item, b"key")
    assert (record.topic, decode(record.value)) == (topic, item.event)
    assert item.event.type == type_
    assert getattr(item.event.data, "everything", False) == data.get("everything", False)
    assert "example" not in record.key


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(None, "send one CloudEvent", id="null"),
        pytest.param("x", "send one CloudEvent", id="text"),
        pytest.param(
            told("survey.declined", {**SURVEY, "everything": True}),
            "data.everything: unknown field",
            id="everything of what is no opt-out",
        ),
        pytest.param(
            told("message.unsubscribed", {**MESSAGE, "everything": "all"}),
            "data.everything",
            id="everything is yes or no",
        ),
        pytest.param(told(specversion="0.3"), "specversion", id="old version"),
        pytest.param(told(id=None), "id: required", id="no id"),
        pytest.param(told(id=7), "id: required", id="id is a number"),
        pytest.param(told(id=" "), "id: required", id="blank id"),
        pytest.param(told(id="x" * 257), "id: required", id="long id"),
        pytest.param(told(source=""), "source: required", id="no source"),
        pytest.param(told("customer.decided"), "type: must be one of", id="not from outside"),
        pytest.param(told("case.opened", CASE), "data: give identifiers", id="a case of nobody"),
        pytest.param(
            told("case.resolved", {"case_id": "4711"}), "data.case_id", id="whose case number?"
        ),
        pytest.param(
            told("case.resolved", {"case_id": "helpdesk/4\x00"}),
            "data.case_id: nul character",
            id="NUL in the case",
        ),
        pytest.param(
            told("case.opened", {**CASE, "identifiers": WHO, "subject": "c@example.com"}),
            "data.subject: unknown field",
            id="what the case says",
        ),
        pytest.param(
            told("case.opened", {**CASE, "response": {**LINK, "source": "x" * 65}}),
            "data.response.source",
            id="long source",
        ),
        pytest.param(
            told("action.completed", {"what": "referral"}), "data: give", id="done by nobody"
        ),
        pytest.param(
            told("action.completed", {"what": "Left a review", "identifiers": WHO}),
            "data.what",
            id="no plain name",
        ),
        pytest.param(
            told(data={"identifiers": WHO, "provenance": "stolen"}),
            "data.provenance",
            id="provenance",
        ),
        pytest.param(told(dataversion="2.0"), "dataversion", id="major version"),
        pytest.param({**told(), "data": None}, "data: ", id="null data"),
        pytest.param(told(data=[]), "data: ", id="data is a list"),
        pytest.param(told(time=12), "time: must be", id="time is a number"),
        pytest.param(told(time="0999-01-01T00:00:00Z"), "time: before 1970", id="time long ago"),
        pytest.param(told(source="c@example.com\x00"), "source: required", id="NUL in the source"),
        pytest.param(told(id="1\x00"), "id: required", id="NUL in the id"),
        pytest.param(
            told("survey.shown", {**SURVEY, "survey": "a\x00"}),
            "data.survey: nul character",
            id="NUL in the survey",
        ),
        pytest.param(
            told("survey.shown", {**SURVEY, "survey": "x" * 129}), "data.survey", id="long survey"
        ),
        pytest.param(
            told("message.sent", {**MESSAGE, "target": "a\x00"}),
            "data.target: nul character",
            id="NUL in the target",
        ),
        pytest.param(consent(proof="a\x00"), "data.consents.0.proof: nul", id="NUL in the proof"),
        pytest.param(
            consent(text_version="\x00"), "data.consents.0.text_version: nul", id="NUL, version"
        ),
        pytest.param(
            consent(said_at="0001-01-01T00:00:00+10:00"),
            "data.consents.0.said_at: before 1970",
            id="consent before the calendar",
        ),
        pytest.param(consent(said_at="2026-11-01T00:00:00"), "said_at: timezone", id="no zone"),
        pytest.param({**told(), "data_base64": "e30=", "data": []}, "data: ", id="not JSON data"),
        pytest.param([[told()]], "event 0: send one", id="a batch in a batch"),
        pytest.param(told(time="soon"), "time: not a time", id="time is none"),
        pytest.param(
            told(data={"identifiers": {}}), "data.identifiers: give an external_id", id="nobody"
        ),
        pytest.param(
            told(data={"identifiers": {"email": "", "phone": None}}),
            "data.identifiers: give",
            id="empty identifiers",
        ),
        pytest.param(
            told(data={"identifiers": {"email": "c.example.com"}}),
            "data.identifiers.email: must be an e-mail",
            id="no address",
        ),
        pytest.param(
            told(data={"identifiers": {"phone": "0612345678"}}),
            "data.identifiers.phone: must be in E.164",
            id="local number",
        ),
        pytest.param(
            told(data={"identifiers": {"external_id": True}}),
            "data.identifiers.external_id",
            id="boolean id",
        ),
        pytest.param(
            told(data={"identifiers": WHO, "score": 9}), "data.score: unknown field", id="unknown"
        ),
        pytest.param(
            told(data={"identifiers": WHO, "attributes": {"Plan!": 1}}),
            "data.attributes.(key)",
            id="attribute name",
        ),
        pytest.param(
            told(data={"identifiers": WHO, "attributes": {"plan": {"x": 1}}}),
            "data.attributes.plan",
            id="attribute is a map",
        ),
        pytest.param(
            told(
                data={
                    "identifiers": WHO,
                    "consents": [{"channel": "email", "purpose": "marketing", "granted": "yes"}],
                }
            ),
            "data.consents.0.granted",
            id="consent must be true or false",
        ),
        pytest.param(
            told("survey.shown", {"identifiers": WHO}), "data.survey: missing", id="no survey"
        ),
        pytest.param(
            told("survey.shown", {**SURVEY, "channel": "pigeon"}), "data.channel", id="channel"
        ),
        pytest.param(
            told("message.sent", {"channel": "email"}), "data: give identifiers", id="about nobody"
        ),
        pytest.param(
            told("message.sent", {**MESSAGE, "delivery_id": "x"}), "data.delivery_id", id="no uuid"
        ),
        pytest.param([], "send 1 to", id="empty batch"),
        pytest.param([told()] * (MAX_BATCH + 1), "send 1 to", id="batch too long"),
        pytest.param([told(), "x"], "event 1: send one", id="one of a batch"),
    ],
)
def test_each_refusal_names_the_field(raw: object, says: str) -> None:
    """The caller learns what to correct."""
    with pytest.raises(Refused) as caught:
        read_all(raw, NOW, AS_SAID)
    assert says in str(caught.value)
    assert "c@example.com" not in str(caught.value)


NAMES = (
    "identifiers",
    "email",
    "attributes",
    "consents",
    "survey",
    "case_id",
    "response",
    "what",
    "delivery_id",
    "x",
)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(NAMES),
                inner,
            )
        ),
    ),
    st.sampled_from(
        ["customer.updated", "survey.shown", "message.sent", "case.resolved", "action.completed"]
    ),
)
def test_no_data_makes_reading_raise_anything_else(data: object, type_: str) -> None:
    """An outsider gets an event or a refusal, never an error of ours."""
    try:
        found = read(told(type_, data), NOW, AS_SAID)
    except Refused:
        return
    assert found.event.type == type_


def test_a_case_about_an_answer_travels_with_it() -> None:
    """Where it names nobody it has the route of its response; with its number alone, its own."""
    link = read(told("case.opened", {**CASE, "response": LINK}), NOW, AS_SAID)
    assert [i.value for i in link.identifiers] == ["shop/relational/R-1"]
    alone = read(told("case.resolved", CASE), NOW, AS_SAID)
    assert message(alone, b"key").key == str(alone.event.id)


NUL = "a\x00b"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            told(data={"identifiers": {"external_id": NUL, "email": f"{NUL}@example.com"}}),
            id="identifiers",
        ),
        pytest.param(
            told(data={"identifiers": WHO, "attributes": {"plan": NUL, "tags": [NUL]}}),
            id="attributes",
        ),
    ],
)
def test_a_character_that_no_database_text_holds_goes_no_further(raw: dict[str, Any]) -> None:
    """Where a person typed, it is dropped; it would stop the reader of the whole partition."""
    assert b"\\u0000" not in message(read(raw, NOW, AS_SAID), b"key").value
