"""ActiveCampaign as documented: contacts with numbered fields, lists, enrolments by number."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import DELIVERY, Fake

URL, KEY = "https://example.api-us1.com", "made-up-activecampaign-key"
_SYNC, _ENROL, _CONTACTS = "/api/3/contact/sync", "/api/3/contactAutomations", "/api/3/contacts"
_LIST, _DELIVERY_FIELD = "4", "99"


class FakeActiveCampaign(Fake):
    """Contacts by number; list 4 is the one that counts, with status 1 or 2."""

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, Any]] = {
            "10": {"email": "jane@example.com", "lists": {"3": "2", _LIST: "1"}, "fields": {}},
            "11": {"email": "joe@example.com", "lists": {"3": "1", _LIST: "2"}, "fields": {}},
        }
        self.enrolled: list[dict[str, str]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Api-Token") != KEY:
            return httpx.Response(403, json={"message": "no"})
        path = request.url.path
        if path == _SYNC:
            return self._sync(json.loads(request.content)["contact"])
        if path == _ENROL:
            return self._enrol(json.loads(request.content)["contactAutomation"])
        if path == _CONTACTS:
            return self._found(request.url.params["email"])
        number = path.removeprefix(f"{_CONTACTS}/").removesuffix("/contactLists")
        if request.method == "DELETE":
            gone = self.contacts.pop(number, None)
            return httpx.Response(404 if gone is None else 200, json={})
        lists = self.contacts[number]["lists"].items()
        said = [{"list": name, "status": status, "contact": number} for name, status in lists]
        return httpx.Response(200, json={"contactLists": said})

    def _sync(self, given: dict[str, Any]) -> httpx.Response:
        known = [n for n, c in self.contacts.items() if c["email"] == given["email"]]
        number = known[0] if known else str(10 + len(self.contacts))
        fresh = {"email": given["email"], "lists": {}, "fields": {}}
        contact = self.contacts.setdefault(number, fresh)
        for one in given["fieldValues"]:
            assert one["field"].isdigit()
            assert isinstance(one["value"], str)
            contact["fields"][one["field"]] = one["value"]
        said = {"contact": {"id": number, "email": given["email"]}}
        return httpx.Response(200 if known else 201, json=said)

    def _enrol(self, given: dict[str, str]) -> httpx.Response:
        contact = self.contacts.get(given["contact"])
        if contact is None or given["automation"] != "42":
            return refused(422)
        # Whoever is enrolled carries the delivery's id.
        assert contact["fields"][_DELIVERY_FIELD] == str(DELIVERY)
        self.enrolled.append(given)
        return httpx.Response(201, json={"contactAutomation": {"id": str(len(self.enrolled))}})

    def _found(self, email: str) -> httpx.Response:
        found = [
            {"id": number, "email": contact["email"]}
            for number, contact in self.contacts.items()
            if contact["email"] == email
        ]
        return httpx.Response(200, json={"contacts": found})

    def consent(self) -> Any:
        return copy.deepcopy({c["email"]: c["lists"] for c in self.contacts.values()})

    def known(self) -> set[str]:
        return {contact["email"] for contact in self.contacts.values()}

    @property
    def effects(self) -> int:
        return len(self.enrolled)


def refused(status: int, **headers: str) -> httpx.Response:
    """Answer as ActiveCampaign does when it refuses a value."""
    error = {"title": "no", "detail": "no", "code": "field_invalid", "source": {"pointer": "/"}}
    return httpx.Response(status, json={"errors": [error]}, headers=headers)


_SLOW_400 = httpx.Response(400, json={"success": 0, "message": "Rate limit exceeded."})
_NONE = httpx.Response(200, json={"succeeded": 0})

CASE = Case(
    preset="activecampaign",
    settings={
        "vars": {
            "url": URL,
            "api_key": "env:NPS_SECRET_ACTIVECAMPAIGN",
            "list": _LIST,
            "delivery_field": _DELIVERY_FIELD,
        },
        "attributes": {
            "nps_score": "1",
            "nps_segment": "2",
            "nps_previous_segment": {"field": "3", "empty": ""},
            "nps_answered_at": {"field": "4", "kind": "moment"},
            "first_name": "5",
        },
        "events": {"reassurance": "42"},
    },
    environ={"NPS_SECRET_ACTIVECAMPAIGN": KEY},
    fake=FakeActiveCampaign,
    acting=_ENROL,
    pushing=_SYNC,
    sees_opt_out=True,
    # An enrolment takes two numbers and nothing else: the id is on the contact, one call before.
    carries_id=False,
    errors=(
        Error("bad key", "push", _SYNC, httpx.Response(403), "disable_target"),
        Error("key unknown", "act", _SYNC, httpx.Response(401), "disable_target"),
        Error("not paid for", "act", _ENROL, httpx.Response(402), "disable_target"),
        Error("no such API", "push", _SYNC, httpx.Response(404), "disable_target"),
        Error("bad value", "push", _SYNC, refused(422), "reject"),
        Error("no such automation", "act", _ENROL, refused(422), "reject"),
        Error("nothing written, in 200", "push", _SYNC, _NONE, "reject"),
        Error(
            "too fast",
            "push",
            _SYNC,
            refused(429, **{"Retry-After": "30"}),
            "throttle",
            wait=30,
        ),
        Error("too fast, in 400", "act", _ENROL, _SLOW_400, "throttle"),
        Error("contact without number", "act", _SYNC, httpx.Response(200, json={}), "reject"),
        Error("consent unheard", "act", "/contactLists", httpx.Response(504), "retry"),
        Error("gateway unheard", "act", _ENROL, httpx.Response(502), "in_doubt"),
        Error("failed within", "act", _ENROL, httpx.Response(500), "in_doubt"),
        Error("takes nothing now", "act", _ENROL, httpx.Response(503), "retry"),
        Error("delivery id unheard", "act", _SYNC, httpx.Response(500), "retry"),
        Error("outage", "push", _SYNC, httpx.Response(500), "retry"),
        Error("gone meanwhile", "erase", f"{_CONTACTS}/10", httpx.Response(404), "ok"),
    ),
)
