"""Brevo as documented: contacts by address, e-mails by template under a key of their own."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error, Said
from tests.builders.platforms import Fake

KEY = "made-up-brevo-key"


class FakeBrevo(Fake):
    """Contacts with their opt-outs; an e-mail under a known key is not sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, Any]] = {
            "jane@example.com": {"emailBlacklisted": False, "smsBlacklisted": False},
            "joe@example.com": {"emailBlacklisted": True, "smsBlacklisted": True},
        }
        self.keys: set[str] = set()
        self.sent = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("api-key") != KEY:
            return httpx.Response(401, json={"code": "unauthorized", "message": "Key not found"})
        path = request.url.path.removeprefix("/v3")
        if path == "/smtp/statistics/events":
            return self._events(request.url.params["messageId"])
        if request.method == "GET":
            return self._shown(path.removeprefix("/contacts/"))
        if request.method == "DELETE":
            known = self.contacts.pop(path.removeprefix("/contacts/"), None)
            return httpx.Response(404 if known is None else 204)
        body = json.loads(request.content)
        if path == "/contacts":
            return self._upsert(body)
        return self._email(body)

    def _shown(self, email: str) -> httpx.Response:
        contact = self.contacts.get(email)
        if contact is None:
            return httpx.Response(404, json={"code": "document_not_found"})
        return httpx.Response(200, json={"email": email, **contact})

    def _upsert(self, body: dict[str, Any]) -> httpx.Response:
        known = self.contacts.get(body["email"])
        if known is not None and not body.get("updateEnabled"):
            return httpx.Response(400, json={"code": "duplicate_parameter"})
        fresh = {"emailBlacklisted": False, "smsBlacklisted": False, "attributes": {}}
        contact = self.contacts.setdefault(body["email"], fresh)
        contact.setdefault("attributes", {}).update(body["attributes"])
        for name in ("emailBlacklisted", "smsBlacklisted"):
            contact[name] = body.get(name, contact[name])
        return httpx.Response(201 if known is None else 204)

    def _email(self, body: dict[str, Any]) -> httpx.Response:
        key = body["headers"]["idempotencyKey"]
        if key in self.keys:
            return httpx.Response(201, json={"messageId": f"<{key}@brevo.example>"})
        self.keys.add(key)
        self.sent += 1
        return httpx.Response(201, json={"messageId": f"<{key}@brevo.example>"})

    def _events(self, message: str) -> httpx.Response:
        known = message.removeprefix("<").removesuffix("@brevo.example>") in self.keys
        return events("requests") if known else httpx.Response(200, json={})

    def consent(self) -> Any:
        return copy.deepcopy(
            {
                email: {k: v for k, v in contact.items() if k.endswith("Blacklisted")}
                for email, contact in self.contacts.items()
            }
        )

    def known(self) -> set[str]:
        return set(self.contacts)

    @property
    def effects(self) -> int:
        return self.sent


def _error(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": "no"}, headers=headers)


def events(*words: str) -> httpx.Response:
    """List what happened to an e-mail, the newest first, a minute apart."""
    said = [
        {
            "email": "jane@example.com",
            "date": f"2026-11-21T20:{59 - place:02}:00.000+00:00",
            "messageId": "<1@brevo.example>",
            "event": word,
            "tag": "",
        }
        for place, word in enumerate(words)
    ]
    return httpx.Response(200, json={"events": said})


CASE = Case(
    preset="brevo",
    settings={
        "vars": {"api_key": "env:NPS_SECRET_BREVO"},
        "attributes": {
            "nps_score": "NPS_SCORE",
            "nps_segment": "NPS_SEGMENT",
            "nps_answered_at": {"field": "NPS_DATE", "kind": "moment"},
            "nps_previous_segment": "NPS_PREVIOUS_SEGMENT",
            "first_name": "FIRSTNAME",
        },
        "message": {"nps_theme": "reason", "first_name": "first_name"},
        "templates": {"reassurance_price": "12"},
    },
    environ={"NPS_SECRET_BREVO": KEY},
    fake=FakeBrevo,
    acting="/smtp/email",
    pushing="/v3/contacts",
    repeat="key",
    sees_opt_out=True,
    errors=(
        Error("bad key", "push", "/contacts", _error(401, "unauthorized"), "disable_target"),
        Error("no permission", "act", "/smtp", _error(403, "permission_denied"), "disable_target"),
        Error("no credits", "act", "/smtp", _error(402, "not_enough_credits"), "disable_target"),
        Error("bad field", "push", "/contacts", _error(400, "invalid_parameter"), "reject"),
        Error("concurrent write", "push", "/contacts", httpx.Response(425), "throttle"),
        Error(
            "too fast, by its own header",
            "push",
            "/contacts",
            _error(429, "too_many_requests", **{"x-sib-ratelimit-reset": "7"}),
            "throttle",
            wait=7,
        ),
        Error("outage", "push", "/contacts", httpx.Response(500), "retry"),
    ),
    asking="/smtp/statistics/events",
    said=(
        Said("nothing yet", httpx.Response(200, json={"events": []}), None),
        Said("taken", events("requests"), "sent"),
        Said("put off", events("deferred", "softBounces", "requests"), "sent"),
        Said("arrived", events("delivered", "requests"), "delivered"),
        Said("opened by a machine", events("loadedByProxy", "delivered"), "delivered"),
        Said("opened", events("delivered", "opened", "requests"), "opened"),
        Said("clicked", events("clicks", "delivered", "requests"), "opened"),
        Said("bounced", events("hardBounces", "requests"), "bounced", last=True),
        Said("no such address", events("invalid"), "bounced", last=True),
        Said("not tried", events("blocked", "requests"), "failed", last=True),
        Said("an error", events("error", "requests"), "failed", last=True),
        Said("a complaint", events("spam", "opened", "delivered"), "unsubscribed", last=True),
        Said("left", events("unsubscribed", "delivered"), "unsubscribed", last=True),
        Said("bad key", _error(401, "unauthorized"), None, outcome="disable_target"),
        Said("no permission", _error(403, "permission_denied"), None, outcome="disable_target"),
        Said("too often", _error(429, "too_many_requests"), None, outcome="throttle"),
        Said("not understood", _error(400, "invalid_parameter"), None, outcome="reject"),
        Said("outage", httpx.Response(502), None, outcome="retry"),
    ),
)
