"""Zendesk as documented: tickets under an idempotency key, requesters made by the way."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import KeepsNobody

_TICKETS = "/api/v2/tickets.json"


class FakeZendesk(KeepsNobody):
    """Tickets; a repeat under a known key answers with the first ticket."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[str, tuple[bytes, int]] = {}
        self.notes: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return httpx.Response(401, json={"error": "Couldn't authenticate you"})
        ticket = json.loads(request.content)["ticket"]
        if request.method == "PUT":
            return self._note(request.url.path.split("/")[-1].removesuffix(".json"), ticket)
        if not ticket["requester"].get("name") or ticket["comment"]["public"]:
            return httpx.Response(422, json={"error": "RecordInvalid"})
        key = request.headers["Idempotency-Key"]
        seen = self.tickets.get(key)
        if seen is not None and seen[0] != request.content:
            return httpx.Response(400, json={"error": "IdempotentRequestError"})
        _, number = self.tickets.setdefault(key, (request.content, len(self.tickets) + 4711))
        lookup = "miss" if seen is None else "hit"
        return httpx.Response(
            201,
            headers={"x-idempotency-lookup": lookup},
            json={"ticket": {"id": number, "external_id": ticket["external_id"]}},
        )

    def _note(self, number: str, ticket: dict[str, Any]) -> httpx.Response:
        if number not in {str(known) for _, known in self.tickets.values()}:
            return httpx.Response(404, json={"error": "RecordNotFound"})
        assert ticket["comment"]["public"] is False
        self.notes.append((number, ticket["comment"]["body"]))
        return httpx.Response(200, json={"ticket": {"id": int(number)}})

    @property
    def effects(self) -> int:
        return len(self.tickets)


def _error(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": code, "description": "no"}, headers=headers)


CASE = Case(
    preset="zendesk",
    settings={
        "vars": {
            "subdomain": "example",
            "agent": "agent@example.com",
            "api_token": "env:NPS_SECRET_ZENDESK",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_ZENDESK": "made-up-zendesk-token"},
    fake=FakeZendesk,
    acting=_TICKETS,
    repeat="key",
    channel="ticket",
    contact_class="internal",
    errors=(
        Error("bad token", "act", _TICKETS, _error(401, "Couldn't"), "disable_target"),
        Error("no permission", "act", _TICKETS, _error(403, "Forbidden"), "disable_target"),
        Error("no helpdesk", "act", _TICKETS, httpx.Response(404), "disable_target"),
        Error("refused value", "act", _TICKETS, _error(422, "RecordInvalid"), "reject"),
        Error(
            "another body under the key",
            "act",
            _TICKETS,
            _error(400, "IdempotentRequestError"),
            "accepted",
        ),
        Error("two writes", "act", _TICKETS, _error(409, "DatabaseConflict"), "retry"),
        Error(
            "too fast",
            "act",
            _TICKETS,
            _error(429, "TooManyRequests", **{"Retry-After": "41"}),
            "throttle",
            wait=41,
        ),
        Error(
            "maintenance", "act", _TICKETS, _error(503, "", **{"Retry-After": "9"}), "throttle", 9
        ),
        Error("failed within", "act", _TICKETS, httpx.Response(500), "in_doubt"),
    ),
)
