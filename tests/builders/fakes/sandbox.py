"""The sandbox that comes with the connector, as it answers when its switches do nothing else."""

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.fakes.webhook import FakeReceiver

CASE = Case(
    preset="sandbox",
    settings={
        "vars": {"url": "http://127.0.0.1:8080/sandbox", "account": "main"},
        "allow_private": True,
        "allow_http": True,
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "theme", "first_name": "first_name"},
    },
    environ={},
    fake=FakeReceiver,
    acting="/actions",
    pushing="/profiles",
    repeat="key",
    knows_our_id=True,
    # It asks for no credentials.
    told=frozenset({"reject", "throttle"}),
    errors=(
        Error("refused value", "push", "/profiles", httpx.Response(422), "reject"),
        Error("refused action", "act", "/actions", httpx.Response(422), "reject"),
        Error("refused deletion", "erase", "/erasures", httpx.Response(422), "reject"),
        Error(
            "switched to slow",
            "act",
            "/actions",
            httpx.Response(429, headers={"Retry-After": "7"}),
            "throttle",
            wait=7,
        ),
        Error("switched to away", "act", "/actions", httpx.Response(503), "retry"),
    ),
)
