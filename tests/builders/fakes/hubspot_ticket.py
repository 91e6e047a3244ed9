"""HubSpot's tickets as documented: upserted under a unique property, notes associated with them."""

import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.fakes.hubspot import failed, partly
from tests.builders.platforms import KeepsNobody

TOKEN = "made-up-hubspot-token"
_UPSERT, _NOTES = "/tickets/batch/upsert", "/crm/objects/2026-09/notes"


class FakeHubSpotTickets(KeepsNobody):
    """Tickets by delivery id, with their notes."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[str, dict[str, str]] = {}
        self.notes: list[tuple[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return failed(401, "INVALID_AUTHENTICATION")
        body = json.loads(request.content)
        if request.url.path == _NOTES:
            return self._note(body)
        (ticket,) = body["inputs"]
        assert ticket["idProperty"] == "nps_delivery_id"
        assert all(isinstance(value, str) for value in ticket["properties"].values())
        if "associations" in ticket or "\n" in ticket["properties"]["subject"]:
            return failed(400, "VALIDATION_ERROR")
        known = ticket["id"] in self.tickets
        self.tickets.setdefault(ticket["id"], {}).update(ticket["properties"])
        made = {"id": self._number(ticket["id"]), "new": not known, "properties": {}}
        return httpx.Response(200, json={"status": "COMPLETE", "results": [made]})

    def _number(self, delivery: str) -> str:
        return str(512 + list(self.tickets).index(delivery))

    def _note(self, note: dict[str, Any]) -> httpx.Response:
        ((number, kind),) = [
            (one["to"]["id"], one["types"][0]["associationTypeId"]) for one in note["associations"]
        ]
        assert kind == 228
        assert note["properties"]["hs_timestamp"]
        if number not in map(self._number, self.tickets):
            return failed(400, "VALIDATION_ERROR")
        self.notes.append((number, note["properties"]["hs_note_body"]))
        return httpx.Response(201, json={"id": "9001", "properties": {}})

    @property
    def effects(self) -> int:
        return len(self.tickets)


_TEN_SECONDS = {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}

CASE = Case(
    preset="hubspot_ticket",
    settings={
        "vars": {"access_token": "env:NPS_SECRET_HUBSPOT"},
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
    },
    environ={"NPS_SECRET_HUBSPOT": TOKEN},
    fake=FakeHubSpotTickets,
    acting=_UPSERT,
    repeat="key",
    channel="ticket",
    contact_class="internal",
    errors=(
        Error("bad token", "act", _UPSERT, failed(401, "INVALID_AUTHENTICATION"), "disable_target"),
        Error("missing scope", "act", _UPSERT, failed(403, "MISSING_SCOPES"), "disable_target"),
        Error("unknown property", "act", _UPSERT, failed(400, "VALIDATION_ERROR"), "reject"),
        Error("not taken, in 207", "act", _UPSERT, partly(207, "VALIDATION_ERROR"), "reject"),
        Error("not taken, in 200", "act", _UPSERT, partly(200, "VALIDATION_ERROR"), "reject"),
        Error("another call, in 207", "act", _UPSERT, partly(207, "CONFLICT"), "retry"),
        Error("too fast, in 207", "act", _UPSERT, partly(207, "RATE_LIMITS"), "throttle"),
        Error("another call", "act", _UPSERT, failed(409, "CONFLICT"), "retry"),
        Error(
            "cancelled",
            "act",
            _UPSERT,
            httpx.Response(200, json={"status": "CANCELED", "results": []}),
            "retry",
        ),
        Error(
            "too fast, by its own header",
            "act",
            _UPSERT,
            failed(429, "RATE_LIMITS", **_TEN_SECONDS),
            "throttle",
            wait=10,
        ),
        Error("record locked", "act", _UPSERT, failed(423, "LOCKED"), "throttle"),
        Error("failed within", "act", _UPSERT, httpx.Response(500), "in_doubt"),
        Error("takes nothing now", "act", _UPSERT, httpx.Response(503), "retry"),
        Error("a gateway", "act", _UPSERT, httpx.Response(504), "in_doubt"),
    ),
)
