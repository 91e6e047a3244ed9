"""Dittofeed as documented: users by the organisation's own name, messages that count once."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

KEY = "bWFkZS11cDpkaXR0b2ZlZWQta2V5"
_IDENTIFY, _TRACK = "/api/public/apps/identify", "/api/public/apps/track"
_BATCH = "/api/public/apps/batch"


class FakeDittofeed(Fake):
    """Users with traits and subscription groups, which no call of ours reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {
            "C-1": {"email": "jane@example.com", "groups": {"news": True}},
            "C-2": {"email": "joe@example.com", "groups": {"news": False}},
        }
        self.messages: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Basic {KEY}":
            return refused(401)
        body = json.loads(request.content)
        if request.url.path == _BATCH:
            return self._take_all(body["batch"])
        if body.get("traits", {}).get("firstName") == self.poison:
            return refused(400)
        user = self.users.setdefault(body["userId"], {"groups": {}})
        if request.url.path == _IDENTIFY:
            user.update(body["traits"])
        elif request.url.path == _TRACK:
            self.messages.add(body["messageId"])
        else:
            return refused(404)
        return httpx.Response(204)

    def _take_all(self, items: list[dict[str, Any]]) -> httpx.Response:
        """Take all or, where one does not fit the schema of messages, none."""
        if any(item["traits"].get("firstName") == self.poison for item in items):
            return refused(400)
        for item in items:
            assert item["type"] == "identify"
            self.users.setdefault(item["userId"], {"groups": {}}).update(item["traits"])
        return httpx.Response(204)

    def consent(self) -> Any:
        return copy.deepcopy({name: user["groups"] for name, user in self.users.items()})

    def known(self) -> set[str]:
        return {user["email"] for user in self.users.values() if "email" in user}

    @property
    def effects(self) -> int:
        return len(self.messages)


def refused(status: int, **headers: str) -> httpx.Response:
    """Answer as Dittofeed does when it refuses a call."""
    return httpx.Response(status, json={"message": "no"}, headers=headers)


CASE = Case(
    preset="dittofeed",
    settings={
        "vars": {"url": "https://ditto.example.com", "write_key": "env:NPS_SECRET_DITTOFEED"},
        "attributes": {
            "nps_score": "npsScore",
            "nps_segment": "npsSegment",
            "nps_previous_segment": "npsPreviousSegment",
            "nps_answered_at": {"field": "npsAnsweredAt", "kind": "moment"},
            "first_name": "firstName",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "firstName"},
        "events": {"reassurance": "npsReassurance"},
    },
    environ={"NPS_SECRET_DITTOFEED": KEY},
    fake=FakeDittofeed,
    acting=_TRACK,
    pushing=_IDENTIFY,
    batching=_BATCH,
    repeat="key",
    errors=(
        Error("bad key", "push", _IDENTIFY, refused(401), "disable_target"),
        Error("key of another workspace", "act", _TRACK, refused(403), "disable_target"),
        Error("no Dittofeed there", "act", _TRACK, httpx.Response(404), "disable_target"),
        Error("not understood", "push", _IDENTIFY, refused(400), "reject"),
        Error("bad event", "act", _TRACK, refused(400), "reject"),
        Error("too large", "push", _IDENTIFY, httpx.Response(413), "reject"),
        Error(
            "too fast, by a proxy",
            "push",
            _IDENTIFY,
            refused(429, **{"Retry-After": "3"}),
            "throttle",
            wait=3,
        ),
        Error("busy", "act", _TRACK, httpx.Response(503), "retry"),
        Error("gateway unheard", "act", _TRACK, httpx.Response(502), "in_doubt"),
        Error("outage", "push", _IDENTIFY, refused(500), "retry"),
    ),
)
