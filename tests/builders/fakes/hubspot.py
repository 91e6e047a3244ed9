"""HubSpot as documented: contacts by address, custom events that count once by their uuid."""

import copy
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

TOKEN = "made-up-hubspot-token"
_UPSERT, _SEND = "/contacts/batch/upsert", "/events/2026-09/send"
_STATUSES = "/communication-preferences/2026-09/statuses/"


class FakeHubSpot(Fake):
    """Contacts, those of them who left all e-mail, and the events of the year."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, str]] = {"jane@example.com": {}, "joe@example.com": {}}
        self.left_all = {"joe@example.com"}
        self.events: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return failed(401, "INVALID_AUTHENTICATION")
        path = request.url.path
        if path.startswith(_STATUSES):
            return self._status(unquote(path).removeprefix(_STATUSES).split("/")[0])
        body = json.loads(request.content)
        if path.endswith(_UPSERT):
            return self._upsert(body["inputs"])
        if path == _SEND:
            assert body["eventName"].startswith("pe")
            self.events.add(body["uuid"])
            return httpx.Response(204)
        if path.endswith("/gdpr-delete"):
            self.contacts.pop(body["objectId"], None)
            return httpx.Response(204)
        return failed(404, "OBJECT_NOT_FOUND")

    def _status(self, email: str) -> httpx.Response:
        wide = {"channel": "EMAIL", "status": "UNSUBSCRIBED", "wideStatusType": "PORTAL_WIDE"}
        results = [{"subscriberIdString": email, **wide}] if email in self.left_all else []
        return httpx.Response(200, json={"status": "COMPLETE", "results": results})

    def _upsert(self, inputs: list[dict[str, Any]]) -> httpx.Response:
        assert len({one["id"] for one in inputs}) == len(inputs) <= 100
        errors = []
        for one in inputs:
            if one["properties"].get("firstname") == self.poison:
                errors.append(one["id"])
                continue
            assert one["idProperty"] == "email"
            assert all(isinstance(value, str) for value in one["properties"].values())
            self.contacts.setdefault(one["id"], {}).update(one["properties"])
        if errors:
            return partly(207, "VALIDATION_ERROR", errors)
        return httpx.Response(200, json={"status": "COMPLETE", "results": [{"id": "51"}]})

    def consent(self) -> Any:
        return copy.deepcopy({email: email in self.left_all for email in sorted(self.contacts)})

    def known(self) -> set[str]:
        return set(self.contacts)

    @property
    def effects(self) -> int:
        return len(self.events)


def failed(status: int, category: str, **headers: str) -> httpx.Response:
    """Answer as HubSpot does when it refuses a call."""
    said = {"status": "error", "message": "no", "category": category, "correlationId": "1"}
    return httpx.Response(status, json=said, headers=headers)


def partly(status: int, category: str, ids: Sequence[str] = ()) -> httpx.Response:
    """Answer as a batch does of which some input was not taken."""
    context = {"ids": list(ids)} if ids else {}
    error = {"status": "error", "category": category, "message": "no", "context": context}
    said = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}
    return httpx.Response(status, json=said)


_TEN_SECONDS = {"X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
_CANCELED = httpx.Response(200, json={"status": "CANCELED", "results": []})
_MOVING = httpx.Response(477, headers={"Retry-After": "60"})

CASE = Case(
    preset="hubspot",
    settings={
        "vars": {"access_token": "env:NPS_SECRET_HUBSPOT"},
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": {"field": "nps_previous_segment", "empty": ""},
            "nps_answered_at": {"field": "nps_answered_at", "kind": "moment"},
            "first_name": "firstname",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstname"},
        "events": {"reassurance": "pe1234567_nps_reassurance"},
    },
    environ={"NPS_SECRET_HUBSPOT": TOKEN},
    fake=FakeHubSpot,
    acting=_SEND,
    pushing=_UPSERT,
    repeat="key",
    sees_opt_out=True,
    errors=(
        Error(
            "bad token", "push", _UPSERT, failed(401, "INVALID_AUTHENTICATION"), "disable_target"
        ),
        Error("missing scope", "act", _SEND, failed(403, "MISSING_SCOPES"), "disable_target"),
        Error("unknown property", "push", _UPSERT, failed(400, "VALIDATION_ERROR"), "reject"),
        Error("not taken, in 207", "push", _UPSERT, partly(207, "VALIDATION_ERROR"), "reject"),
        Error("not taken, in 200", "push", _UPSERT, partly(200, "VALIDATION_ERROR"), "reject"),
        Error("too fast, in 207", "push", _UPSERT, partly(207, "RATE_LIMITS"), "throttle"),
        Error("cancelled", "push", _UPSERT, _CANCELED, "retry"),
        Error("written by another", "push", _UPSERT, failed(409, "CONFLICT"), "retry"),
        Error("too fast", "push", _UPSERT, failed(429, "RATE_LIMITS"), "throttle"),
        Error(
            "too fast, by its own header",
            "push",
            _UPSERT,
            failed(429, "RATE_LIMITS", **_TEN_SECONDS),
            "throttle",
            wait=10,
        ),
        Error("portal moves", "push", _UPSERT, _MOVING, "throttle", wait=60),
        Error("record locked", "push", _UPSERT, failed(423, "LOCKED"), "throttle"),
        Error("unknown event", "act", _SEND, failed(400, "VALIDATION_ERROR"), "reject"),
        Error("event there already", "act", _SEND, failed(409, "CONFLICT"), "accepted"),
        Error("nobody asked about", "act", _STATUSES, failed(404, "NOT_FOUND"), "accepted"),
        Error("consent unheard", "act", _STATUSES, httpx.Response(504), "retry"),
        Error("gateway unheard", "act", _SEND, httpx.Response(504), "in_doubt"),
        Error("outage", "push", _UPSERT, httpx.Response(500), "retry"),
        Error("nobody to forget", "erase", "/gdpr-delete", failed(404, "NOT_FOUND"), "ok"),
    ),
)
