"""A receiver of Standard Webhooks: it knows repeats by `webhook-id`, and never refuses for good."""

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import SECRET, SECRET_BEFORE, FakeReceiver

_POST = "/nps"

CASE = Case(
    preset="webhook",
    settings={
        "vars": {
            "url": "https://hooks.example.com/nps",
            "secret": "env:NPS_SECRET_WEBHOOK",
            "previous_secret": "env:NPS_SECRET_WEBHOOK_BEFORE",
        },
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "theme", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_WEBHOOK": SECRET, "NPS_SECRET_WEBHOOK_BEFORE": SECRET_BEFORE},
    fake=FakeReceiver,
    acting=_POST,
    pushing=_POST,
    repeat="key",
    knows_our_id=True,
    # By its specification any other answer than 2xx and 410 is a failure to be tried again.
    told=frozenset({"disable_target", "retry", "throttle"}),
    errors=(
        Error("wants no more", "act", _POST, httpx.Response(410), "disable_target"),
        Error("slow down", "push", _POST, httpx.Response(429), "throttle"),
        Error("a gateway, of a push", "push", _POST, httpx.Response(502), "throttle"),
        Error("a gateway, of an action", "act", _POST, httpx.Response(504), "in_doubt"),
        Error("a bad request", "act", _POST, httpx.Response(400), "retry"),
        Error("a bad signature", "act", _POST, httpx.Response(401), "retry"),
        Error("moved", "act", _POST, httpx.Response(301, headers={"Location": "/x"}), "retry"),
        Error("outage", "erase", _POST, httpx.Response(500), "retry"),
    ),
)
