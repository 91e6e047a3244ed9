"""Messages that are no answer: surveys shown, cases, messages, actions, customers, as tables."""

from datetime import timedelta
from typing import Any

import pytest

from services.ingest.told import Translated, Unmappable
from shared.events.feedback import CustomerUpdated
from shared.events.outcomes import ActionCompleted
from tests.builders.mappings import NOW, event, outcome

WHO = "identifiers: {email: email, external_id: customer}\nanswered_at: at\n"
SURVEY = "survey: survey\nchannel: channel\n" + WHO
CASE = "case: case\n" + WHO
MESSAGE = "channel: {constant: email}\ndelivery_id: ours\nevent_id: id\n" + WHO
ACTION = "what: {from: what, values: {1: review_left}}\ndelivery_id: ours\n" + WHO
CUSTOMER = WHO + (
    "attributes: {plan: plan, spent: {from: spent, as: number}}\n"
    "consents: [{channel: email, purpose: marketing, from: ok}]\n"
)
OURS = "5c7cf3c6-6a6e-5f6e-9a3c-1f1f0c0d0e0f"


def of(becomes: str, text: str) -> str:
    """A source whose messages become one thing."""
    return f"becomes: {becomes}\n{text}"


@pytest.mark.parametrize(
    ("becomes", "text", "said", "event_type", "holds"),
    [
        ("invitation", SURVEY, {"survey": "s", "channel": "sms"}, "survey.invitation.sent",
         {"survey": "s", "channel": "sms"}),
        ("shown", SURVEY, {"survey": 7}, "survey.shown", {"survey": "7", "channel": None}),
        ("decline", SURVEY, {"survey": "s"}, "survey.declined", {"survey": "s"}),
        ("opt_out", SURVEY, {"survey": "s"}, "survey.opted_out", {"survey": "s"}),
        ("case_opened", CASE, {"case": 17}, "case.opened", {"case_id": "tool/17"}),
        ("case_resolved", CASE, {"case": "T-1"}, "case.resolved", {"case_id": "tool/T-1"}),
        ("case_reopened", CASE, {"case": "T-1"}, "case.reopened", {"case_id": "tool/T-1"}),
        ("message_sent", MESSAGE, {}, "message.sent", {"channel": "email", "target": "tool"}),
        ("message_delivered", MESSAGE, {}, "message.delivered", {"contact_class": "marketing"}),
        ("message_bounced", MESSAGE, {"ours": OURS}, "message.bounced", {"delivery_id": OURS}),
        ("message_opened", MESSAGE, {"ours": "x"}, "message.opened", {"delivery_id": None}),
        ("message_unsubscribed", MESSAGE, {}, "message.unsubscribed", {"channel": "email"}),
        ("action_completed", ACTION, {"what": 1}, "action.completed", {"what": "review_left"}),
        ("customer_update", CUSTOMER, {"plan": "gold", "spent": "12,50"}, "customer.updated",
         {"attributes": {"plan": "gold", "spent": 12.5}}),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else "",
)  # fmt: skip
def test_a_message_becomes_the_event_that_its_source_says(
    becomes: str, text: str, said: dict[str, Any], event_type: str, holds: dict[str, Any]
) -> None:
    """Type, time, person and what this event alone holds."""
    body = {"email": "A@Example.com", "at": "2026-11-20T10:00:00Z", **said}
    data = event(of(becomes, text), body).data
    named = data.TYPE
    assert named == event_type
    told = data.model_dump(mode="json")
    assert {name: told[name] for name in holds} == holds
    assert told["occurred_at"] == "2026-11-20T10:00:00.000000Z"
    assert told["identifiers"] == [{"kind": "email", "value": "a@example.com"}]


@pytest.mark.parametrize(
    ("becomes", "text"), [("opt_out", SURVEY), ("message_unsubscribed", MESSAGE)]
)
@pytest.mark.parametrize(
    ("said", "everything"),
    [
        pytest.param({"scope": "ALL"}, True, id="all"),
        pytest.param({"scope": "offers"}, False, id="another scope"),
        pytest.param({}, False, id="not said"),
    ],
)
def test_everything_is_said_in_a_word_of_the_source(
    becomes: str, text: str, said: dict[str, Any], everything: bool
) -> None:
    """An opt-out stops service messages, too, only where the source tells so."""
    body = {"survey": "s", "email": "a@example.com", "at": "2026-11-20T10:00:00Z", "id": 1, **said}
    condition = "everything: {from: scope, is: [all]}\n"
    told = event(of(becomes, text + condition), body)
    assert told.data.model_dump()["everything"] is everything
    if not everything:
        assert told.id == event(of(becomes, text), body).id


@pytest.mark.parametrize(
    ("field", "said", "proof"),
    [
        pytest.param("proof: form", {"form": "https://example.com/p/1"}, "https://example.com/p/1"),
        pytest.param("proof: form", {"form": 4711}, "4711"),
        pytest.param("proof: form", {}, "tool"),
        pytest.param("text_version: v2", {"form": "x"}, "tool"),
    ],
    ids=["mapped", "a number", "mapped and not said", "not mapped"],
)
def test_a_consent_brings_its_own_proof_where_one_is_mapped(
    field: str, said: dict[str, Any], proof: str
) -> None:
    """Else it names the message it came with."""
    asked = f"consents: [{{channel: email, purpose: marketing, from: ok, {field}}}]\n"
    body = {"email": "a@example.com", "at": "2026-11-20T10:00:00Z", "ok": "yes", **said}
    data = event(of("customer_update", WHO + asked), body).data
    assert isinstance(data, CustomerUpdated)
    assert [(one.granted, one.proof) for one in data.consents] == [(True, proof)]


@pytest.mark.parametrize(
    ("becomes", "text", "said", "path", "rule"),
    [
        ("invitation", SURVEY, {"email": None}, "identifiers", "nobody is named"),
        ("invitation", SURVEY, {"email": "no address"}, "identifiers", "nobody is named"),
        ("invitation", SURVEY, {"channel": "pigeon"}, "channel", "must be one of"),
        ("invitation", SURVEY, {"channel": 1}, "channel", "must be one of"),
        ("opt_out", SURVEY, {"survey": None}, "survey", "missing"),
        ("case_opened", CASE, {}, "case", "missing"),
        ("case_opened", CASE, {"case": {"id": 1}}, "case", "missing"),
        ("case_opened", CASE, {"case": "x" * 257}, "case", "longer than 256"),
        ("message_sent", MESSAGE, {"email": ""}, "identifiers", "nobody is named"),
        ("message_sent", MESSAGE, {"id": True}, "id", "neither a text nor a whole number"),
        ("message_sent", MESSAGE, {"id": ["x"]}, "id", "neither a text nor a whole number"),
        ("message_sent", MESSAGE, {"id": "x" * 300}, "id", "longer than 256"),
        ("message_sent", MESSAGE, {"at": "soon"}, "at", "not a time"),
        ("message_sent", MESSAGE, {"at": "1999-01-01T00:00:00Z"}, "at", "older than"),
        ("action_completed", ACTION, {}, "what", "missing"),
        ("action_completed", ACTION, {"what": "Review left!"}, "what", "a word such as"),
        ("customer_update", CUSTOMER, {"spent": "much"}, "spent", "not a number"),
        ("customer_update", CUSTOMER, {"plan": {"id": 1}}, "plan", "not a text"),
    ],
)  # fmt: skip
def test_what_such_a_message_lacks_is_named(
    becomes: str, text: str, said: dict[str, Any], path: str, rule: str
) -> None:
    """The path that failed and its rule, and nothing of the value."""
    body = {"email": "a@example.com", "survey": "s", **said}
    found = outcome(of(becomes, text), body)
    assert isinstance(found, Unmappable)
    assert found.path == path
    assert rule in found.rule
    words = [value for value in said.values() if isinstance(value, str) and value]
    assert not any(word in found.rule for word in words)


def test_our_own_delivery_needs_nobody_named() -> None:
    """Where the platform echoes our id, the person is known by it."""
    found = outcome(of("message_bounced", MESSAGE), {"ours": OURS})
    assert isinstance(found, Translated)
    assert found.told.identifiers == ()
    done = outcome(of("action_completed", ACTION), {"ours": OURS, "what": "purchase"})
    assert isinstance(done, Translated)
    assert isinstance(done.told.event.data, ActionCompleted)


def test_a_step_of_a_case_that_names_nobody_still_finds_her_by_the_case() -> None:
    """Helpdesks tell a solved ticket by its id alone."""
    found = outcome(of("case_resolved", CASE), {"case": 1})
    assert isinstance(found, Translated)
    assert found.told.identifiers == ()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param({"id": "e1"}, {"id": "e1", "email": "b@example.com"}, True, id="by its id"),
        pytest.param({"id": "e1"}, {"id": "e2"}, False, id="another id"),
        pytest.param({"id": 7}, {"id": "7"}, True, id="as number or text"),
        pytest.param({}, {}, True, id="by what it says"),
        pytest.param({}, {"at": "2026-11-20T10:00:00Z"}, False, id="a time of the platform"),
        pytest.param({"ours": OURS}, {}, False, id="another delivery"),
    ],
)
def test_a_message_is_named_by_the_platforms_id_or_by_what_it_says(
    first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    """Told again later it is the same event; nothing of our clock enters its name."""
    text, who = of("message_opened", MESSAGE), {"email": "a@example.com"}
    one = event(text, {**who, **first})
    other = event(text, {**who, **second}, now=NOW + timedelta(days=1))
    assert (one.id == other.id) is same


def test_the_same_id_under_another_type_is_another_event() -> None:
    """Some platforms number what they send per message, not per report."""
    body = {"email": "a@example.com", "id": "1"}
    assert (
        event(of("message_sent", MESSAGE), body).id != event(of("message_opened", MESSAGE), body).id
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"ok": "yes"}, {"ok": "no"}, id="a consent withdrawn"),
        pytest.param({}, {"ok": "no"}, id="a refusal beside nothing"),
        pytest.param({"plan": "gold"}, {"plan": None}, id="an attribute cleared"),
        pytest.param({}, {"plan": None}, id="cleared beside not said"),
    ],
)
def test_an_update_without_a_time_that_says_something_else_is_another_event(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """A withdrawal must never be taken for the repetition of a yes."""
    text, who = of("customer_update", CUSTOMER), {"email": "a@example.com"}
    assert event(text, {**who, **first}).id != event(text, {**who, **second}).id


def test_a_consent_of_an_update_carries_its_time_and_proof() -> None:
    """Which source said it, and when, stays with the statement."""
    text = of("customer_update", CUSTOMER)
    body = {"email": "a@example.com", "ok": True, "at": "2026-11-20T10:00:00Z"}
    data = event(text, body).data
    assert isinstance(data, CustomerUpdated)
    (said,) = data.consents
    assert (said.granted, said.said_at.isoformat(), said.proof) == (
        True,
        "2026-11-20T10:00:00+00:00",
        "tool",
    )
