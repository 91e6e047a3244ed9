"""Signed webhooks as the three shipped sources send them: for the demo, the printed `curl`, tests.

In: plain values of one answer. Out: path, headers and body of a request. Nothing here is used to
receive; the signing is `signatures.sign`, beside the verifier. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from services.ingest.verify.signatures import Scheme, key_of, sign
from shared.events.ids import name_id
from shared.events.vocabulary import Value
from shared.times import iso

TYPEFORM: Final = Scheme(header="Typeform-Signature", encoding="base64", prefix="sha256=")
STANDARD: Final = Scheme(
    header="webhook-signature",
    encoding="base64",
    prefix="v1,",
    separator=" ",
    signed="{id}.{timestamp}.{body}",
    key="whsec",
    id_header="webhook-id",
    timestamp_header="webhook-timestamp",
)
GENERIC: Final = Scheme(header="X-Signature", encoding="hex", prefix="sha256=")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One POST as the survey tool would send it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One customer's answer. A field that is None is left out of the payload.

    `hidden` holds what the link carried (first_name, last_name, title, tone, consent_email …);
    `answered_at` an aware moment or any text a platform might send.
    """

    response_id: str
    survey: str = "relational"
    score: Value = None
    comment: str | None = None
    email: str | None = None
    external_id: str | None = None
    language: str | None = None
    answered_at: datetime | str | None = None
    updated_at: datetime | str | None = None
    hidden: Mapping[str, Value] | None = None


def typeform(answer: Answer, *, secret: str, source: str = "typeform-nps") -> SignedRequest:
    """Send an answer as Typeform does: hidden fields, answers found by their question's ref."""
    answers: list[dict[str, object]] = []
    if answer.score is not None:
        kind = "number" if isinstance(answer.score, int | float) else "text"
        field = {"id": "q1", "type": "opinion_scale", "ref": "nps_score"}
        answers.append({"type": kind, kind: answer.score, "field": field})
    if answer.comment is not None:
        field = {"id": "q2", "type": "long_text", "ref": "nps_reason"}
        answers.append({"type": "text", "text": answer.comment, "field": field})
    response = {
        "form_id": answer.survey,
        "token": answer.response_id,
        "submitted_at": _moment(answer.answered_at),
        "hidden": _said(
            {
                "email": answer.email,
                "user_id": answer.external_id,
                "lang": answer.language,
                **(answer.hidden or {}),
            }
        ),
        "answers": answers,
    }
    body = orjson.dumps(
        {
            "event_id": name_id("example", answer.response_id).hex,
            "event_type": "form_response",
            "form_response": _said(response),
        }
    )
    return _signed(TYPEFORM, secret, source, body)


def formbricks(
    answer: Answer,
    *,
    secret: str,
    now: datetime,
    source: str = "formbricks-nps",
    finished: bool = True,
) -> SignedRequest:
    """Send an answer as Formbricks does: Standard Webhooks, signed with the time `now`."""
    data = {
        "id": answer.response_id,
        "surveyId": answer.survey,
        "updatedAt": _moment(answer.updated_at or answer.answered_at),
        "finished": finished,
        "language": answer.language,
        "contact": _said({"id": "contact", "userId": answer.external_id}),
        "contactAttributes": _said({"email": answer.email}),
        "data": _said(
            {
                "nps_score": answer.score,
                "nps_reason": answer.comment,
                **(answer.hidden or {}),
            }
        ),
    }
    event = "responseFinished" if finished else "responseUpdated"
    body = orjson.dumps({"webhookId": "example", "event": event, "data": _said(data)})
    message_id = str(name_id("example", answer.response_id, event, body.hex()))
    return _signed(STANDARD, secret, source, body, message_id=message_id, now=now)


def shop(answer: Answer, *, secret: str, source: str = "shop") -> SignedRequest:
    """Send an answer in the generic shape; the signature holds no time, so it stays valid."""
    content = {
        "survey": answer.survey,
        "response_id": answer.response_id,
        "score": answer.score,
        "comment": answer.comment,
        "email": answer.email,
        "external_id": answer.external_id,
        "language": answer.language,
        "answered_at": _moment(answer.answered_at),
        "updated_at": _moment(answer.updated_at),
        **(answer.hidden or {}),
    }
    return _signed(GENERIC, secret, source, orjson.dumps(_said(content)))


def _signed(
    scheme: Scheme,
    secret: str,
    source: str,
    body: bytes,
    *,
    message_id: str = "",
    now: datetime | None = None,
) -> SignedRequest:
    key = key_of(secret, scheme.key)
    headers = {
        "Content-Type": "application/json",
        **sign(scheme, key, body, message_id=message_id, now=now),
    }
    return SignedRequest(f"/v1/webhooks/{source}", headers, body)


def _moment(moment: datetime | str | None) -> str | None:
    return iso(moment) if isinstance(moment, datetime) else moment


def _said(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what was not said."""
    return {name: value for name, value in fields.items() if value is not None}
