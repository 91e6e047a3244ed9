"""Twilio as documented: messages by form, and its own memory of who wrote STOP."""

import json
from typing import Any
from urllib.parse import parse_qsl

import httpx

from tests.builders.fakes import Case, Error, Said
from tests.builders.platforms import Fake

_ACCOUNT = "AC00000000000000000000000000000001"
_MESSAGES = f"/2010-04-01/Accounts/{_ACCOUNT}/Messages.json"
_MESSAGE = f"/2010-04-01/Accounts/{_ACCOUNT}/Messages/"


class FakeTwilio(Fake):
    """Messages; Joe has written STOP."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = {"+33698765432"}
        self.sent = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.headers.get("Authorization", "").startswith("Basic "):
            return error(401, 20003)
        if request.method == "GET":
            return self._shown(request.url.path)
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        if form["To"] in self.stopped:
            return error(400, 21610)
        if not 1 <= int(form["ValidityPeriod"]) <= 14_400:
            return error(400, 21635)
        if not all(isinstance(said, str) for said in json.loads(form["ContentVariables"]).values()):
            return error(400, 21656)
        self.sent += 1
        sid = f"SM{self.sent:032x}"
        return httpx.Response(201, json={"sid": sid, "status": "accepted", "error_code": None})

    def _shown(self, path: str) -> httpx.Response:
        known = {f"{_MESSAGE}SM{number + 1:032x}.json" for number in range(self.sent)}
        return message("queued") if path in known else error(404, 20404)

    def consent(self) -> Any:
        return sorted(self.stopped)

    def known(self) -> set[str]:
        return set()

    @property
    def effects(self) -> int:
        return self.sent


def error(status: int, code: int, **headers: str) -> httpx.Response:
    """Say no as Twilio does: a code of five digits."""
    said = {"code": code, "message": "no", "status": status}
    return httpx.Response(status, json=said, headers=headers)


def message(status: str, code: int | None = None) -> httpx.Response:
    """Show a message as Twilio does."""
    said = {
        "sid": "SM00000000000000000000000000000001",
        "status": status,
        "error_code": code,
        "date_sent": "Sat, 21 Nov 2026 20:00:30 +0000",
        "date_updated": "Sat, 21 Nov 2026 20:00:40 +0000",
    }
    return httpx.Response(200, json=said)


CASE = Case(
    preset="twilio",
    settings={
        "vars": {
            "account": _ACCOUNT,
            "key": "SK00000000000000000000000000000002",
            "key_secret": "env:NPS_SECRET_TWILIO",
            "service": "MG00000000000000000000000000000003",
            "status_callback": "https://hooks.example.com/twilio",
        },
        "message": {"nps_theme": "1", "first_name": "2", "nps_score": "3"},
        "templates": {"reassurance_price": "HX00000000000000000000000000000004"},
    },
    environ={"NPS_SECRET_TWILIO": "made-up-twilio-secret"},
    fake=FakeTwilio,
    acting=_MESSAGES,
    channel="sms",
    sees_opt_out=True,
    errors=(
        Error("bad key", "act", _MESSAGES, error(401, 20003), "disable_target"),
        Error("account not active", "act", _MESSAGES, error(403, 20005), "disable_target"),
        Error("no sender", "act", _MESSAGES, error(400, 21704), "disable_target"),
        Error("no account", "act", _MESSAGES, error(404, 20404), "disable_target"),
        Error("she wrote STOP", "act", _MESSAGES, error(400, 21610), "suppressed"),
        Error("no mobile number", "act", _MESSAGES, error(400, 21614), "reject"),
        Error("country not enabled", "act", _MESSAGES, error(400, 21408), "reject"),
        Error("too fast", "act", _MESSAGES, error(429, 20429), "throttle"),
        Error("day's limit", "act", _MESSAGES, error(429, 63038), "throttle"),
        Error(
            "failure inside 201",
            "act",
            _MESSAGES,
            httpx.Response(201, json={"sid": "SM1", "status": "failed", "error_code": 30008}),
            "reject",
        ),
        Error("outage", "act", _MESSAGES, error(500, 20500), "in_doubt"),
    ),
    asking=_MESSAGE,
    said=(
        Said("taken", message("accepted"), None),
        Said("in the queue", message("queued"), None),
        Said("on its way", message("sending"), None),
        Said("with the carrier", message("sent"), "sent"),
        Said("arrived", message("delivered"), "delivered", last=True),
        Said("read", message("read"), "opened", last=True),
        Said("handset off", message("undelivered", 30003), "failed", last=True),
        Said("filtered", message("undelivered", 30007), "failed", last=True),
        Said("called off", message("canceled"), "failed", last=True),
        Said("no such number", message("undelivered", 30005), "bounced", last=True),
        Said("a landline", message("failed", 30006), "bounced", last=True),
        Said("she wrote STOP", message("failed", 21610), "unsubscribed", last=True),
        Said("no such message", error(404, 20404), None),
        Said("bad key", error(401, 20003), None, outcome="disable_target"),
        Said("too fast", error(429, 20429), None, outcome="throttle"),
        Said("outage", error(500, 20500), None, outcome="retry"),
    ),
)
