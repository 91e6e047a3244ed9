"""Iterable as documented: users by address, events, answers with a code of their own."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "made-up-iterable-key"
_USERS, _UPDATE, _TRACK = "/api/users/", "/api/users/update", "/api/events/track"
_CHANNEL = 501


class FakeIterable(Fake):
    """Users with the channels that they left; a user made up has left none."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {
            "jane@example.com": {"unsubscribedChannelIds": [777]},
            "joe@example.com": {"unsubscribedChannelIds": [777, _CHANNEL]},
        }
        self.events: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.eu.iterable.com"
        if request.headers.get("Api-Key") != KEY:
            return said(401, "BadApiKey")
        path = request.url.path
        if path == _UPDATE:
            body = json.loads(request.content)
            self._user(body["email"]).update(body["dataFields"])
            return said(200, "Success")
        if path == _TRACK:
            body = json.loads(request.content)
            self._user(body["email"])
            self.events.append(body)
            return said(200, "Success")
        email = path.removeprefix(_USERS)
        if request.method == "DELETE":
            self.users.pop(email, None)
            return said(200, "Success")
        if email not in self.users:
            return httpx.Response(200, json={})
        user = {"email": email, "dataFields": {"email": email, **self.users[email]}}
        return httpx.Response(200, json={"user": user})

    def _user(self, email: str) -> dict[str, Any]:
        return self.users.setdefault(email, {"unsubscribedChannelIds": []})

    def consent(self) -> Any:
        return copy.deepcopy({e: u["unsubscribedChannelIds"] for e, u in self.users.items()})

    def known(self) -> set[str]:
        return set(self.users)

    @property
    def effects(self) -> int:
        return len(self.events)


def said(status: int, code: str) -> httpx.Response:
    """Answer as Iterable does: a code beside the status."""
    return httpx.Response(status, json={"msg": "no", "code": code, "params": None})


CASE = Case(
    preset="iterable",
    settings={
        "vars": {
            "api_key": "env:NPS_SECRET_ITERABLE",
            "zone": "eu.",
            "email_channel": str(_CHANNEL),
        },
        "attributes": {
            "nps_score": "npsScore",
            "nps_segment": "npsSegment",
            "nps_previous_segment": {"field": "npsPreviousSegment", "empty": ""},
            "nps_answered_at": {"field": "npsAnsweredAt", "kind": "moment"},
            "first_name": "firstName",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstName"},
        "events": {"reassurance": "npsReassurance"},
    },
    environ={"NPS_SECRET_ITERABLE": KEY},
    fake=FakeIterable,
    acting=_TRACK,
    pushing=_UPDATE,
    sees_opt_out=True,
    makes_nobody_up=True,
    errors=(
        Error("bad key", "push", _UPDATE, said(401, "BadApiKey"), "disable_target"),
        Error("bad key, by its code", "act", _TRACK, said(400, "BadApiKey"), "disable_target"),
        Error("key of another kind", "act", _USERS, said(403, "Forbidden"), "disable_target"),
        Error("bad value", "push", _UPDATE, said(400, "BadParams"), "reject"),
        Error(
            "type mismatch", "push", _UPDATE, said(400, "RequestFieldsTypesMismatched"), "reject"
        ),
        Error("not taken, in 200", "push", _UPDATE, said(200, "BadParams"), "reject"),
        Error("event not taken, in 200", "act", _TRACK, said(200, "BadParams"), "reject"),
        Error("200 without its word", "act", _TRACK, httpx.Response(200, json={}), "in_doubt"),
        Error("nobody there", "act", _USERS, httpx.Response(200, json={}), "reject"),
        Error("nobody to write", "push", _USERS, httpx.Response(200, json={}), "ok"),
        Error("too fast", "push", _UPDATE, said(429, "RateLimitExceeded"), "throttle"),
        Error("too fast, at the look", "act", _USERS, said(429, "RateLimitExceeded"), "throttle"),
        Error("consent unheard", "act", _USERS, httpx.Response(504), "retry"),
        Error("gateway unheard", "act", _TRACK, httpx.Response(502), "in_doubt"),
        Error("failed within", "act", _TRACK, said(500, "GenericError"), "in_doubt"),
        Error("takes nothing now", "act", _TRACK, httpx.Response(503), "retry"),
        Error("outage", "push", _UPDATE, httpx.Response(500), "retry"),
        Error("deletion unheard", "erase", _USERS, httpx.Response(500), "retry"),
        Error("nobody to forget", "erase", _USERS, said(404, "NotFound"), "accepted"),
    ),
)
