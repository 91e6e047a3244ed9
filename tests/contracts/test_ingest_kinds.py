"""What a source's messages become, and how the messages of one response are one, over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.events.feedback import ResponseReceived
from tests.builders.sources import Sources, running_sources

SOURCES = """
sources:
  everything:
    unsigned: true
    survey: survey
    response_id: id
    answered_at: at
    identifiers: {email: email}
    answers: {score: score}
    case: ticket
    channel: {from: channel, values: {mail: email}}
    what: what
    attributes: {plan: plan}
    consents: [{channel: email, purpose: marketing, from: ok}]
    kinds:
      - {when: {from: type, is: [answered]}}
      - {when: {from: type, is: [invited]}, becomes: invitation}
      - {when: {from: type, is: [declined]}, becomes: decline}
      - {when: {from: type, is: [stop]}, becomes: opt_out}
      - {when: {from: type, is: [opened]}, becomes: case_opened}
      - {when: {from: type, is: [solved]}, becomes: case_resolved}
      - {when: {from: type, is: [again]}, becomes: case_reopened}
      - {when: {from: type, is: [sent]}, becomes: message_sent}
      - {when: {from: type, is: [bounced]}, becomes: message_bounced}
      - {when: {from: type, is: [left]}, becomes: message_unsubscribed}
      - {when: {from: type, is: [done]}, becomes: action_completed}
      - {when: {from: type, is: [contact]}, becomes: customer_update}
      - {when: {from: type, is: [ids]}, becomes: thin}
    fetch: {url: "https://survey.example.com/{survey}/{response_id}"}
  metrics:
    unsigned: true
    survey: {constant: s}
    response_id: id
    answers: {score: value}
    kinds:
      - {when: {from: metric, is: [csat]}, score: {metric: csat, scale: [1, 5]}}
      - {when: {from: metric, is: [ces]}, score: {metric: ces, scale: {least: 1, most: top}}}
      - when: {from: metric, is: [stars]}
        score: {metric: stars, scale: [1, 5], bands: {detractor: [1, 2], promoter: [4.5, 5]}}
      - {when: {from: metric, is: [percent]}, score: {scale: [0, 100]}}
      - {when: {from: metric, is: [nps]}}
  patches:
    unsigned: true
    survey: survey
    response_id: id
    answered_at: at
    revision: version
    revision_is: counter
    complete: {from: state, is: [complete]}
    identifiers: {email: email}
    answers: {score: score, comment: comment}
    attributes: {plan: plan}
  questions:
    unsigned: true
    survey: form
    response_id: answer_set
    answers:
      score: "expr:question=='nps' && answer || null"
      comment: "expr:question=='why' && answer || null"
  nameless:
    unsigned: true
    survey: {constant: s}
    response_id: {hash: [day, email]}
    identifiers: {email: email}
    answers: {score: score}
  local:
    unsigned: true
    survey: {constant: s}
    response_id: id
    answered_at: at
    zone: America/New_York
    zones: {CST: Asia/Shanghai}
    answers: {score: score}
