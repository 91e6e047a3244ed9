"""Jira Service Management as documented: requests of a service project."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

_REQUEST = "/rest/servicedeskapi/request"


class FakeJira(KeepsNobody):
    """Requests; every POST makes another."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return httpx.Response(401)
        made = json.loads(request.content)
        fields = made["requestFieldValues"]
        if not fields["summary"] or "\n" in fields["summary"] or len(fields["summary"]) > 255:
            return httpx.Response(400, json={"errorMessage": "summary"})
        if "raiseOnBehalfOf" in made:
            return httpx.Response(400, json={"errorMessage": "no such customer"})
        self.tickets.append(made)
        number = len(self.tickets)
        return httpx.Response(201, json={"issueId": f"1070{number}", "issueKey": f"HELP-{number}"})

    @property
    def effects(self) -> int:
        return len(self.tickets)


def _error(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json={"errorMessage": "no", "i18nErrorMessage": {}}, headers=headers
    )


CASE = Case(
    preset="jira_service_management",
    settings={
        "vars": {
            "site": "example",
            "agent": "agent@example.com",
            "api_token": "env:NPS_SECRET_JIRA",
            "service_desk": "10",
            "request_type": "25",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_JIRA": "made-up-jira-token"},
    fake=FakeJira,
    acting=_REQUEST,
    channel="ticket",
    contact_class="internal",
    errors=(
        Error("bad token", "act", _REQUEST, _error(401), "disable_target"),
        Error("no permission", "act", _REQUEST, _error(403), "disable_target"),
        Error("no such request type", "act", _REQUEST, _error(404), "disable_target"),
        Error("refused value", "act", _REQUEST, _error(400), "reject"),
        Error(
            "a burst",
            "act",
            _REQUEST,
            _error(429, **{"Retry-After": "5", "RateLimit-Reason": "jira-burst-based"}),
            "throttle",
            wait=5,
        ),
        Error("outage", "act", _REQUEST, httpx.Response(500), "retry"),
        Error("a gateway", "act", _REQUEST, httpx.Response(502), "in_doubt"),
    ),
)
