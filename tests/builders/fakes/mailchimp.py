"""Mailchimp as documented: an audience whose members are the MD5 of their address."""

import base64
import copy
import json
from hashlib import md5
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "made-up-mailchimp-key-us21"
_BASIC = f"Basic {base64.b64encode(f'key:{KEY}'.encode()).decode()}"
_MEMBERS, _EVENTS = "/3.0/lists/a1b2c3d4e5/members/", "/events"
_FORGET = "/actions/delete-permanent"


class FakeMailchimp(Fake):
    """Members with a status; events that are never told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, dict[str, Any]] = {}
        for email, status in (
            ("jane@example.com", "subscribed"),
            ("joe@example.com", "unsubscribed"),
        ):
            self.members[_hash(email)] = {
                "email_address": email,
                "status": status,
                "merge_fields": {},
            }
        self.events: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != _BASIC:
            return failed(401, "API Key Invalid")
        assert request.url.host == "us21.api.mailchimp.com"
        name, _, rest = request.url.path.removeprefix(_MEMBERS).partition("/")
        if request.method == "PUT":
            return self._put(name, json.loads(request.content))
        member = self.members.get(name)
        if member is None:
            return failed(404, "Resource Not Found")
        if request.method == "GET":
            return httpx.Response(200, json={"status": member["status"]})
        return self._do(name, rest, request)

    def _do(self, name: str, rest: str, request: httpx.Request) -> httpx.Response:
        if rest == "actions/delete-permanent":
            del self.members[name]
            return httpx.Response(204)
        event = json.loads(request.content)
        if not all(isinstance(value, str) for value in event["properties"].values()):
            return failed(400, "Invalid Resource")
        self.events.append(event)
        return httpx.Response(204)

    def _put(self, name: str, body: dict[str, Any]) -> httpx.Response:
        if name != _hash(body["email_address"]):
            return failed(400, "Invalid Resource")
        fresh = {
            "email_address": body["email_address"],
            "status": body["status_if_new"],
            "merge_fields": {},
        }
        member = self.members.setdefault(name, fresh)
        member["merge_fields"].update(body["merge_fields"])
        member["status"] = body.get("status", member["status"])
        return httpx.Response(200, json=member)

    def consent(self) -> Any:
        return copy.deepcopy({m["email_address"]: m["status"] for m in self.members.values()})

    def known(self) -> set[str]:
        return {member["email_address"] for member in self.members.values()}

    @property
    def effects(self) -> int:
        return len(self.events)


def _hash(email: str) -> str:
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def failed(status: int, title: str) -> httpx.Response:
    """Answer with a problem, as Mailchimp does."""
    said = {"type": "about:blank", "title": title, "status": status, "detail": "no"}
    return httpx.Response(status, json=said)


CASE = Case(
    preset="mailchimp",
    settings={
        "vars": {"api_key": "env:NPS_SECRET_MAILCHIMP", "dc": "us21", "list": "a1b2c3d4e5"},
        "attributes": {
            "nps_score": "NPS",
            "nps_segment": "NPSSEG",
            "nps_previous_segment": {"field": "NPSPREV", "empty": ""},
            "nps_answered_at": {"field": "NPSDATE", "kind": "moment"},
            "first_name": "FNAME",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "events": {"reassurance": "nps_reassurance"},
    },
    environ={"NPS_SECRET_MAILCHIMP": KEY},
    fake=FakeMailchimp,
    acting=_EVENTS,
    pushing=_MEMBERS,
    sees_opt_out=True,
    errors=(
        Error("bad key", "push", _MEMBERS, failed(401, "API Key Invalid"), "disable_target"),
        Error(
            "wrong data centre", "push", _MEMBERS, failed(403, "Wrong Datacenter"), "disable_target"
        ),
        Error("user disabled", "act", _EVENTS, failed(403, "User Disabled"), "disable_target"),
        Error(
            "no such audience",
            "push",
            _MEMBERS,
            failed(404, "Resource Not Found"),
            "disable_target",
        ),
        Error("bad field", "push", _MEMBERS, failed(400, "Invalid Resource"), "reject"),
        Error(
            "deleted for good",
            "push",
            _MEMBERS,
            failed(400, "Forgotten Email Not Subscribed"),
            "reject",
        ),
        Error("no member", "act", _MEMBERS, failed(404, "Resource Not Found"), "reject"),
        Error("bad event", "act", _EVENTS, failed(400, "Invalid Resource"), "reject"),
        Error("too many connections", "push", _MEMBERS, failed(429, "Too Many"), "throttle"),
        Error("too fast, 403", "act", _EVENTS, httpx.Response(403), "throttle"),
        Error("too fast, 429", "act", _EVENTS, httpx.Response(429, text="<html>"), "throttle"),
        Error("outage", "push", _MEMBERS, failed(500, "Internal Server Error"), "retry"),
        Error("gateway unheard", "act", _EVENTS, httpx.Response(504), "in_doubt"),
        Error("failed within", "act", _EVENTS, failed(500, "InternalServerError"), "in_doubt"),
        Error("takes nothing now", "act", _EVENTS, httpx.Response(503), "retry"),
        Error("deletion unheard", "erase", _FORGET, httpx.Response(500), "retry"),
        Error("nobody to forget", "erase", _FORGET, failed(404, "Resource Not Found"), "ok"),
    ),
)
