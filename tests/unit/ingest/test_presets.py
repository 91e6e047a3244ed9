"""The shipped presets read what the platforms send (shapes from their documentation)."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from services.ingest.catalogue import laid_over_preset
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.paths import Payload
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Outcome, Translated
from services.ingest.translate import translate
from shared.events.feedback import ResponseReceived

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

TYPEFORM = """
preset: typeform
identifiers: {email: ["hidden:email", "question:mail"], external_id: "hidden:user id"}
answers: {score: "question:nps", comment: "question:fld9", channel: "question:how",
          reasons: "question:reasons", again: "question:again"}
"""
FORMBRICKS = """
preset: formbricks
answers: {score: "question:nps.score", comment: "question:why"}
attributes: {plan: "attribute:plan", order: "hidden:order"}
"""


def read(text: str, body: object) -> Outcome:
    """Translate with an entry over its preset."""
    entry = laid_over_preset(SourceEntry.model_validate(yaml.safe_load(text)))
    return translate(compile_mapping("tool", entry), Payload(body), NOW)


def data(text: str, body: object) -> ResponseReceived:
    """Translate what must be translatable."""
    found = read(text, body)
    assert isinstance(found, Translated), found
    assert isinstance(found.told.event.data, ResponseReceived)
    return found.told.event.data


def typeform(*answers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A Typeform delivery."""
    response = {
        "form_id": "form1",
        "token": "token1",
        "submitted_at": "2026-11-20T08:30:00Z",
        "calculated": {"score": 7},
        "answers": list(answers),
        "hidden": {"email": "", "user id": "C-17"},
    }
    return {
        "event_id": "e1",
        "event_type": changes.pop("event_type", "form_response"),
        "form_response": {**response, **changes},
    }


def asked(ref: str, kind: str, value: object, *, by: str = "ref") -> dict[str, Any]:
    """One answer, found by its question's ref or id."""
    return {"type": kind, kind: value, "field": {by: ref, "type": "any"}}


def test_typeform_answers_are_found_by_ref_or_id_whatever_their_order_and_type() -> None:
    """The value sits under its type's key; the quiz score is not the NPS score."""
    found = data(
        TYPEFORM,
        typeform(
            asked("again", "boolean", False),
            asked("fld9", "text", "Très bien", by="id"),
            asked("reasons", "choices", {"labels": ["price", "delay"]}),
            asked("how", "choice", {"label": "Shop"}),
            asked("mail", "email", "c@example.com"),
            asked("nps", "number", 0),
        ),
    )
    assert found.answers == {
        "score": 0,
        "comment": "Très bien",
        "channel": "Shop",
        "reasons": ["price", "delay"],
        "again": False,
    }
    assert [(i.kind, i.value) for i in found.identifiers] == [
        ("email", "c@example.com"),
        ("external_id", "C-17"),
        ("response", "tool/form1/token1"),
    ]
    assert found.complete
    assert found.answered_at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


def test_a_typeform_choice_may_be_one_that_the_form_did_not_offer() -> None:
    """The customer's own words sit under `other`."""
    found = data(TYPEFORM, typeform(asked("how", "choice", {"other": "A friend"})))
    assert found.answers == {"channel": "A friend"}


def test_typeform_questions_cost_one_index_whether_named_by_ref_or_id() -> None:
    """Sixteen paths per question took most of the time that a response had."""
    payload = Payload(typeform(asked("nps", "number", 0), asked("fld9", "text", "x", by="id")))
    entry = laid_over_preset(SourceEntry.model_validate(yaml.safe_load(TYPEFORM)))
    assert isinstance(translate(compile_mapping("tool", entry), payload, NOW), Translated)
    assert len(payload.indexes) == 1


def test_a_partial_typeform_is_a_response_that_is_not_complete() -> None:
    """Skipped questions are left out and are not said."""
    found = data(TYPEFORM, typeform(event_type="form_response_partial"))
    assert (found.complete, found.answers) == (False, {})


def formbricks(event: str, **changes: Any) -> dict[str, Any]:
    """A Formbricks delivery."""
    base = {
        "id": "response1",
        "surveyId": "survey1",
        "createdAt": "2026-11-20T08:29:00.000Z",
        "updatedAt": "2026-11-20T08:30:00.116Z",
        "finished": False,
        "language": "default",
        "contact": None,
        "contactAttributes": None,
        "data": {},
    }
    return {"webhookId": "w1", "event": event, "data": {**base, **changes}}


def test_formbricks_steps_are_one_response_in_the_order_of_their_updates() -> None:
    """Score first, comment later, finished last: the same id, rising revisions."""
    created = data(FORMBRICKS, formbricks("responseCreated", data={"nps.score": 0, "order": "O-1"}))
    finished = data(
        FORMBRICKS,
        formbricks(
            "responseFinished",
            data={"nps.score": 0, "why": "No call back"},
            finished=True,
            updatedAt="2026-11-20T08:31:00.000Z",
            contact={"id": "x", "userId": "C-17"},
            contactAttributes={"email": "c@example.com", "plan": "premium"},
        ),
    )
    assert created.answers == {"score": 0}
    assert created.attributes == {"order": "O-1"}
    assert (created.complete, finished.complete) == (False, True)
    assert finished.answers == {"score": 0, "comment": "No call back"}
    assert finished.attributes == {"plan": "premium"}
    assert {i.kind for i in finished.identifiers} == {"email", "external_id", "response"}
    assert created.response_id == finished.response_id
    assert created.revision is not None
    assert finished.revision is not None
    assert created.revision < finished.revision


def test_the_formbricks_test_button_is_not_an_answer() -> None:
    """Its body holds nothing else."""
    assert read(FORMBRICKS, {"event": "testEndpoint"}) == Ignored("test message")


@pytest.mark.parametrize("language", [None, "default", ""])
def test_a_survey_without_a_language_says_none(language: str | None) -> None:
    """`default` is Formbricks' word for the survey's own language."""
    found = data(FORMBRICKS, formbricks("responseCreated", language=language))
    assert found.answers.get("language") is None


def test_the_generic_shape_is_read_whole() -> None:
    """Every field that the preset documents arrives."""
    found = data(
        "preset: generic",
        {
            "survey": "relational",
            "response_id": "R-1",
            "answered_at": 1795082400,
            "updated_at": 1795082400500,
            "email": "c@example.com",
            "external_id": "C-17",
            "phone": "+33612345678",
            "score": "9",
            "comment": "Merci",
            "language": "fr",
            "consent_email": "yes",
            "consent_sms": "no",
            "consent_call": "",
            "first_name": "Camille",
            "last_name": "Durand",
            "title": "Mme",
            "tone": "vous",
        },
    )
    assert found.answers == {"score": 9, "comment": "Merci", "language": "fr"}
    assert found.attributes == {
        "first_name": "Camille",
        "last_name": "Durand",
        "title": "Mme",
        "tone": "vous",
    }
    assert [(c.channel, c.granted) for c in found.consents] == [("email", True), ("sms", False)]
    assert len(found.identifiers) == 4
    assert (found.revision, found.complete) == (1795082400500, True)
