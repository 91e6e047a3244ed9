"""Customer.io's App API as documented: transactional e-mails, each call a mail of its own."""

import copy
import json
from typing import Any

import httpx

from tests.builders.fakes import Case, Error, Said
from tests.builders.platforms import Fake

KEY = "made-up-app-key"
_SEND, _PEOPLE, _MESSAGE = "/v1/send/email", "/v1/customers/", "/v1/messages/"


class FakeCustomerIoEmail(Fake):
    """People with their `unsubscribed` flag, and the mails that went to them."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {"jane@example.com": False, "joe@example.com": True}
        self.sent: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.customer.io"
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return failed(401)
        if request.url.path == _SEND:
            return self._send(json.loads(request.content))
        if request.url.path.startswith(_MESSAGE):
            number = request.url.path.removeprefix(f"{_MESSAGE}RAEC")
            known = number.isdecimal() and int(number) <= len(self.sent)
            return message(sent=1795291201) if known else failed(404)
        email = request.url.path.removeprefix(_PEOPLE).removesuffix("/attributes")
        if email not in self.people:
            return failed(404)
        said = {"attributes": {"email": email}, "unsubscribed": self.people[email]}
        return httpx.Response(200, json={"customer": said})

    def _send(self, body: dict[str, Any]) -> httpx.Response:
        assert body["send_to_unsubscribed"] is False
        self.people.setdefault(body["identifiers"]["email"], False)
        self.sent.append(body)
        said = {"delivery_id": f"RAEC{len(self.sent)}", "queued_at": 1795291200}
        return httpx.Response(200, json=said)

    def consent(self) -> Any:
        return copy.deepcopy(self.people)

    def known(self) -> set[str]:
        return set(self.people)

    @property
    def effects(self) -> int:
        return len(self.sent)


def failed(status: int, **headers: str) -> httpx.Response:
    """Answer as Customer.io does when it refuses a call."""
    return httpx.Response(status, json={"meta": {"error": "no"}}, headers=headers)


def message(**metrics: int) -> httpx.Response:
    """Show a message with the moments of what happened to it."""
    return httpx.Response(200, json={"message": {"id": "RAEC1", "metrics": metrics}})


CASE = Case(
    preset="customerio_email",
    settings={
        "vars": {"app_key": "env:NPS_SECRET_CUSTOMERIO_APP"},
        "message": {"nps_score": "score", "nps_theme": "reason", "first_name": "first_name"},
        "templates": {"reassurance_price": "nps_reassurance"},
    },
    environ={"NPS_SECRET_CUSTOMERIO_APP": KEY},
    fake=FakeCustomerIoEmail,
    acting=_SEND,
    sees_opt_out=True,
    makes_nobody_up=True,
    errors=(
        Error("bad key", "act", _PEOPLE, failed(401), "disable_target"),
        Error("no permission", "act", _SEND, failed(403), "disable_target"),
        Error("unknown person", "act", _PEOPLE, failed(404), "reject"),
        Error("unknown message", "act", _SEND, failed(404), "park"),
        Error("not understood", "act", _SEND, failed(400), "reject"),
        Error("taken without a number", "act", _SEND, httpx.Response(200, json={}), "in_doubt"),
        Error("too fast, at the look", "act", _PEOPLE, failed(429), "throttle"),
        Error("too fast", "act", _SEND, failed(429, **{"Retry-After": "2"}), "throttle", wait=2),
        Error("cannot be reached", "act", _SEND, httpx.Response(522), "retry"),
        Error("asked and not answered", "act", _SEND, httpx.Response(524), "in_doubt"),
        Error("failed within", "act", _SEND, failed(500), "in_doubt"),
        Error("takes nothing now", "act", _SEND, failed(503), "retry"),
        Error("consent unheard", "act", _PEOPLE, failed(500), "retry"),
    ),
    asking=_MESSAGE,
    said=(
        Said("nothing yet", message(), None),
        Said("sent", message(sent=1), "sent"),
        Said("arrived", message(sent=1, delivered=2), "delivered"),
        Said("opened", message(sent=1, delivered=2, opened=3), "opened"),
        Said("clicked", message(sent=1, delivered=2, clicked=3), "opened"),
        Said("failed", message(failed=1), "failed", last=True),
        Said("not tried", message(dropped=1), "failed", last=True),
        Said("cannot be", message(undeliverable=1), "failed", last=True),
        Said("bounced", message(sent=1, bounced=2), "bounced", last=True),
        Said("a complaint", message(delivered=2, spammed=3), "unsubscribed", last=True),
        Said("left", message(delivered=2, unsubscribed=3), "unsubscribed", last=True),
        Said("no such message", failed(404), None),
        Said("bad key", failed(401), None, outcome="disable_target"),
        Said("too fast", failed(429), None, outcome="throttle"),
        Said("outage", failed(500), None, outcome="retry"),
    ),
)
