"""listmonk as documented and observed: subscribers by SQL, mails to whomever, 400 for not found."""

import copy
import json
import re
from typing import Any

import httpx

from tests.builders.fakes import Case, Error
from tests.builders.platforms import Fake

TOKEN = "made-up-listmonk-token"
_SUBSCRIBERS, _TX = "/api/subscribers", "/api/tx"
#: All that we ever ask in SQL; anything else in it would be somebody's own.
_QUERY = re.compile(r"LOWER\(subscribers\.email\) = LOWER\('((?:[^']|'')*)'\)")


class FakeListmonk(Fake):
    """Subscribers with status and lists; every message is mailed, also to the blocklisted."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribers: dict[int, dict[str, Any]] = {}
        self.mails = 0
        self._add("jane@example.com", "enabled", [3], {"city": "Lyon"})
        self._add("joe@example.com", "blocklisted", [3], {})

    def _add(
        self, email: str, status: str, lists: list[int], attribs: dict[str, Any]
    ) -> dict[str, Any]:
        number = len(self.calls) + len(self.subscribers) + 1
        kept = {"id": number, "email": email, "status": status, "lists": lists, "attribs": attribs}
        self.subscribers[number] = kept
        return kept

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"token nps:{TOKEN}":
            return failed(403, "invalid API credentials")
        path = request.url.path
        if path == _TX and request.method == "POST":
            return self._mail(json.loads(request.content))
        if path == _SUBSCRIBERS:
            return self._find(request) if request.method == "GET" else self._create(request)
        if path.startswith(f"{_SUBSCRIBERS}/"):
            return self._one(request, int(path.rpartition("/")[2]))
        return failed(404, "404 unknown endpoint")

    def _find(self, request: httpx.Request) -> httpx.Response:
        asked = _QUERY.fullmatch(request.url.params["query"])
        assert asked, "the query is somebody's own"
        email = asked.group(1).replace("''", "'").lower()
        found = [s for s in self.subscribers.values() if s["email"].lower() == email]
        return httpx.Response(200, json={"data": {"results": found, "total": len(found)}})

    def _create(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        if said["email"].lower() in {s["email"].lower() for s in self.subscribers.values()}:
            return failed(409, "E-mail already exists.")
        kept = self._add(said["email"], said["status"], said.get("lists", []), said["attribs"])
        return httpx.Response(200, json={"data": kept})

    def _one(self, request: httpx.Request, number: int) -> httpx.Response:
        kept = self.subscribers.get(number)
        if kept is None:
            return failed(400, f"Subscriber ({number}: ) not found")
        if request.method == "DELETE":
            del self.subscribers[number]
            return httpx.Response(200, json={"data": True})
        said = json.loads(request.content)
        if request.method == "PUT":
            kept.update(lists=said.get("lists", []), attribs=said.get("attribs", {}))
        else:
            kept["attribs"].update(said["attribs"])
        return httpx.Response(200, json={"data": kept})

    def _mail(self, said: dict[str, Any]) -> httpx.Response:
        if said["template_id"] != 5:
            return failed(400, f"template {said['template_id']} not found")
        self.mails += len(said["subscriber_emails"])
        return httpx.Response(200, json={"data": True})

    def consent(self) -> Any:
        return copy.deepcopy({s["email"]: (s["status"], s["lists"]) for s in self._sorted()})

    def _sorted(self) -> list[dict[str, Any]]:
        return [self.subscribers[number] for number in sorted(self.subscribers)]

    def known(self) -> set[str]:
        return {subscriber["email"] for subscriber in self.subscribers.values()}

    @property
    def effects(self) -> int:
        return self.mails


def failed(status: int, message: str) -> httpx.Response:
    """Answer as listmonk does when it refuses a call."""
    return httpx.Response(status, json={"message": message})


_GONE = failed(400, "Subscriber (1: ) not found")
_UNKNOWN = failed(400, "Subscriber (0: jane@example.com) not found")
_BAD_SQL = failed(400, "Error preparing subscriber query: pq: column does not exist")

CASE = Case(
    preset="listmonk",
    settings={
        "vars": {
            "url": "https://lists.example.com",
            "api_user": "nps",
            "api_token": "env:NPS_SECRET_LISTMONK",
        },
        "attributes": {
            "nps_score": "nps_score",
            "nps_segment": "nps_segment",
            "nps_previous_segment": "nps_previous_segment",
            "nps_answered_at": "nps_answered_at",
            "first_name": "first_name",
        },
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "templates": {"reassurance_price": "5"},
    },
    environ={"NPS_SECRET_LISTMONK": TOKEN},
    fake=FakeListmonk,
    acting=_TX,
    pushing=_SUBSCRIBERS,
    sees_opt_out=True,
    errors=(
        Error("bad credentials", "push", _SUBSCRIBERS, failed(403, "invalid"), "disable_target"),
        Error("no session", "act", _TX, failed(403, "invalid session"), "disable_target"),
        Error("wrong address", "push", _SUBSCRIBERS, failed(404, "unknown"), "disable_target"),
        Error("invalid e-mail", "push", _SUBSCRIBERS, failed(400, "Invalid email."), "reject"),
        Error("gone again and again", "push", "/api/subscribers/1", _GONE, "park"),
        Error("bad SQL", "act", _SUBSCRIBERS, _BAD_SQL, "reject"),
        Error("no such template", "act", _TX, failed(400, "template 5 not found"), "park"),
        Error("no such subscriber", "act", _TX, _UNKNOWN, "reject"),
        Error("queue full", "act", _TX, failed(429, "timed out"), "throttle"),
        Error("not said", "act", _TX, httpx.Response(200, json={"data": False}), "in_doubt"),
        Error("gateway unheard", "act", _TX, httpx.Response(502), "in_doubt"),
        Error("failed before the queue", "act", _TX, failed(500, "error"), "retry"),
        Error("a proxy failed", "act", _TX, httpx.Response(500, text="<html>"), "in_doubt"),
        Error("consent unheard", "act", _SUBSCRIBERS, httpx.Response(500), "retry"),
        Error("outage", "push", _SUBSCRIBERS, httpx.Response(500), "retry"),
    ),
)  # fmt: skip