"""
AT = "2026-11-20T10:00:00Z"
WHO = {"email": "a@example.com", "at": AT, "survey": "s", "id": "R-1"}


@pytest.fixture(scope="module")
async def sources(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sources]:
    """One ingest with all of them; what is thin waits, for no loop runs."""
    folder = tmp_path_factory.mktemp("kinds")
    async with running_sources(server, template, folder, SOURCES) as running:
        yield running


@pytest.mark.parametrize(
    ("message", "event_type", "topic", "holds"),
    [
        ({"type": "answered", "score": 3}, "survey.response.received", "feedback",
         {"answers": {"score": 3}}),
        ({"type": "invited", "channel": "mail"}, "survey.invitation.sent", "feedback",
         {"channel": "email"}),
        ({"type": "declined"}, "survey.declined", "feedback", {"survey": "s"}),
        ({"type": "stop"}, "survey.opted_out", "feedback", {"survey": "s"}),
        ({"type": "opened", "ticket": 7}, "case.opened", "feedback", {"case_id": "everything/7"}),
        ({"type": "solved", "ticket": 7}, "case.resolved", "feedback",
         {"case_id": "everything/7"}),
        ({"type": "again", "ticket": 7}, "case.reopened", "feedback", {"case_id": "everything/7"}),
        ({"type": "sent", "channel": "mail"}, "message.sent", "outcomes", {"channel": "email"}),
        ({"type": "bounced", "channel": "mail"}, "message.bounced", "outcomes",
         {"target": "everything"}),
        ({"type": "left", "channel": "sms"}, "message.unsubscribed", "outcomes",
         {"channel": "sms"}),
        ({"type": "done", "what": "review_left"}, "action.completed", "outcomes",
         {"what": "review_left"}),
        ({"type": "contact", "plan": "gold"}, "customer.updated", "feedback",
         {"attributes": {"plan": "gold"}}),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) and "type" in value else "",
)  # fmt: skip
async def test_one_source_tells_of_every_kind(
    sources: Sources, message: dict[str, Any], event_type: str, topic: str, holds: dict[str, Any]
) -> None:
    """By a field of the message; each event on its topic, with her address and its time."""
    event = await sources.accepted("everything", {**WHO, **message})
    told = event.data.model_dump(mode="json")
    assert (event.data.TYPE, event.topic) == (event_type, f"nps.{topic}")
    assert {name: told[name] for name in holds} == holds
    assert {"kind": "email", "value": "a@example.com"} in told["identifiers"]
    assert event.time == datetime(2026, 11, 20, 10, tzinfo=UTC)
    again = await sources.accepted("everything", {**WHO, **message})
    assert again.id == event.id


async def test_a_message_of_ids_only_waits_to_be_fetched(sources: Sources) -> None:
    """It is durable, and no event yet."""
    before = len(await sources.events("everything"))
    answer = await sources.post("everything", {**WHO, "type": "ids", "id": "R-9"})
    assert (answer.status_code, answer.json()["status"]) == (202, "fetching")
    assert len(await sources.events("everything")) == before
    rows = await sources.ingest.rows("SELECT source, survey, response_id FROM ingest.fetches")
    assert rows == [("everything", "s", "R-9")]


async def test_an_update_that_withdraws_is_never_its_own_repetition(sources: Sources) -> None:
    """Told without a time: yes and no are two events."""
    person = {"type": "contact", "email": "b@example.com"}
    yes, no = [await sources.accepted("everything", {**person, "ok": ok}) for ok in ("yes", "no")]
    assert yes.id != no.id


@pytest.mark.parametrize(
    ("message", "metric", "score", "given"),
    [
        ({"metric": "csat", "value": "4"}, "csat", 4, (4, 1, 5, None)),
        ({"metric": "ces", "value": 6, "top": 7}, "ces", 6, (6, 1, 7, None)),
        ({"metric": "stars", "value": 4.5}, "stars", 4.5, (4.5, 1, 5, "promoter")),
        ({"metric": "stars", "value": 3}, "stars", 3, (3, 1, 5, None)),
        ({"metric": "percent", "value": 90}, "nps", 9, (90, 0, 100, None)),
        ({"metric": "nps", "value": "10"}, "nps", 10, None),
    ],
)
async def test_a_score_keeps_its_value_and_scale(
    sources: Sources,
    message: dict[str, Any],
    metric: str,
    score: float,
    given: tuple[object, ...] | None,
) -> None:
    """Of another metric as it is; NPS of another scale converted, the original beside it."""
    data = await sources.answered("metrics", {"id": f"{metric}-{score}", **message})
    shown = data.given and (data.given.value, data.given.least, data.given.most, data.given.band)
    assert (data.metric, data.answers, shown) == (metric, {"score": score}, given)


@pytest.mark.parametrize(
    "message",
    [
        {"metric": "nps", "value": 90},
        {"metric": "percent", "value": 85},
        {"metric": "percent", "value": 101},
        {"metric": "csat", "value": 0},
        {"metric": "ces", "value": 3},
    ],
)
async def test_a_score_off_its_scale_is_kept_for_a_person(
    sources: Sources, message: dict[str, Any]
) -> None:
    """Never guessed, never rounded."""
    answer = await sources.post("metrics", {"id": "off", **message})
    assert (answer.status_code, answer.json()["status"]) == (202, "quarantined")


async def test_messages_of_one_response_are_patches_of_it(sources: Sources) -> None:
    """Score first, comment later, a null that clears, each with the platform's own counter."""
    ids = {"survey": "s", "id": "R-7"}
    told = [
        {**ids, "version": 1, "score": 6, "plan": "gold", "email": "a@example.com"},
        {**ids, "version": "2", "comment": "Trop long"},
        {**ids, "version": 3, "state": "complete", "comment": None, "score": ""},
    ]
    found = [await sources.answered("patches", message) for message in told]
    assert [one.answers for one in found] == [{"score": 6}, {"comment": "Trop long"},
                                              {"comment": None}]  # fmt: skip
    assert [(one.revision, one.complete) for one in found] == [(1, False), (2, False), (3, True)]
    assert [one.attributes for one in found] == [{"plan": "gold"}, {}, {}]
    whose = {i.value for one in found for i in one.identifiers if i.kind == "response"}
    assert whose == {"patches/s/R-7"}
    events = [event.id for event in await sources.events("patches")]
    assert len(set(events)) == 3


