"""An invented answer as a signed request: authentic unless a case wants otherwise."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import orjson
import pytest

from services.demo.data import Post, Source, cases, responses
from services.demo.webhooks import SECRETS, secrets_of, tampered, webhook
from services.ingest.examples import GENERIC, STANDARD, TYPEFORM, SignedRequest
from services.ingest.receive.inbound import Inbound, SentHeaders
from services.ingest.verify.signature_check import checker
from services.ingest.verify.signatures import Scheme, key_of
from shared.errors import ConfigError

NOW = datetime(2026, 11, 21, 20, 0, 5, 123456, tzinfo=UTC)
SECRET: dict[Source, str] = {
    "typeform-nps": "whsec_b25lIG9uZSBvbmUgb25lIG9uZSBvbmUgb25lIG9uZSE=",
    "formbricks-nps": "whsec_dHdvIHR3byB0d28gdHdvIHR3byB0d28gdHdvIHR3byE=",
    "shop": "whsec_dGhyZWUgdGhyZWUgdGhyZWUgdGhyZWUgdGhyZWUgdGg=",
}
SCHEMES: dict[Source, Scheme] = {
    "typeform-nps": TYPEFORM,
    "formbricks-nps": STANDARD,
    "shop": GENERIC,
}


def authentic(source: Source, request: SignedRequest) -> bool:
    scheme = SCHEMES[source]
    key = key_of(SECRET[source], scheme.key)
    inbound = Inbound(request.body, SentHeaders.of(request.headers))
    return checker(scheme, [key])(inbound, None, NOW) is not None


def post_of(case: str) -> Post:
    return next(found.posts[0] for found in cases() if found.name == case)


@pytest.mark.parametrize("source", get_args(Source))
def test_each_source_signs_its_own_way(source: Source) -> None:
    """The verifier of that source takes the request, with that source's secret only."""
    response = next(r for r in responses() if r.source == source)
    request = webhook(response, SECRET, NOW)
    assert request.path == f"/v1/webhooks/{source}"
    assert authentic(source, request)
    assert not authentic(source, webhook(response, dict.fromkeys(SECRET, "whsec_YWFhYQ=="), NOW))


def test_the_same_answer_at_the_same_moment_gives_the_same_bytes() -> None:
    """So that a duplicate of the demo is one on the wire."""
    response = responses()[0]
    assert webhook(response, SECRET, NOW) == webhook(response, SECRET, NOW)


def test_times_follow_the_run_and_ids_do_not() -> None:
    """A later run tells the same response at another time."""
    response = next(r for r in responses() if r.source == "shop")
    first = orjson.loads(webhook(response, SECRET, NOW).body)
    later = orjson.loads(webhook(response, SECRET, NOW + timedelta(days=2)).body)
    assert first["response_id"] == later["response_id"]
    assert first["answered_at"] < later["answered_at"]


@pytest.mark.parametrize("case", ["forged", "stale"])
def test_a_forged_or_stale_case_is_not_authentic(case: str) -> None:
    """Its source must refuse it."""
    post = post_of(case)
    assert not authentic(post.send.source, tampered(post, SECRET, NOW))


def test_the_cut_case_is_authentic_and_no_json() -> None:
    """Only its content is broken, so that it is answered 400 and not 401."""
    post = post_of("undecodable")
    request = tampered(post, SECRET, NOW)
    assert authentic("shop", request)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(request.body)


def test_a_missing_secret_is_named() -> None:
    """The operator is told which, and where it would come from."""
    environ = dict.fromkeys(SECRETS.values(), "whsec_YWFhYQ==")
    del environ["NPS_SECRET_SHOP"]
    with pytest.raises(ConfigError, match="NPS_SECRET_SHOP"):
        secrets_of(environ)
