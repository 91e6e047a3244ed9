"""Signed webhooks from plain values, with the tests' own secrets (no pytest needed here)."""

from collections.abc import Mapping
from datetime import UTC, datetime

from services.ingest import examples
from services.ingest.examples import Answer, SignedRequest
from shared.events.vocabulary import Value

#: 32 bytes as base64 behind `whsec_`, as `make run` makes them; invented.
SECRETS: Mapping[str, str] = {
    "NPS_SECRET_TYPEFORM_NPS": "whsec_dHlwZWZvcm0tdHlwZWZvcm0tdHlwZWZvcm0tMzJiISE=",
    "NPS_SECRET_FORMBRICKS_NPS": "whsec_Zm9ybWJyaWNrcy1mb3JtYnJpY2tzLWZvcm1iLTMyYiE=",
    "NPS_SECRET_SHOP": "whsec_c2hvcC1zaG9wLXNob3Atc2hvcC1zaG9wLXNob3AtMzI=",
}


def answer(
    response_id: str = "R-1",
    *,
    survey: str = "relational",
    score: Value = 9,
    comment: str | None = None,
    email: str | None = "camille@example.com",
    external_id: str | None = None,
    language: str | None = None,
    answered_at: datetime | str | None = None,
    updated_at: datetime | str | None = None,
    **hidden: Value,
) -> Answer:
    """One customer's answer; keywords beyond the named become hidden fields (consent_email=…)."""
    return Answer(
        response_id=response_id,
        survey=survey,
        score=score,
        comment=comment,
        email=email,
        external_id=external_id,
        language=language,
        answered_at=answered_at,
        updated_at=updated_at,
        hidden=hidden,
    )


def typeform(said: Answer, *, secret: str = SECRETS["NPS_SECRET_TYPEFORM_NPS"]) -> SignedRequest:
    """As Typeform sends it."""
    return examples.typeform(said, secret=secret)


def formbricks(
    said: Answer,
    *,
    secret: str = SECRETS["NPS_SECRET_FORMBRICKS_NPS"],
    now: datetime | None = None,
    finished: bool = True,
) -> SignedRequest:
    """As Formbricks sends it, signed now or at the time given."""
    at = now or datetime.now(UTC)
    return examples.formbricks(said, secret=secret, now=at, finished=finished)


def shop(said: Answer, *, secret: str = SECRETS["NPS_SECRET_SHOP"]) -> SignedRequest:
    """As any tool sends it by the generic preset."""
    return examples.shop(said, secret=secret)