async def test_a_retry_is_the_same_event_and_a_change_is_another(sources: Sources) -> None:
    """Whatever our clock says, and whatever is sent beside what is mapped."""
    first = {"survey": "s", "id": "R-8", "score": 6}
    one = await sources.accepted("patches", first)
    same = await sources.accepted("patches", {**first, "sent": "again", "score": "6"})
    other = await sources.accepted("patches", {**first, "score": 7})
    assert (one.id == same.id, one.id == other.id) == (True, False)


async def test_one_webhook_per_question_is_one_response(sources: Sources) -> None:
    """Each carries one answer; what it does not carry is not said."""
    said = [
        {"form": "f", "answer_set": 5, "question": "nps", "answer": 8},
        {"form": "f", "answer_set": 5, "question": "why", "answer": "price"},
        {"form": "f", "answer_set": 5, "question": "age", "answer": 41},
    ]
    found = [await sources.answered("questions", one) for one in said]
    assert [one.answers for one in found] == [{"score": 8}, {"comment": "price"}, {}]
    assert {one.response_id for one in found} == {"5"}


async def test_a_tool_without_response_ids_gets_one_made_of_chosen_fields(sources: Sources) -> None:
    """Marked as ours; the same fields are the same response, without them it is kept aside."""
    said = {"day": "2026-11-20", "email": "a@example.com", "score": 9}
    first = await sources.answered("nameless", said)
    changed = await sources.answered("nameless", {**said, "score": 3})
    other = await sources.answered("nameless", {**said, "email": "b@example.com"})
    assert first.response_id.startswith("hash:")
    assert first.response_id == changed.response_id != other.response_id
    answer = await sources.post("nameless", {"score": 9})
    assert answer.json()["status"] == "quarantined"
    assert await sources.aside("nameless", "path, rule") == [
        ("day + email", "none of the fields that make the id is said")
    ]


@pytest.mark.parametrize(
    ("at", "expected", "origin"),
    [
        ("2026-11-20 05:00", AT, "platform"),
        ("2026-11-20 05:00:00 EST", AT, "platform"),
        ("2026-11-20 18:00:00 CST", AT, "platform"),
        ("Fri, 20 Nov 2026 11:00:00 +0100", AT, "platform"),
        (1795168800123, "2026-11-20T10:00:00.123Z", "platform"),
        ("2999-01-01T00:00:00Z", None, "future"),
        ("", None, "receipt"),
    ],
)
async def test_times_are_read_in_the_sources_zone(
    sources: Sources, at: object, expected: str | None, origin: str
) -> None:
    """Local, abbreviated, unix; none, or one far ahead, is the receipt time, marked."""
    data: ResponseReceived = await sources.answered(
        "local", {"id": f"R {at}", "at": at, "score": 1}
    )
    assert data.answered_at_origin == origin
    moment = data.received_at if expected is None else datetime.fromisoformat(expected)
    assert data.answered_at == moment
