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
        self.notes: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return httpx.Response(401)
        made = json.loads(request.content)
        if request.url.path.endswith("/comment"):
            return self._comment(request.url.path.split("/")[-2], made)
        fields = made["requestFieldValues"]
        if not fields["summary"] or "\n" in fields["summary"] or len(fields["summary"]) > 255:
            return httpx.Response(400, json={"errorMessage": "summary"})
        if "raiseOnBehalfOf" in made:
            return httpx.Response(400, json={"errorMessage": "no such customer"})
        self.tickets.append(made)
        number = len(self.tickets)
        return httpx.Response(201, json={"issueId": f"1070{number}", "issueKey": f"HELP-{number}"})

    def _comment(self, key: str, comment: dict[str, Any]) -> httpx.Response:
        if key not in {f"HELP-{number}" for number in range(1, len(self.tickets) + 1)}:
            return httpx.Response(404, json={"errorMessage": "no such request"})
        assert comment["public"] is False
        self.notes.append((key, comment["body"]))
        return httpx.Response(201, json={"id": "10800", **comment})

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
        Error("failed within", "act", _REQUEST, httpx.Response(500), "in_doubt"),
        Error(
            "a limit is reached",
            "act",
            _REQUEST,
            httpx.Response(503, headers={"Retry-After": "4"}),
            "throttle",
            wait=4,
        ),
        Error("a gateway", "act", _REQUEST, httpx.Response(502), "in_doubt"),
    ),
)
