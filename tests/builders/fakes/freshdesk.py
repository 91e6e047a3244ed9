"""Freshdesk as documented: tickets, and a search of them by tag."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

_TICKETS, _SEARCH = "/api/v2/tickets", "/api/v2/search/tickets"
_REQUESTER = ("email", "phone", "unique_external_id")


class FakeFreshdesk(KeepsNobody):
    """Tickets with their tags; found by tag at once (the real index takes minutes)."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[dict[str, Any]] = []
        self.notes: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return httpx.Response(401, json={"code": "invalid_credentials"})
        if request.url.path == _SEARCH:
            tag = request.url.params["query"].removeprefix("\"tag:'").removesuffix("'\"")
            found = [ticket for ticket in self.tickets if tag in ticket["tags"]]
            return httpx.Response(200, json={"total": len(found), "results": found})
        if request.url.path.endswith("/notes"):
            return self._note(request.url.path.split("/")[-2], json.loads(request.content))
        ticket = json.loads(request.content)
        named = any(ticket.get(name) for name in _REQUESTER)
        if not named or any(len(tag) > 32 for tag in ticket["tags"]):
            return httpx.Response(400, json={"description": "Validation failed", "errors": []})
        self.tickets.append({"id": len(self.tickets) + 1, **ticket})
        return httpx.Response(201, json=self.tickets[-1])

    def _note(self, number: str, note: dict[str, Any]) -> httpx.Response:
        if number not in {str(ticket["id"]) for ticket in self.tickets}:
            return httpx.Response(404)
        assert note["private"] is True
        self.notes.append((number, note["body"]))
        return httpx.Response(201, json={"id": 5, "ticket_id": int(number), **note})

    @property
    def effects(self) -> int:
        return len(self.tickets)


def _error(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": "no"}, headers=headers)


CASE = Case(
    preset="freshdesk",
    settings={
        "vars": {"subdomain": "example", "api_key": "env:NPS_SECRET_FRESHDESK"},
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_FRESHDESK": "made-up-freshdesk-key"},
    fake=FakeFreshdesk,
    acting=_TICKETS,
    repeat="look",
    channel="ticket",
    contact_class="internal",
    errors=(
        Error("bad key", "act", _SEARCH, _error(401, "invalid_credentials"), "disable_target"),
        Error("no access", "act", _TICKETS, _error(403, "access_denied"), "disable_target"),
        Error("no helpdesk", "act", _SEARCH, httpx.Response(404), "disable_target"),
        Error("refused value", "act", "/v2/tickets", _error(400, "invalid_value"), "reject"),
        Error("not unique", "act", "/v2/tickets", _error(409, "duplicate_value"), "reject"),
        Error(
            "too fast",
            "act",
            _TICKETS,
            _error(429, "", **{"Retry-After": "60", "X-RateLimit-Remaining": "0"}),
            "throttle",
            wait=60,
        ),
        Error("failed within", "act", "/v2/tickets", httpx.Response(500), "in_doubt"),
        Error("search unheard", "act", "/v2/search", httpx.Response(500), "retry"),
        Error("a gateway", "act", "/v2/tickets", httpx.Response(504), "in_doubt"),
    ),
)
